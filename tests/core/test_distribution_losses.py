"""Losses of counts, amounts, quantiles, distributions, ordered classes and times, against scikit-learn and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import integrate, stats

from jaxbm import losses

RNG = np.random.default_rng(0)
N = 50
COUNTS = RNG.poisson(2, N).astype(np.float32)
AMOUNTS = COUNTS + np.float32(0.5)
LOGS = RNG.normal(size=N).astype(np.float32)
MEANS = np.exp(LOGS.astype(np.float64))
PAIRS = np.stack([LOGS, RNG.normal(size=N)], axis=1).astype(np.float32)


@pytest.mark.parametrize("power", [0, 1, 1.2, 1.5, 2, 2.5, 3])
def test_deviances_agree_with_scikit_learn(power):
    targets = AMOUNTS if power >= 2 else COUNTS
    want = sk.mean_tweedie_deviance(targets, MEANS, power=power)
    assert float(losses.tweedie_deviance(LOGS, targets, power).mean()) == pytest.approx(want, rel=1e-5)
    perfect = losses.tweedie_deviance(np.log(AMOUNTS), AMOUNTS, power)
    np.testing.assert_allclose(perfect, 0, atol=1e-5)
    grad = jax.grad(lambda z: losses.tweedie_deviance(z, targets, power).sum())(LOGS)
    exact = 2 * MEANS * (MEANS - targets) / MEANS**power
    np.testing.assert_allclose(grad, exact, rtol=1e-4, atol=1e-4)


def test_pinball_loss_agrees_with_scikit_learn():
    predictions = RNG.normal(size=(N, 3)).astype(np.float32)
    quantiles = np.asarray([0.1, 0.5, 0.9], np.float32)
    got = losses.pinball_loss(predictions, COUNTS, quantiles)
    for column, q in enumerate((0.1, 0.5, 0.9)):
        want = sk.mean_pinball_loss(COUNTS, predictions[:, column], alpha=q)
        assert float(got[:, column].mean()) == pytest.approx(want, rel=1e-5)
        assert float(losses.pinball_loss(predictions[:, column], COUNTS, q).mean()) == pytest.approx(want, rel=1e-5)
    assert losses.pinball_loss(jnp.ones(2, jnp.bfloat16), jnp.zeros(2), np.float32(0.3)).dtype == jnp.bfloat16


def test_densities_agree_with_scipy():
    want = -stats.norm.logpdf(COUNTS, PAIRS[:, 0], np.exp(PAIRS[:, 1].astype(float) / 2))
    np.testing.assert_allclose(losses.gaussian_nll(PAIRS, COUNTS), want, rtol=1e-5, atol=1e-5)
    size = 1 / np.exp(PAIRS[:, 1].astype(float))
    want = -stats.nbinom.logpmf(COUNTS, size, size / (size + MEANS))
    np.testing.assert_allclose(losses.negative_binomial_nll(PAIRS, COUNTS), want, rtol=2e-5, atol=2e-5)
    # Without dispersion it is Poisson's.
    narrow = np.stack([LOGS, np.full(N, -40, np.float32)], axis=1)
    want = -stats.poisson.logpmf(COUNTS, MEANS)
    np.testing.assert_allclose(losses.negative_binomial_nll(narrow, COUNTS), want, rtol=1e-3, atol=1e-3)


def test_crps_is_the_integral_that_it_stands_for():
    def gap(x, law, y):
        return (law.cdf(x) - (x >= y)) ** 2

    for (mean, log_variance), y in zip(PAIRS[:4].astype(float), COUNTS[:4].astype(float), strict=True):
        law = stats.norm(mean, np.exp(log_variance / 2))
        want = sum(integrate.quad(gap, low, high, (law, y))[0] for low, high in ((-40, y), (y, 40)))
        got = losses.gaussian_crps(jnp.asarray([mean, log_variance]), y)
        assert float(got) == pytest.approx(want, rel=1e-4)
    assert float(losses.gaussian_crps(jnp.asarray([1.0, -300.0]), 3.0)) == pytest.approx(2.0)


def test_values_and_gradients_at_the_edges_are_finite():
    edges = jnp.asarray([[0.0, -300.0], [0.0, 60.0], [50.0, 0.0], [-50.0, 0.0], [1e6, 3.0]])
    for function, targets in (
        (losses.gaussian_nll, jnp.asarray([0.0, 1.0, 2.0, 3.0, 0.0])),
        (losses.gaussian_crps, jnp.asarray([0.0, 1.0, 2.0, 3.0, 0.0])),
        (losses.negative_binomial_nll, jnp.asarray([3.0, 0.0, 2.0, 2.0, 0.0])),
    ):
        value, grad = jax.vmap(jax.value_and_grad(function))(edges, targets)
        assert np.isfinite(value).all(), function.__name__
        assert np.isfinite(grad).all(), function.__name__


def test_ordered_classes_by_hand():
    logits = jnp.asarray([[1.0, -2.0, 0.5]])
    want = np.log1p(np.exp(-1)) + np.log1p(np.exp(2)) + np.log1p(np.exp(0.5))
    assert float(losses.ordinal_cross_entropy(logits, jnp.asarray([2]))[0]) == pytest.approx(want, rel=1e-6)
    with pytest.raises(ValueError, match=r"labels: expected classes 0 to 3, got 4 at \[0\]"):
        losses.ordinal_cross_entropy(logits, jnp.asarray([4]))
    assert np.isnan(jax.jit(losses.ordinal_cross_entropy)(logits, jnp.asarray([4]))).all()


def test_partial_likelihood_with_ties_by_hand():
    time, seen = RNG.integers(1, 9, N).astype(np.float32), (RNG.random(N) < 0.6).astype(np.float32)
    exact = LOGS.astype(np.float64)
    want = [seen[i] * (np.log(np.exp(exact[time >= time[i]]).sum()) - exact[i]) for i in range(N)]
    labels = np.stack([time, seen], axis=1)
    np.testing.assert_allclose(jax.jit(losses.cox_loss)(LOGS, labels), want, rtol=1e-5, atol=1e-5)
    assert np.isfinite(jax.jit(jax.grad(lambda z: losses.cox_loss(z, labels).sum()))(100 * LOGS)).all()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: losses.poisson_deviance(LOGS, COUNTS - 1), r"targets: expected 0 to inf, got -1"),
        (lambda: losses.gamma_deviance(LOGS, COUNTS), r"targets: expected 0 to inf, the ends excluded, got 0"),
        (lambda: losses.tweedie_deviance(LOGS, COUNTS, 0.5), "power: expected 0, or 1 and more, got 0.5"),
        (lambda: losses.loss("tweedie_deviance", power=(1.5, 2)), r"power: expected one number, got shape \[2\]"),
        (lambda: losses.negative_binomial_nll(PAIRS, COUNTS - 1), "targets: expected 0 to inf, got -1"),
        (lambda: losses.pinball_loss(LOGS, COUNTS, 1.0), "quantiles: expected 0 to 1, the ends excluded, got 1"),
        (
            lambda: losses.pinball_loss(PAIRS, COUNTS, [0.1, 0.5, 0.9]),
            "quantiles: expected one number, or one for each",
        ),
        (lambda: losses.gaussian_nll(PAIRS, COUNTS[:-1]), r"targets: expected shape \[...\] of outputs"),
        (lambda: losses.cox_loss(LOGS, COUNTS), r"labels: expected shape \[n, 2\] of log_risks \[n\]"),
        (lambda: losses.absolute_error(LOGS, COUNTS[:, None]), "targets: expected the shape of predictions"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_targets_out_of_range_give_nan_where_they_cannot_be_looked_at():
    for function in (losses.poisson_deviance, losses.gamma_deviance, losses.tweedie_deviance):
        assert np.isnan(jax.jit(function)(LOGS, -AMOUNTS)).all()
