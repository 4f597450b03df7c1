"""One model for each group of rows."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.trees import assert_close as close

import jaxbm
from jaxbm.core.device import LARGE, on_device
from jaxbm.kernels import native
from jaxbm.studies.group_layout import Layout

IMPLEMENTATIONS = [
    pytest.param("cpu", marks=pytest.mark.skipif(native.native().reason is not None, reason="no compiled kernels")),
    pytest.param(
        "program",
        marks=pytest.mark.skipif(not jaxbm.kernels.status()["program"].startswith("on"), reason="no llvmlite"),
    ),
    "xla",
]
RNG = np.random.default_rng(0)
COUNTS = {"a": 33, "b": 1, "c": 90, "d": 40, "e": 60}
GROUPS = RNG.permutation(np.repeat(list(COUNTS), list(COUNTS.values())))
X = RNG.normal(size=(len(GROUPS), 3)).astype(np.float32)
Y = np.where(GROUPS == "c", X[:, 0], -X[:, 1]).astype(np.float32)
MODEL = jaxbm.MLP((3, 6, 1))
KEY = jax.random.key(5)
OPTIONS = {"loss": "squared_error", "epochs": 4, "batch_size": 8, "optimizer": jaxbm.adam(0.02)}


def fit_groups(x=X, y=Y, groups=GROUPS, **options):
    return jaxbm.fit_groups(KEY, MODEL, x, y, groups, **{**OPTIONS, **options})


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_group_is_what_it_is_alone(implementation):
    exact = implementation == "cpu"
    options = {"implementation": implementation, "validation_split": 0.25, "patience": 2}
    result = fit_groups(**options)
    assert result.labels.tolist() == ["c", "e", "d", "a"]
    assert result.counts.tolist() == [90, 60, 40, 33]
    assert result.too_small.tolist() == ["b"]
    rows = np.isin(GROUPS, ["a", "b"])
    fewer = fit_groups(
        X[rows], Y[rows], GROUPS[rows], implementation=implementation, validation_split=0.25, patience=2
    )
    close(result.member("a"), fewer.member("a"), exact)
    # Generated code sums a measured loss over as many rows as the largest group has; training has the same bits.
    close(result.member("a").params, fewer.member("a").params, implementation != "xla")
    logits = result.predict(X, GROUPS)
    assert np.isnan(logits[GROUPS == "b"]).all()
    for label in ("a", "c"):
        own = jaxbm.predict(MODEL, result.member(label).params, X[label == GROUPS])
        np.testing.assert_allclose(logits[label == GROUPS], own, rtol=1e-4, atol=1e-5)


def test_groups_are_fit_on_their_rows():
    result = fit_groups(min_rows=1)
    key = jax.random.fold_in(KEY, zlib.crc32(b"'e'"))
    alone = jaxbm.fit(key, MODEL, X[GROUPS == "e"], Y[GROUPS == "e"], **OPTIONS)
    close(tuple(result.member("e")), tuple(alone), native.native().reason is None)
    assert result.too_small.size == 0
    assert int(result.member("b").epochs_run) == 4


def test_small_and_unseen_groups_get_the_pooled_model():
    result = fit_groups(pooled=True, min_rows=50)
    assert sorted(result.too_small) == ["a", "b", "d"]
    pooled = jaxbm.fit(KEY, MODEL, X, Y, **OPTIONS)
    close(tuple(result.pooled), tuple(pooled), True)
    logits = result.predict(X[:9], np.asarray(["a", "b", "new"] * 3))
    np.testing.assert_allclose(logits, jaxbm.predict(MODEL, pooled.params, X[:9]), rtol=1e-4, atol=1e-5)
    assert result.member("nobody") is result.pooled
    with pytest.raises(KeyError, match="group 'nobody'"):
        fit_groups().member("nobody")


@pytest.mark.promotes  # Optax's schedules do
def test_groups_of_numbers_schedules_and_no_group_large_enough():
    codes = np.searchsorted(sorted(COUNTS), GROUPS) * 10
    scheduled = jaxbm.adam(optax.cosine_decay_schedule(0.02, 40))
    result = fit_groups(groups=codes, optimizer=scheduled, epochs=2)
    assert result.labels.tolist() == [20, 40, 30, 0]
    whole = jaxbm.fit(
        jax.random.fold_in(KEY, zlib.crc32(b"30")), MODEL, X[codes == 30], Y[codes == 30],
        **{**OPTIONS, "optimizer": scheduled, "epochs": 2},
    )  # fmt: skip
    close(result.member(30).params, whole.params, False)
    none = fit_groups(min_rows=1000)
    assert none.result is None
    assert np.isnan(none.predict(X, GROUPS)).all()
    assert len(none.table()["group"]) == 5


def test_balanced_within_groups_is_balanced_alone():
    y = (X[:, 0] > 0.5).astype(np.float32)
    options = {"loss": "sigmoid_binary_cross_entropy", "class_weight": "balanced", "validation_split": 0.25}
    result = fit_groups(y=y, **options)
    rows = GROUPS == "e"
    key = jax.random.fold_in(KEY, zlib.crc32(b"'e'"))
    alone = jaxbm.fit(key, MODEL, X[rows], y[rows], **{**OPTIONS, **options})
    close(result.member("e").params, alone.params, False)
    close(result.member("e").history, alone.history, False)
    with pytest.raises(ValueError, match="class_weight: expected a loss whose labels name a class"):
        fit_groups(class_weight="balanced")


def test_table():
    lines = fit_groups(validation_split=0.25).table()
    assert list(lines.columns) == ["group", "rows", "own_model", "epochs_run", "best_epoch", "loss", "val_loss"]
    assert lines.set_index("group").loc["c", "epochs_run"] == 4
    assert lines.own_model.tolist() == [True] * 4 + [False]


def test_many_groups_at_once():
    counts = RNG.integers(1, 40, 500)
    groups = np.repeat(np.arange(500), counts)
    x = RNG.normal(size=(len(groups), 3)).astype(np.float32)
    slope = RNG.normal(size=500).astype(np.float32)
    result = fit_groups(x, slope[groups] * x[:, 0], groups, epochs=60, min_rows=20)
    assert len(result.labels) == (counts >= 20).sum()
    error = np.square(result.predict(x, groups)[:, 0] - slope[groups] * x[:, 0])
    own = np.isin(groups, result.labels)
    assert error[own].mean() < 0.2 * np.square(slope[groups] * x[:, 0])[own].mean()


@pytest.mark.parametrize(
    ("groups", "match"),
    [(GROUPS[1:], "groups: expected shape"), (np.where(GROUPS == "a", None, GROUPS), "groups: .* missing values")],
)
def test_bad_groups(groups, match):
    with pytest.raises(ValueError, match=match):
        fit_groups(groups=groups)


@pytest.mark.parametrize("labels", [["c", "a", "b"], [2, -9, 7], [2**40, -9, 7], [2.5, -9.0, 7.0]])
def test_groups_that_lie_together_and_scattered_rows_are_the_same_groups(labels):
    together = np.repeat(labels, [20, 30, 10])
    x = np.random.default_rng(3).normal(size=(60, 3)).astype(np.float32)
    scattered = np.argsort(np.random.default_rng(4).random(60) + np.tile(np.arange(10), 6) / 10)
    one = fit_groups(x, x[:, 0], together, validation_split=0.25)
    order = np.concatenate([scattered[together[scattered] == label] for label in labels])  # rows as they come
    two = fit_groups(x[order], x[order, 0], together, validation_split=0.25)
    three = fit_groups(x[scattered], x[scattered, 0], together[scattered], validation_split=0.25)
    assert one.labels.tolist() == two.labels.tolist() == three.labels.tolist() == [labels[1], labels[0], labels[2]]
    close(two.result, three.result, True)
    assert not np.array_equal(one.result.params[0].weight, two.result.params[0].weight)


def test_the_layout_of_scattered_groups():
    layout = Layout.of(np.asarray([5, 3, 5, 3, 5, 9, 8, 8]), 8, 2, 0.4)
    assert layout.order.tolist() == [1, 3, 0, 2, 4, 6, 7, 5]
    assert layout.labels.tolist() == [5, 3, 8]
    assert layout.starts.tolist() == [2, 0, 5]
    assert layout.held_out.tolist() == [2, 1, 1]
    assert layout.too_small.tolist() == [9]
    train, held_out = layout.rows(slice(1, 3))
    assert (train.start.tolist(), train.count.tolist(), train.most) == ([0, 5], [1, 1], 1)
    assert (held_out.start.tolist(), held_out.count.tolist()) == ([1, 6], [1, 1])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_a_large_table_is_copied_once(dtype):
    table = (np.arange(3 * LARGE) % 7).astype(dtype).reshape(-1, 3)[1:]
    copy = on_device(table)
    assert copy.dtype == jnp.asarray(table[:1]).dtype
    np.testing.assert_array_equal(copy, table)
    table[0] = 5  # the user's memory stays the user's
    assert copy[0].tolist() == [3, 4, 5] or dtype == "bool"
    assert on_device(copy) is copy


@pytest.mark.parametrize("groups", [[1, None], ["a", None], [1.0, np.nan], [np.datetime64("NaT", "s")] * 2], ids=str)
def test_no_group_of_rows_held_out_together_is_missing(groups):
    groups = groups * 12
    told = "groups: expected a label for every row, got missing values"
    for call in (
        lambda: jaxbm.fit_groups(KEY, MODEL, X[:24], Y[:24], groups, loss="squared_error"),
        lambda: jaxbm.cross_validate(KEY, MODEL, X[:24], Y[:24], loss="squared_error", folds=2, groups=groups),
    ):
        with pytest.raises(ValueError, match=told):
            call()
    mixed = np.array(["a", 1] * 12, object)
    with pytest.raises(TypeError, match="groups: expected labels of one kind, got numbers and text"):
        jaxbm.cross_validate(KEY, MODEL, X[:24], Y[:24], loss="squared_error", folds=2, groups=mixed)


@pytest.mark.parametrize("implementation", ["cpu", "program"])
def test_a_group_alone_measures_the_same_bits(implementation):
    """Whatever the size of the largest group: early stopping hangs on them."""
    if implementation == "program":
        pytest.importorskip("llvmlite")
    rng = np.random.default_rng(2)
    groups = rng.permutation(np.repeat([0, 1, 2], [27, 99, 150]))
    x = rng.normal(size=(len(groups), 3)).astype(np.float32)
    options = {
        "loss": "squared_error", "epochs": 2, "batch_size": 16, "validation_split": 0.3, "metrics": ["mae"],
        "implementation": implementation,
    }  # fmt: skip
    model, key = jaxbm.MLP((3, 4, 1)), jax.random.key(0)
    together = jaxbm.fit_groups(key, model, x, x[:, 0], groups, **options)
    for group in (0, 1):
        own = groups == group
        alone = jaxbm.fit_groups(key, model, x[own], x[own, 0], groups[own], **options).member(group)
        for name, want in together.member(group).history.items():
            np.testing.assert_array_equal(alone.history[name], want, err_msg=name)
