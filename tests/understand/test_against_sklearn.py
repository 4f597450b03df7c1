"""scikit-learn's own inspection of its own network, and ours of the same network with the same draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.neural_network import MLPClassifier, MLPRegressor

import jaxbm
from jaxbm import understand
from jaxbm.models.mlp import Dense

CLOSE = {"rtol": 0, "atol": 1e-6}


def data(classes, n=257, d=5):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d)).astype(np.float32)
    x[:, 4] = rng.integers(0, 4, n)
    raw = x[:, 0] + x[:, 1] * x[:, 2] + 0.1 * rng.normal(size=n)
    return x, raw if classes is None else np.digitize(raw, np.quantile(raw, np.arange(1, classes) / classes))


def both(classes):
    """Rows, labels, scikit-learn's estimator, and `(model, params)` with its weights."""
    x, y = data(classes)
    make = MLPRegressor if classes is None else MLPClassifier
    # A few steps are enough: nothing here depends on how good the network is.
    estimator = make(hidden_layer_sizes=(16, 8), random_state=0, max_iter=60, tol=0, n_iter_no_change=100)
    with pytest.warns(UserWarning, match="iterations"):
        estimator.fit(x.astype(np.float64), y)
    layers = [
        Dense(jnp.asarray(weight, jnp.float32), jnp.asarray(bias, jnp.float32))
        for weight, bias in zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ]
    return x, y, estimator, (jaxbm.MLP((5, 16, 8, layers[-1].bias.shape[0])), tuple(layers))


def sklearn_orders(seed, repeats, n):
    """The orders of the rows that scikit-learn draws for every column: each repeat permutes the last one's."""
    inner = np.random.RandomState(np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1))
    shuffled, order, orders = np.arange(n), np.arange(n), []
    for _ in range(repeats):
        inner.shuffle(shuffled)
        order = order[shuffled]
        orders.append(order)
    return np.stack(orders)


@pytest.mark.parametrize("classes", [None, 2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_permutation_importance(classes, weighted):
    x, y, estimator, ours = both(classes)
    weight = np.random.default_rng(1).uniform(0.1, 2, len(x)) if weighted else None
    want = permutation_importance(
        estimator, x.astype(np.float64), y, n_repeats=4, random_state=7, sample_weight=weight
    )
    got = understand.permutation_importance(
        None, ours, x, y, metric="r2" if classes is None else "accuracy", orders=sklearn_orders(7, 4, len(x)),
        sample_weight=weight,
    )  # fmt: skip
    np.testing.assert_allclose(got.importances, want.importances, **CLOSE)
    np.testing.assert_allclose(got.mean, want.importances_mean, **CLOSE)
    np.testing.assert_allclose(got.std, want.importances_std, **CLOSE)
    assert np.abs(want.importances).max() > 0.05
    np.testing.assert_allclose(got.standard_error, want.importances.std(axis=1, ddof=1) / 2, **CLOSE)


def test_less_is_better():
    x, y, estimator, ours = both(None)
    want = permutation_importance(
        estimator, x.astype(np.float64), y, n_repeats=2, random_state=7, scoring="neg_mean_absolute_error"
    )
    orders = sklearn_orders(7, 2, len(x))
    got = understand.permutation_importance(None, ours, x, y, metric="mae", orders=orders)
    np.testing.assert_allclose(got.importances, want.importances, **CLOSE)
    own = understand.permutation_importance(
        None, ours, x, y, metric=lambda out, y, w: jnp.abs(out - y).mean(), greater_is_better=False, orders=orders
    )
    np.testing.assert_allclose(own.importances, want.importances, **CLOSE)


@pytest.mark.parametrize("classes", [None, 2, 3])
@pytest.mark.parametrize("columns", [0, 4, (1, 2), (4, 0)])
def test_partial_dependence(classes, columns):
    x, _, estimator, ours = both(classes)
    pair = columns if isinstance(columns, tuple) else (columns,)
    want = partial_dependence(estimator, x.astype(np.float64), pair, grid_resolution=9, kind="both", method="brute")
    task = "regression" if classes is None else "classification"
    got = understand.partial_dependence(ours, x, columns, grid_points=9, individual=True, task=task)
    for mine, theirs in zip(got.grid, want["grid_values"], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6)
    # theirs: [out, (n,) len(grid), ...]
    np.testing.assert_allclose(np.moveaxis(got.average, -1, 0), want["average"], **CLOSE)
    individual = np.moveaxis(np.moveaxis(got.individual, -1, 0), -1, 1)
    np.testing.assert_allclose(individual, want["individual"], rtol=0, atol=3e-6)  # one float32 output, not a mean
    assert np.ptp(want["average"]) > 0.05


def test_partial_dependence_with_weights():
    x, _, estimator, ours = both(2)
    weight = np.random.default_rng(1).uniform(0.1, 2, len(x))
    want = partial_dependence(estimator, x.astype(np.float64), [1], sample_weight=weight, method="brute")
    got = understand.partial_dependence(ours, x, 1, task="classification", sample_weight=weight)
    np.testing.assert_allclose(got.average.T, want["average"], **CLOSE)
    assert got.average.shape == (100, 1)


def test_our_own_orders_are_permutations_and_repeat():
    x, y, _, ours = both(2)
    runs = [
        understand.permutation_importance(jax.random.key(k), ours, x, y, metric="log_loss", repeats=3)
        for k in (0, 0, 1)
    ]
    np.testing.assert_array_equal(runs[0].importances, runs[1].importances)
    assert not np.array_equal(runs[0].importances, runs[2].importances)
    # The repeats are draws of one quantity: another key's mean lies within their errors.
    error = np.hypot(runs[0].standard_error, runs[2].standard_error)
    assert (np.abs(runs[0].mean - runs[2].mean) < 8 * error + 1e-6).all()
