import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as sk
from support.metric_inputs import inputs_of

from jaxbm import metrics

RNG = np.random.default_rng(0)
N = 2000
CASES = {
    "random": (RNG.random(N).astype(np.float32), RNG.integers(0, 2, N), None),
    "tied": (RNG.integers(0, 5, N).astype(np.float32) / 5, RNG.integers(0, 2, N), None),
    "weighted": (RNG.integers(0, 50, N).astype(np.float32) / 50, RNG.integers(0, 2, N), RNG.integers(0, 4, N)),
    "all ties": (np.full(N, 0.5, np.float32), RNG.integers(0, 2, N), None),
    "one of each": (np.asarray([0.2, 0.7], np.float32), np.asarray([0, 1]), None),
}
CLASSES = {
    "random": (RNG.integers(0, 4, N), RNG.integers(0, 4, N), None),
    "weighted": (RNG.integers(0, 4, N), RNG.integers(0, 4, N), RNG.integers(0, 3, N)),
    "class 2 never predicted": (RNG.integers(0, 2, N), RNG.integers(0, 4, N), None),
    "class 3 never true": (RNG.integers(0, 4, N), RNG.integers(0, 3, N), None),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_scores_agree_with_scikit_learn(case):
    p, y, w = CASES[case]
    pairs = {
        metrics.roc_auc: sk.roc_auc_score(y, p, sample_weight=w),
        metrics.average_precision: sk.average_precision_score(y, p, sample_weight=w),
        metrics.log_loss: sk.log_loss(y, p, sample_weight=w),
        metrics.brier_score: sk.brier_score_loss(y, p, sample_weight=w),
    }
    for metric, want in pairs.items():
        assert float(jax.jit(metric)(p, y, weights=w)) == pytest.approx(want, rel=1e-6), metric.__name__


@pytest.mark.parametrize("case", sorted(CLASSES))
def test_decisions_agree_with_scikit_learn(case):
    p, y, w = CLASSES[case]
    got = metrics.confusion_matrix(p, y, num_classes=4, weights=w)
    np.testing.assert_allclose(got, sk.confusion_matrix(y, p, sample_weight=w, labels=range(4)), rtol=1e-6)
    assert float(metrics.accuracy(p, y, weights=w)) == pytest.approx(
        sk.accuracy_score(y, p, sample_weight=w), rel=1e-6
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        balanced = sk.balanced_accuracy_score(y, p, sample_weight=w)
        assert float(metrics.balanced_accuracy(p, y, num_classes=4, weights=w)) == pytest.approx(balanced, rel=1e-6)
        for average in ("macro", "micro", "weighted"):
            for ours, theirs in (
                (metrics.precision, sk.precision_score),
                (metrics.recall, sk.recall_score),
                (metrics.f1, sk.f1_score),
            ):
                want = theirs(y, p, average=average, sample_weight=w, zero_division=0)
                value = float(ours(p, y, average=average, num_classes=4, weights=w))
                assert value == pytest.approx(want, rel=2e-6), (ours.__name__, average)


def test_regression_agrees_with_scikit_learn():
    for shape in ((N,), (N, 3)):
        p, y = RNG.normal(size=(2, *shape)).astype(np.float32)
        y = (y + p).astype(np.float32)
        for w in (None, RNG.integers(0, 3, N)):
            assert float(metrics.mse(p, y, weights=w)) == pytest.approx(
                sk.mean_squared_error(y, p, sample_weight=w), rel=1e-6
            )
            root = sk.root_mean_squared_error(y, p, sample_weight=w)
            assert float(metrics.rmse(p, y, weights=w)) == pytest.approx(root, rel=1e-6)
            assert float(metrics.mae(p, y, weights=w)) == pytest.approx(
                sk.mean_absolute_error(y, p, sample_weight=w), rel=1e-6
            )
            assert float(metrics.r2(p, y, weights=w)) == pytest.approx(sk.r2_score(y, p, sample_weight=w), rel=1e-5)
    constant = jnp.ones(5)
    assert float(metrics.r2(constant, constant)) == 1.0
    assert float(metrics.r2(constant * 2, constant)) == 0.0


def test_multi_class_scores():
    logits = RNG.normal(size=(N, 4)).astype(np.float32)
    y = RNG.integers(0, 4, N)
    p = np.asarray(jax.nn.softmax(logits.astype(np.float64)))
    p = (p / p.sum(axis=1, keepdims=True)).astype(np.float64)
    want = sk.roc_auc_score(y, p, multi_class="ovr")
    assert float(metrics.METRICS["roc_auc"](logits, jnp.asarray(y), None)) == pytest.approx(want, rel=1e-5)
    exact = np.exp(logits.astype(np.float64))
    exact /= exact.sum(axis=1, keepdims=True)
    assert float(metrics.METRICS["log_loss"](logits, jnp.asarray(y), None)) == pytest.approx(
        sk.log_loss(y, exact), rel=1e-5
    )


def test_degenerate_inputs():
    p, ones = jnp.asarray([0.2, 0.7]), jnp.ones(2, int)
    assert np.isnan(metrics.roc_auc(p, ones))
    assert float(metrics.average_precision(p, 0 * ones)) == 0.0
    assert np.isnan(metrics.accuracy(ones, ones, weights=jnp.zeros(2)))
    assert float(metrics.f1(0 * ones, 0 * ones)) == 0.0


RANKED = ((metrics.roc_auc, sk.roc_auc_score), (metrics.average_precision, sk.average_precision_score))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "int8", "uint8", "bool"])
def test_scores_of_any_sign_and_type_are_ranked(dtype):
    rng = np.random.default_rng(5)
    for n in (2, 3, 17, 1_000):
        raw = 40 * rng.standard_normal(n)
        p = (raw > 0 if dtype == "bool" else np.abs(raw) if dtype == "uint8" else raw).astype(dtype)
        y, w = np.arange(n) % 2, rng.integers(1, 4, n)
        for ours, theirs in RANKED:
            want = theirs(y, p.astype(float), sample_weight=w)
            assert float(jax.jit(ours)(p, y, weights=w)) == pytest.approx(want, rel=1e-6)


def test_zeros_of_both_signs_tie_and_infinite_ones_come_first_and_last():
    y = np.asarray([1, 0, 1, 0, 0, 1])
    p = np.asarray([-0.0, 0.0, np.inf, -np.inf, 3e38, -3e38], np.float32)
    stand_in = np.asarray([0, 0, 4e38, -4e38, 3e38, -3e38])
    for ours, theirs in RANKED:
        assert float(ours(p, y)) == pytest.approx(theirs(y, stand_in), rel=1e-6)
        # Next to each other as floats, on both sides of zero: equal to nobody.
        close = np.nextafter(np.float32([1, -1, 1, -1]), np.float32([2, 2, -2, -2]))
        labels = np.asarray([1, 1, 0, 0])
        assert float(ours(close, labels)) == pytest.approx(theirs(labels, close.astype(float)), rel=1e-6)


def test_zero_weights_have_no_influence():
    p, y = RNG.normal(size=50).astype(np.float32), RNG.integers(0, 2, 50)
    w = np.ones(50, np.float32)
    without = {name: inputs_of(name, p, y) for name in metrics.METRICS}
    beside = {name: inputs_of(name, np.append(p, 9), np.append(y, 0)) for name in metrics.METRICS}
    measured = jax.jit(lambda inputs, w: {name: metrics.METRICS[name](*given, w) for name, given in inputs.items()})
    want, got = measured(without, w), measured(beside, np.append(w, np.float32(0)))
    for name, value in want.items():
        assert float(got[name]) == pytest.approx(float(value), rel=1e-6), name


@pytest.mark.parametrize("metric", [metrics.f1, metrics.precision, metrics.recall, metrics.balanced_accuracy])
def test_lists_are_taken(metric):
    assert float(metric([0, 1, 1], [0, 1, 0])) == float(metric(np.asarray([0, 1, 1]), np.asarray([0, 1, 0])))


def test_calibration_error_by_hand():
    p = jnp.asarray([0.05, 0.05, 0.95, 0.95])
    y = jnp.asarray([0, 1, 1, 1])
    assert float(metrics.calibration_error(p, y, bins=10)) == pytest.approx((2 * 0.45 + 2 * 0.05) / 4, rel=1e-5)


def test_vmap():
    p, y = RNG.random((3, 100)).astype(np.float32), RNG.integers(0, 2, (3, 100))
    many = jax.vmap(metrics.roc_auc)(p, y)
    np.testing.assert_allclose(many, [sk.roc_auc_score(b, a) for a, b in zip(p, y, strict=True)], rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: metrics.accuracy(jnp.ones((3, 1)), jnp.ones(3)), r"got \[3\] against \[3, 1\]"),
        (lambda: metrics.mse(jnp.ones((3, 1)), jnp.ones(3)), r"targets: expected"),
        (lambda: metrics.roc_auc(jnp.ones(3), jnp.ones((3, 1))), r"labels: expected shape \[n\]"),
        (lambda: metrics.mae(jnp.ones(3), jnp.ones(3), weights=jnp.ones(2)), r"weights: expected shape \[3\]"),
        (lambda: metrics.f1(jnp.ones(3), jnp.ones(3), average="makro"), "did you mean 'macro'"),
        (lambda: metrics.metric("roc"), "metric: unknown name 'roc'"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_dtypes_agree_with_scikit_learn(dtype):
    # bfloat16 inputs are exact numbers of 8 bits: only what is computed from them may round.
    tolerance = {"float64": 1e-12, "bfloat16": 2e-2}[dtype]
    rng = np.random.default_rng(4)
    y, w = rng.integers(0, 2, 500), rng.integers(0, 3, 500)
    with jax.enable_x64(dtype == "float64"):
        p = jnp.asarray(rng.uniform(0.05, 0.95, 500), dtype)
        exact = np.asarray(p.astype(float))
        weights = jnp.asarray(w, "float64" if dtype == "float64" else "float32")
        for metric, want in (
            (metrics.roc_auc, sk.roc_auc_score(y, exact, sample_weight=w)),
            (metrics.average_precision, sk.average_precision_score(y, exact, sample_weight=w)),
            (metrics.log_loss, sk.log_loss(y, exact, sample_weight=w)),
            (metrics.brier_score, sk.brier_score_loss(y, exact, sample_weight=w)),
            (metrics.mse, sk.mean_squared_error(y, exact, sample_weight=w)),
            (metrics.mae, sk.mean_absolute_error(y, exact, sample_weight=w)),
        ):
            assert float(metric(p, jnp.asarray(y), weights=weights)) == pytest.approx(want, rel=tolerance), metric
