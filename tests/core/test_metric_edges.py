"""Metrics at the edges: several labels a row, signs, unknown classes, many rows, weights and types of any kind."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as sk
from support.metric_inputs import inputs_of

from jaxbm import metrics
from jaxbm.core.counts import by_class
from jaxbm.metrics import check_labels, for_labels

RNG = np.random.default_rng(0)
N = 300
SCORES = RNG.normal(size=(N, 3)).astype(np.float32)
LABELS = (SCORES + RNG.normal(size=(N, 3)) > 0).astype(np.float32)
CLASSES = np.where(RNG.random(N) < 0.7, SCORES.argmax(axis=1), RNG.integers(0, 3, N))
WEIGHTS = RNG.integers(0, 3, N).astype(np.float32)
OF_CLASSES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "average_precision",
              "log_loss", "brier_score", "calibration_error")  # fmt: skip


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_several_labels_a_row_as_scikit_learn_defines_them(weights):
    decided = SCORES > 0
    options = {"sample_weight": weights, "zero_division": 0, "average": "macro"}
    want = {
        "accuracy": sk.accuracy_score(LABELS, decided, sample_weight=weights),
        "precision": sk.precision_score(LABELS, decided, **options),
        "recall": sk.recall_score(LABELS, decided, **options),
        "f1": sk.f1_score(LABELS, decided, **options),
        "roc_auc": sk.roc_auc_score(LABELS, SCORES, sample_weight=weights),
        "average_precision": sk.average_precision_score(LABELS, SCORES, sample_weight=weights),
    }
    hooks = {(name, str(kind)): for_labels(name, kind) for name in want for kind in ("binary", None)}
    compiled = jax.jit(lambda *given: {key: hook(*given) for key, hook in hooks.items()})(SCORES, LABELS, weights)
    for (name, kind), value in compiled.items():
        assert float(value) == pytest.approx(want[name], rel=1e-5), (name, kind)
    for name, value in want.items():
        assert float(metrics.METRICS[name](SCORES, LABELS, weights)) == pytest.approx(value, rel=1e-5), name
    for average in ("micro", "weighted"):
        value = sk.f1_score(LABELS, decided, **options | {"average": average})
        assert float(metrics.f1(decided, LABELS, average=average, weights=weights)) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_column_of_labels_is_like_none_and_signs_are_like_zeros_and_ones(name):
    hook, z, y = metrics.METRICS[name], SCORES[:, 0], LABELS[:, 0]
    want = float(hook(z, y, None))
    for logits, labels in ((z, y[:, None]), (z[:, None], y), (z[:, None], y[:, None]), (z, 2 * y - 1), (z, y > 0)):
        assert float(hook(logits, labels, None)) == pytest.approx(want, rel=1e-6)
        assert float(jax.jit(hook)(logits, labels, None)) == pytest.approx(want, rel=1e-5)
    several = float(metrics.METRICS[name](SCORES, CLASSES, None))
    one_hot = np.eye(3, dtype=np.float32)[CLASSES]
    for kind in (None, "distribution"):
        for call in (for_labels(name, kind), jax.jit(for_labels(name, kind))):
            assert float(call(SCORES, one_hot, None)) == pytest.approx(several, rel=1e-5)
    assert float(hook(SCORES, CLASSES[:, None], None)) == pytest.approx(several, rel=1e-6)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_labels_that_are_no_classes(name):
    hook = metrics.METRICS[name]
    soft = np.full(N, 0.9, np.float32)
    mixed = np.where(np.arange(N) % 3 == 0, -1, np.arange(N) % 3 - 1)
    beyond = np.where(np.arange(N) == 5, 7, CLASSES)
    weights = np.where(np.arange(N) == 5, 0, 1).astype(np.float32)
    for logits, labels in ((SCORES[:, 0], soft), (SCORES[:, 0], mixed), (SCORES, beyond)):
        with pytest.raises(ValueError, match="labels: expected"):
            hook(logits, labels, None)
        assert np.isnan(jax.jit(hook)(logits, labels, None))
    assert np.isfinite(hook(SCORES, beyond, weights))
    assert np.isfinite(jax.jit(hook)(SCORES, beyond, weights))
    with pytest.raises(ValueError, match="labels: expected one-hot rows"):
        for_labels(name, "distribution")(SCORES, np.full((N, 3), 1 / 3), None)
    for labels, options in ((soft, {"num_classes": 2}), (beyond, {"num_classes": 3, "kind": "class"})):
        with pytest.raises(ValueError, match=f"y: expected .* for metric '{name}'"):
            check_labels(name, labels, **options)
    assert np.isnan(jax.jit(hook)(np.where(np.arange(N) == 3, np.nan, SCORES[:, 0]), LABELS[:, 0], None))


def test_a_class_that_the_count_leaves_out():
    for metric in (metrics.balanced_accuracy, metrics.confusion_matrix, metrics.f1):
        with pytest.raises(ValueError, match=r"expected classes 0 to 1 \(num_classes=2\), got 2"):
            metric(CLASSES, CLASSES, num_classes=2)
        assert np.isnan(jax.jit(lambda a, m=metric: m(a, a, num_classes=2))(CLASSES)).all()
    for by_default in (metrics.balanced_accuracy, lambda *a: metrics.f1(*a, average="macro")):
        with pytest.raises(ValueError, match=r"expected classes 0 to 1 \(num_classes=2\), got 2"):
            by_default(CLASSES, CLASSES)
    with pytest.raises(ValueError, match="average: expected 'macro', 'micro' or 'weighted' for 3 classes"):
        metrics.f1(CLASSES, CLASSES, num_classes=3)


def test_scores_of_many_classes():
    p = np.exp(SCORES.astype(np.float64))
    p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
    want = sk.average_precision_score(np.eye(3)[CLASSES], p, average="macro")
    assert float(metrics.average_precision(p, CLASSES)) == pytest.approx(want, rel=1e-5)
    assert float(metrics.METRICS["average_precision"](SCORES, CLASSES, None)) == pytest.approx(want, rel=1e-5)
    for metric in (metrics.roc_auc, metrics.average_precision):
        assert np.isnan(metric(np.asarray([0.1, np.nan, 0.3]), np.asarray([0, 1, 1])))
        assert float(metric([0.1, np.nan, 0.3], [0, 1, 1], weights=[1, 0, 1])) == 1.0


def test_counts_beyond_what_float32_counts_by_ones():
    n = 2**24 + 2**15  # so that one class alone has more than 2**24
    counted = jax.jit(lambda: by_class(jax.lax.iota(jnp.int32, n) % 1024 // 1023, None, 2))()
    assert counted.tolist() == [n - n // 1024, n // 1024]
    # With weights: blocks, and what their sums lose. A first block as large as everything behind it loses most.
    weights = jnp.concatenate([jnp.full(4096, 2.0**12), jnp.full(40_960, 0.75)])
    total = float(jax.jit(lambda w: by_class(jnp.zeros(w.shape[0], jnp.int32), w, 1))(weights)[0])
    assert total == 2.0**24 + 0.75 * 40_960
    # A quarter of the light ones is decided wrongly: what is right is more than 2**24 all the same.
    wrong = (jnp.arange(45_056) >= 34_816).astype(jnp.int32)
    rest, labels = 2.0**24 + 0.75 * 30_720, jnp.zeros(45_056, jnp.int32)
    found = metrics.confusion_matrix(wrong, labels, num_classes=2, weights=weights)
    assert found.tolist() == [[rest, 0.75 * 10_240], [0, 0]]
    for metric, want in (
        (metrics.accuracy, rest / total),
        (metrics.balanced_accuracy, rest / total),
        (functools.partial(metrics.f1, average="macro"), rest / (rest + total)),
    ):
        assert float(metric(wrong, labels, weights=weights)) == pytest.approx(want, rel=2e-7)
    # The same weights, all of one score and of class 0, beside a row of class 1.
    among, one = jnp.zeros(45_057).at[-1].set(1), 2.0**20
    heavy, labels = jnp.append(weights, one), among.astype(jnp.int32)
    found = metrics.average_precision(jnp.zeros(45_057), labels, weights=heavy)
    assert float(found) == pytest.approx(one / (total + one), rel=1e-6)
    scores, above = jnp.append(among / 2, 1.0), 2.0**24
    found = metrics.roc_auc(scores, jnp.append(labels, 0), weights=jnp.append(heavy, above))
    assert float(found) == pytest.approx(total / (total + above), rel=1e-6)


def test_weights_and_probabilities_of_any_type():
    y = LABELS[:, 0]
    decided = SCORES[:, 0] > 0
    many = np.tile(np.arange(2), 50_000)
    tenth = np.full(100_000, 0.1, np.float16)
    for metric in (metrics.accuracy, metrics.f1, metrics.balanced_accuracy):
        assert float(metric(many, many, weights=tenth)) == 1.0
        want = float(metric(decided, y))
        for scale in (1e38, 1e-40):
            assert float(metric(decided, y, weights=np.full(N, scale, np.float32))) == pytest.approx(want, rel=1e-6)
    for kind in ("int32", "uint8", "bool"):
        p = decided.astype(kind)
        assert float(metrics.log_loss(p, y)) == pytest.approx(sk.log_loss(y, decided.astype(np.float32)), rel=1e-5)
        assert float(metrics.brier_score(p, y)) == pytest.approx(np.mean((decided - y) ** 2), rel=1e-6)
    half = np.asarray([300.0, -300.0], np.float16)
    assert float(metrics.mse(half, np.zeros(2))) == 90_000
    with pytest.raises(ValueError, match=r"probabilities: expected probabilities from 0 to 1, got 1.5"):
        metrics.brier_score(np.asarray([0.5, 1.5]), np.asarray([0, 1]))
    with pytest.raises(ValueError, match=r"weights: expected nonnegative finite numbers, got -1.0 at \[1\]"):
        metrics.accuracy([0, 1], [0, 1], weights=[1.0, -1.0])


def test_of_rows_without_weight_nothing_is_known():
    """Neither 0 nor 1: NaN, of every metric; R2 needs two rows."""
    decided = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")

    @jax.jit
    def measured(p, y, w):
        found = {name: getattr(metrics, name)(p > 0.5, y, weights=w) for name in decided}
        rows = jnp.stack([y, 1 - y], axis=1)
        found["several"] = metrics.f1(rows, rows, average="macro", weights=w)
        found["average_precision"] = metrics.average_precision(p, y, weights=w)
        return found | {name: getattr(metrics, name)(p, y.astype(p.dtype), weights=w) for name in ("mse", "r2")}

    p, y, w = np.asarray([0.2, 0.7, 0.4], np.float32), np.asarray([0, 1, 1]), np.zeros(3, np.float32)
    assert {name for name, value in measured(p, y, w).items() if not np.isnan(value)} == set()
    assert {name for name, value in measured(p, y, np.asarray([0, 1, 0], np.float32)).items() if np.isnan(value)} == {
        "r2"
    }
    assert {
        name for name, value in measured(p, y, np.asarray([1, 1, 0], np.float32)).items() if np.isnan(value)
    } == set()
    assert np.isnan(metrics.f1(y, y, weights=w))
    assert np.isnan(metrics.r2(p[:1], p[:1]))
    assert np.isnan(metrics.r2(p[:0], p[:0]))


def test_a_row_of_weight_zero_may_be_nan():
    p, w = np.asarray([0.9, np.nan, 0.2], np.float32), np.asarray([1.0, 0.0, 1.0], np.float32)
    for metric in (metrics.calibration_error, metrics.brier_score, metrics.log_loss):
        want = float(metric(p[[0, 2]], [1, 0]))
        assert float(metric(p, [1, 1, 0], weights=w)) == pytest.approx(want, rel=1e-6)


def test_ranks_are_not_promoted():
    with jax.numpy_rank_promotion("raise"):  # what it refuses, it refuses while tracing
        for name, hook in metrics.METRICS.items():
            calls = [(hook, *inputs_of(name, SCORES[:, 0], LABELS[:, 0]))]
            if name in OF_CLASSES:
                calls.append((hook, SCORES, CLASSES))
                if name != "balanced_accuracy":
                    calls.append((for_labels(name, "binary"), SCORES, LABELS))
            for call, scores, labels in calls:
                assert jax.eval_shape(call, scores, labels, WEIGHTS).shape == (), name


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "log_loss", "brier_score", "calibration_error"])
def test_a_column_of_scores_is_like_none(name):
    metric, scores, labels = (
        getattr(metrics, name),
        np.asarray(jax.nn.sigmoid(SCORES[:, 0])),
        LABELS[:, 0].astype(int),
    )
    want = float(metric(scores, labels, weights=WEIGHTS))
    for given in (labels, labels[:, None]):
        assert float(metric(scores[:, None], given, weights=WEIGHTS)) == pytest.approx(want, rel=1e-6)
    with pytest.raises(ValueError, match=r"labels: expected shape \[n\] like the .* \[300\], got \[300, 1\]"):
        metric(scores, labels[:, None])


def test_infinite_weights_are_refused():
    weights = np.where(np.arange(N) == 7, np.inf, 1)
    for metric, given in ((metrics.mse, SCORES[:, 0]), (metrics.roc_auc, SCORES[:, 0]), (metrics.accuracy, CLASSES)):
        with pytest.raises(ValueError, match=r"weights: expected nonnegative finite numbers, got inf at \[7\]"):
            metric(given, CLASSES if metric is metrics.accuracy else LABELS[:, 0], weights=weights)


def test_probabilities_that_do_not_sum_to_one_are_judged_as_they_are_with_a_warning():
    p = np.asarray([[0.2, 0.7], [0.6, 0.3], [0.4, 0.7], [0.8, 0.3]])
    y = np.asarray([0, 1, 1, 0])
    with pytest.warns(
        UserWarning, match=r"probabilities: expected rows that sum to 1, got 0.9 at \[0\] \(4 in all\)"
    ):
        value = float(metrics.log_loss(p, y))
    assert value == pytest.approx(0.8483073, rel=1e-6)  # scikit-learn's, since it scales no more
    assert float(jax.jit(metrics.log_loss)(p, y)) == pytest.approx(value, rel=1e-6)
    whole = np.asarray([[0.5, 0.5], [1.0, 0.0], [np.nan, 9.0]])
    assert float(metrics.log_loss(whole, y[:3], weights=np.asarray([1.0, 0.0, 0.0]))) == pytest.approx(np.log(2))


@pytest.mark.parametrize("value", [0.1, 7.7, 1e6, 1e-6])
@pytest.mark.parametrize("weights", [None, RNG.random(N).astype(np.float32)])
def test_r2_of_a_constant_target_whose_mean_is_rounded(value, weights):
    target = np.full(N, value, np.float32)
    assert float(metrics.r2(SCORES[:, 0], target, weights=weights)) == 0
    assert float(metrics.r2(target, target, weights=weights)) == 1
    hidden = np.where(np.arange(N) == 0, 0, 1 if weights is None else weights)
    target[0] = np.nan
    assert float(jax.jit(metrics.r2)(SCORES[:, 0], target, weights=hidden)) == 0


def test_r2_far_from_zero():
    target = (1e6 + 3 * SCORES).astype(np.float32)
    for predictions in (target + np.float32(0.5), target[::-1]):
        want = sk.r2_score(target.astype(np.float64), predictions.astype(np.float64))
        assert float(metrics.r2(predictions, target)) == pytest.approx(want, rel=1e-5)
