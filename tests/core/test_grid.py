"""Losses and metrics over a grid of shapes, types and edge values, against Optax in float64 and scikit-learn."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import sklearn.metrics as sk

from jaxbm import losses
from jaxbm.losses import LOSSES, kind_of
from jaxbm.metrics import METRICS

SHARED = sorted(name for name in LOSSES if hasattr(optax.losses, name))
ELEMENTWISE = [name for name in SHARED if kind_of(name) in ("real", "binary", "sign")]
OF_CLASSES = [name for name in SHARED if kind_of(name) in ("class", "distribution")]
DTYPES = ("float32", "bfloat16", "float16")
ASCENDING = [1e-3, 0.5, 3, 15, 80, 6e4, 3e38, np.inf]
EDGES = np.asarray([*(-value for value in ASCENDING), 0, *ASCENDING, np.nan])
#: Derivatives of a kink's two sides: any number between them is one.
KINKS = {"hinge_loss": (0.0, 1.0), "perceptron_loss": (0.0,), "sparsemax_loss": (-1.0, 1.0)}


def labels_of(name):
    return {"real": EDGES, "binary": np.asarray([0, 0.3, 1]), "sign": np.asarray([-1, 1])}[kind_of(name)]


def with_slopes(module, name, z, y):
    """Values of `[n]`, and their derivatives."""
    function = getattr(module, name)
    return function(z, y), jax.grad(lambda z: function(z, y).sum())(z)


def compared(ours, exact, dtype, known):
    """Ours are the exact values in the narrower type: where those are numbers, and NaN where a NaN came in."""
    eps, tiny = float(jnp.finfo(dtype).eps), float(jnp.finfo(dtype).tiny)
    with np.errstate(all="ignore"):
        want = np.asarray(jnp.asarray(exact, dtype), np.float64)
    got = np.asarray(ours, np.float64)
    np.testing.assert_allclose(got[known], want[known], rtol=16 * eps, atol=8 * tiny)


@pytest.mark.parametrize("dtype", DTYPES)
@np.errstate(all="ignore")
def test_elementwise_losses_at_the_edges(dtype):
    grids = {}
    for name in ELEMENTWISE:
        z, y = (a.ravel() for a in np.meshgrid(EDGES, labels_of(name)))
        grids[name] = tuple(jnp.asarray(a, dtype) for a in (z, y))
    ours = jax.jit(lambda grids: {n: with_slopes(losses, n, *grid) for n, grid in grids.items()})(grids)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: jnp.asarray(np.asarray(a, np.float64)), grids)
        exact = jax.jit(lambda grids: {n: with_slopes(optax.losses, n, *grid) for n, grid in grids.items()})(wide)
    for name, (value, slope) in exact.items():
        z, y = (np.asarray(a, np.float64) for a in grids[name])
        assert np.isnan(np.asarray(ours[name][0], np.float64)[np.isnan(z) | np.isnan(y)]).all(), name
        with np.errstate(all="ignore"):
            between = np.isfinite(z - y) if kind_of(name) == "real" else np.isfinite(z)
            # What a product or difference of the two can't hold in the narrow type has no exact counterpart.
            held = np.isfinite(np.asarray(jnp.asarray(np.maximum(abs(z), abs(y)), dtype) * 2, np.float64))
        known = between & held & np.isfinite(np.asarray(value))
        compared(ours[name][0], value, dtype, known)
        with np.errstate(all="ignore"):
            smooth = known & np.isfinite(np.asarray(slope)) & ~np.isin(z * np.sign(y), KINKS.get(name, ()))
        compared(ours[name][1], slope, dtype, smooth & (abs(z) <= 80) & (abs(y) <= 80))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.promotes  # Optax does
def test_losses_of_classes_at_the_edges(dtype):
    rng = np.random.default_rng(0)
    rows = [[0, 0, 0], [80, -80, 0], [-80, 80, -80], [0.25, 0, -0.25], [2e4, 0, -2e4], [15, 14.5, -15]]
    z = jnp.asarray([*rows, *rng.normal(0, 4, (6, 3))], dtype)
    n = z.shape[0]
    classes = jnp.asarray(np.arange(n) % 3)
    shares = jnp.asarray(np.concatenate([np.eye(3)[np.arange(n - 2) % 3], rng.dirichlet(np.ones(3), 2)]), dtype)

    def all_of(module, z, shares):
        found = {}
        for name in OF_CLASSES:
            y = classes if kind_of(name) == "class" else shares
            found[name] = with_slopes(module, name, z, y)
        return found

    ours = jax.jit(lambda z, y: all_of(losses, z, y))(z, shares)
    with jax.enable_x64(True):
        wide = (jnp.asarray(np.asarray(a, np.float64)) for a in (z, shares))
        exact = jax.jit(lambda z, y: all_of(optax.losses, z, y))(*wide)
    eps = float(jnp.finfo(dtype).eps)
    for name, parts in exact.items():
        for got, want in zip(ours[name], parts, strict=True):
            want = np.asarray(want)
            scale = np.maximum(1.0, np.abs(np.asarray(z, np.float64)).max(axis=1))
            error = np.abs(np.asarray(got, np.float64) - want)
            bound = 16 * eps * (scale if want.ndim == 1 else scale[:, None])
            assert (error <= bound).all(), (name, float((error - bound).max()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (5, 1), (5, 3), (2, 3, 4)])
@pytest.mark.promotes  # Optax does
def test_losses_have_optax_shapes_and_types(shape, dtype):
    z = jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))
    for name in ELEMENTWISE:
        got, want = (jax.eval_shape(getattr(module, name), z, z) for module in (losses, optax.losses))
        assert (got.shape, got.dtype) == (want.shape, want.dtype), name
    if shape and shape[-1] > 1:
        for name in OF_CLASSES:
            labels = jax.ShapeDtypeStruct(shape[:-1], jnp.int32) if kind_of(name) == "class" else z
            if len(shape) != 2 and name.startswith("multiclass"):
                continue  # Optax's take rows of one axis
            got, want = (jax.eval_shape(getattr(module, name), z, labels) for module in (losses, optax.losses))
            assert (got.shape, got.dtype) == (want.shape, z.dtype), name  # Optax widens some of them


N = 40
RNG = np.random.default_rng(1)
PLAIN = RNG.normal(size=N)
MIXED = RNG.integers(0, 2, N)
#: Scores and labels.
CASES = {
    "plain": (PLAIN, MIXED),
    "ties": (np.round(PLAIN), MIXED),
    "all equal": (np.zeros(N), MIXED),
    "perfect": (2.0 * MIXED - 1, MIXED),
    "all wrong": (1 - 2.0 * MIXED, MIXED),
    "far out": (50 * PLAIN, MIXED),
    "one of a class": (PLAIN, (np.arange(N) == 7).astype(int)),
    "ones alone": (PLAIN, np.ones(N, int)),
    "zeros alone": (PLAIN, np.zeros(N, int)),
}
LABELS = {
    "int8": lambda y: y.astype(np.int8),
    "bool": lambda y: y > 0,
    "float": lambda y: y * 1.0,
    "sign": lambda y: 2 * y - 1,
}
WEIGHTS = {
    "ones": np.ones(N),
    "counts": RNG.integers(0, 4, N) * 1.0,
    "tiny": RNG.uniform(1e-30, 1e-29, N),
    "some zero": np.where(np.arange(N) % 3, 1.0, 0.0),
}
OF_LABELS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "log_loss",
             "brier_score")  # fmt: skip
ALL_METRICS = jax.jit(lambda z, y, w: {name: METRICS[name](z, y, w) for name in OF_LABELS})


def by_scikit_learn(z, y, weights):
    p, decided = 1 / (1 + np.exp(-z)), (z > 0).astype(int)
    options = {"sample_weight": weights}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are absent
        return {
            "accuracy": sk.accuracy_score(y, decided, **options),
            "balanced_accuracy": sk.balanced_accuracy_score(y, decided, **options),
            "precision": sk.precision_score(y, decided, zero_division=0, **options),
            "recall": sk.recall_score(y, decided, zero_division=0, **options),
            "f1": sk.f1_score(y, decided, zero_division=0, **options),
            "roc_auc": sk.roc_auc_score(y, z, **options) if len(np.unique(y[weights > 0])) > 1 else np.nan,
            "average_precision": sk.average_precision_score(y, z, **options),
            "log_loss": sk.log_loss(y, p.astype(np.float32), labels=[0, 1], **options),
            "brier_score": float(np.average((p - y) ** 2, weights=weights)),
        }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_metrics_at_the_edges(dtype):
    for i, (case, (z, y)) in enumerate(CASES.items()):
        z = np.asarray(jnp.asarray(z, dtype), np.float64)
        for j, (weighed, weights) in enumerate(WEIGHTS.items()):
            kind = list(LABELS)[(i + j) % len(LABELS)]
            if kind == "sign" and len(np.unique(y)) < 2:
                kind = "int8"  # ones alone are no signs
            made = jnp.asarray(LABELS[kind](y), {"float": "float32", "sign": "int32"}.get(kind, kind))
            got = ALL_METRICS(jnp.asarray(z, dtype), made, jnp.asarray(weights, "float32"))
            for name, value in by_scikit_learn(z, y, weights).items():
                ours = float(got[name])
                same = ours == pytest.approx(value, rel=2e-5, abs=2e-6, nan_ok=True)
                assert same, (case, weighed, kind, name, ours, value)
