"""Each member has rows that count, labels of any form, and errors that say which member is meant."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.members.fit_members import prepare
from jaxbm.members.weight_checks import NoRowCounts
from jaxbm.run.training import Training

RNG = np.random.default_rng(0)
N = 24
X = RNG.normal(size=(N, 3)).astype(np.float32)
Y = (np.arange(N) % 2).astype(np.float32)
KEY, MODEL, BINARY = jax.random.key(0), jaxbm.MLP((3, 4, 1)), "sigmoid_binary_cross_entropy"
ONES, LATE = np.ones(N), np.where(np.arange(N) < 12, 1.0, 0.0)
LISTS = [np.arange(0, 8), np.arange(12, 20)]
OWN = np.stack([ONES, LATE])
CLASSES = {0: 0.0, 1: 1.0}
EVEN, ODD = np.arange(0, N, 2), np.arange(1, N, 2)

#: Rows of member 1 that all weigh nothing.
WEIGHTLESS = {
    "lists of a length": {"rows": np.stack(LISTS), "sample_weight": LATE},
    "lists of any length": {"rows": [LISTS[0][:5], LISTS[1]], "sample_weight": LATE},
    "own weights": {"sample_weight": np.stack([ONES, 0 * ONES])},
    "own weights of lists": {"rows": np.stack(LISTS), "sample_weight": OWN},
    "own weights of lists of any length": {"rows": [LISTS[0][:5], LISTS[1]], "sample_weight": OWN},
    "own weights of one list": {"rows": LISTS[1], "sample_weight": OWN},
    "what a split leaves": {
        "rows": [LISTS[0], np.r_[12:18, 0:6]], "validation_split": 0.5, "sample_weight": LATE,
    },
    "what is held out": {"rows": EVEN, "validation_rows": LISTS, "sample_weight": LATE},
    "a class": {"rows": [ODD, EVEN], "class_weight": CLASSES},
    "a class of own labels": {"y": np.stack([Y, 0 * Y]), "class_weight": CLASSES},
    "a class beside own weights": {"sample_weight": np.stack([ONES, 1 - Y]), "class_weight": CLASSES},
}  # fmt: skip


def prepared(y=Y, x=X, model=MODEL, members=2, loss=BINARY, **options):
    return prepare(KEY, model, x, y, Training(loss=loss, epochs=1, **options), members)


@pytest.mark.parametrize("case", WEIGHTLESS)
def test_a_member_none_of_whose_rows_counts_is_named(case):
    options, name = WEIGHTLESS[case], "class_weight" if "class" in case else "sample_weight"
    what = "measured" if case == "what is held out" else "trained on"
    told = f"{name}: expected a positive weight among the rows {what} of each, got zeros alone for member 1"
    with pytest.raises(NoRowCounts, match=told) as error:
        prepared(**options)
    assert str(pickle.loads(pickle.dumps(error.value))) == told
    prepared(**options | {"sample_weight": ONES, "class_weight": None})


def test_a_group_none_of_whose_rows_counts_is_named():
    groups = np.where(np.arange(N) < 12, "here", "there")
    with pytest.raises(ValueError, match=r"sample_weight: .* got zeros alone for group there"):
        jaxbm.fit_groups(KEY, MODEL, X, Y, groups, loss=BINARY, sample_weight=LATE)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"sample_weight": 0 * ONES, "class_weight": {0: 1.0}}, "sample_weight"),
        ({"sample_weight": 1 - Y, "class_weight": CLASSES}, "class_weight"),
        ({"sample_weight": np.r_[(1 - Y)[:18], np.ones(6)], "class_weight": CLASSES, "validation_split": 0.25},
         "class_weight"),
        ({"validation_data": (X, Y, 0 * ONES)}, "validation_data"),
    ],
)  # fmt: skip
def test_the_weights_that_are_to_blame_are_named(options, name, many):
    with pytest.raises(ValueError, match=f"{name}: expected a positive weight among the rows"):
        prepared(**options) if many else jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, **options)


@pytest.mark.parametrize("axes", [(), (2,), (2, 1), (2, 1, 3)])
def test_members_own_labels_have_any_number_of_axes(axes):
    def loss(logits, labels):
        return jnp.square(logits.reshape(-1, *(1 for _ in axes)) - labels)

    own, shared = np.ones((2, N, *axes), np.float32), np.ones((N, *axes), np.float32)
    assert prepared(own, loss=loss).own.data.y.shape == own.shape
    assert prepared(shared, loss=loss).shared.data.y.shape == shared.shape
    if axes:
        result = jax.eval_shape(lambda: tuple(jaxbm.fit_members(KEY, MODEL, X, own, members=2, loss=loss)))
        assert result[2]["loss"].shape == (2, 10)


ANY_FORM = jaxbm.FunctionModel(lambda key: {"w": jnp.ones((3, 1))}, lambda params, x: x @ params["w"], None, 1)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: prepared(x={}), ValueError, r"x: expected shape \[n, 3\] for \(3, 4, 1\), got a dict of arrays"),
        (lambda: prepared(x={}, model=ANY_FORM), ValueError, "x: expected at least one array, got none"),
        (lambda: prepared(members="3"), TypeError, "members: expected an integer, got '3'"),
        (lambda: prepared(members=0), ValueError, "members: expected at least 1, got 0"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, members="3", privacy=jaxbm.DPSGD(noise_multiplier=1.0)),
         TypeError, "members: expected an integer, got '3'"),
        (lambda: prepare(None, MODEL, X, Y, Training(loss=BINARY), 2), TypeError, r"keys: .* NoneType"),
        (lambda: prepared(class_weight={0: 0, 1: 0}), ValueError, "class_weight: expected a positive weight"),
        (lambda: jaxbm.fit_members(KEY, MODEL, X, Y, loss=BINARY, members=2, folder=3), TypeError,
         "folder: expected a path, got int"),
        (lambda: jaxbm.fit_members(KEY, MODEL, X, Y, loss=BINARY, members=2, folder="x", progress=3), TypeError,
         "progress: expected True, False or a function, got 3"),
        (lambda: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, progress="x"), TypeError,
         "progress: expected True, False or a function, got 'x'"),
        (lambda: prepared(shuffle="no"), TypeError, "shuffle: expected True or False, got 'no'"),
        (lambda: prepared(bootstrap=2), TypeError, "bootstrap: expected True or False, got 2"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_lists_of_rows_that_are_traced():
    def of(rows):
        return jax.eval_shape(lambda a: prepared(rows=rows(a)).own.data, 0)

    assert of(lambda a: [[a, a + 1, 2], [a, a, a]]).count.shape == (2,)
    assert of(lambda a: [[a, a + 1, 2], [a]]).count.shape == (2,)
    assert of(lambda a: [jnp.arange(3) + a, [1, 2]]).count.shape == (2,)
    # Rows are as few as int8 holds, the table's 240 are not.
    narrow = jax.jit(lambda rows: prepare(list(jax.random.split(KEY)), MODEL, np.tile(X, (10, 1)), np.tile(Y, 10),
                                          Training(loss=BINARY, rows=rows)).shared.data.rows)  # fmt: skip
    assert narrow(jnp.asarray([3, 99, 127, -1], jnp.int8)).tolist() == [
        3,
        99,
        127,
        -1,
    ]
    shared = jax.eval_shape(lambda a: prepared(rows=[a, a + 1, 2]).shared.data, 0)
    assert shared.rows.shape == (3,)
    with pytest.raises(ValueError, match=r"rows: expected integers of shape \[k\], got int32 of shape \[1, 2\]"):
        jax.eval_shape(lambda a: jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, rows=[[a, 2]]).finite, 0)
