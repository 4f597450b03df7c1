"""One model for each group of rows."""

import zlib

import jax
import numpy as np
import optax
import pytest
from jaxbm.kernels import native

import jaxbm

IMPLEMENTATIONS = [
    pytest.param("cpu", marks=pytest.mark.skipif(native.native().reason is not None, reason="no compiled kernels")),
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


def close(a, b, exact):
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if exact:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=5e-4, atol=1e-5)


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
    options = {"loss": "sigmoid_binary_cross_entropy", "class_weight": "balanced"}
    result = fit_groups(y=y, **options)
    rows = GROUPS == "e"
    key = jax.random.fold_in(KEY, zlib.crc32(b"'e'"))
    alone = jaxbm.fit(key, MODEL, X[rows], y[rows], **{**OPTIONS, **options})
    close(result.member("e").params, alone.params, False)


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
