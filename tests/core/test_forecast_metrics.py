"""Metrics of counts, amounts, quantiles, predicted distributions, ordered classes and times, by name as well."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import integrate, stats

from jaxbm import losses, metrics
from jaxbm.run.conversions import metric_for

RNG = np.random.default_rng(0)
N = 40
OUTPUTS = RNG.normal(size=N).astype(np.float32)
MEANS = np.exp(OUTPUTS)
COUNTS = RNG.poisson(2, N).astype(np.float32)
AMOUNTS = COUNTS + np.float32(0.5)
WEIGHTS = RNG.integers(0, 4, N).astype(np.float32)
PAIRS = np.stack([OUTPUTS, RNG.normal(size=N)], axis=1).astype(np.float32)
TIMES = np.stack([RNG.integers(1, 9, N), RNG.random(N) < 0.6], axis=1).astype(np.float32)


def hook(name, loss):
    return metric_for(metrics.metric(name), loss)


@pytest.mark.parametrize(
    ("ours", "theirs", "targets", "options"),
    [
        (metrics.mape, sk.mean_absolute_percentage_error, AMOUNTS, {}),
        (metrics.poisson_deviance, sk.mean_poisson_deviance, COUNTS, {}),
        (metrics.gamma_deviance, sk.mean_gamma_deviance, AMOUNTS, {}),
        (metrics.pinball, sk.mean_pinball_loss, COUNTS, {"alpha": 0.8}),
    ],
)
def test_metrics_of_numbers_agree_with_scikit_learn(ours, theirs, targets, options):
    own = {"quantiles": options["alpha"]} if options else {}
    want = theirs(targets, MEANS, sample_weight=WEIGHTS, **options)
    assert float(ours(MEANS, targets, weights=WEIGHTS, **own)) == pytest.approx(want, rel=1e-5)
    # A row of weight zero hides even a NaN; one that has weight doesn't.
    broken = np.where(WEIGHTS == 0, np.nan, MEANS).astype(np.float32)
    assert float(ours(broken, targets, weights=WEIGHTS, **own)) == pytest.approx(want, rel=1e-5)
    assert np.isnan(ours(broken, targets, **own))


def test_values_out_of_range_are_refused_or_nan():
    for metric in (metrics.poisson_deviance, metrics.gamma_deviance):
        with pytest.raises(ValueError, match=r"targets: expected .* got -"):
            metric(MEANS, -AMOUNTS)
        with pytest.raises(ValueError, match="means: expected positive numbers, got -"):
            metric(-MEANS, AMOUNTS)
        assert np.isnan(jax.jit(metric)(MEANS, -AMOUNTS))
        assert np.isnan(jax.jit(metric)(-MEANS, AMOUNTS))
    with pytest.raises(ValueError, match=r"labels: expected 0 or 1 in the second column, got 2"):
        metrics.concordance_index(OUTPUTS, 2 * TIMES)
    with pytest.raises(ValueError, match=r"labels: expected shape \[n, 2\] of risks \[n\]"):
        metrics.concordance_index(OUTPUTS, COUNTS)


def test_crps_is_the_mean_of_the_integrals_that_it_stands_for():
    def integral(mean, log_variance, y):
        law = stats.norm(mean, np.exp(log_variance / 2))
        parts = ((-40, y), (y, 40))
        return sum(integrate.quad(lambda x: (law.cdf(x) - (x >= y)) ** 2, low, high)[0] for low, high in parts)

    want = np.mean([integral(*map(float, (*PAIRS[i], COUNTS[i]))) for i in range(3)])
    assert float(metrics.crps(PAIRS[:3], COUNTS[:3])) == pytest.approx(want, rel=1e-4)
    both = np.stack([PAIRS[:3], PAIRS[:3]], axis=1).reshape(3, 4)
    assert float(metrics.crps(both, np.stack([COUNTS[:3]] * 2, axis=1))) == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_concordance_of_every_pair(weights):
    w = np.ones(N) if weights is None else weights
    risks = np.round(OUTPUTS, 1)  # some are equal
    (time, seen), concordant, pairs = TIMES.T, 0.0, 0.0
    for i in range(N):
        for j in range(N):
            if seen[i] and (time[i] < time[j] or (time[i] == time[j] and not seen[j])):
                pairs += w[i] * w[j]
                concordant += w[i] * w[j] * (np.sign(risks[i] - risks[j]) + 1) / 2
    found = float(metrics.concordance_index(risks, TIMES, weights=weights))
    assert found == pytest.approx(concordant / pairs, rel=1e-5)
    assert np.isnan(metrics.concordance_index(risks, TIMES * np.float32([1, 0])))
    assert np.isnan(metrics.concordance_index(np.where(OUTPUTS > 0, np.nan, OUTPUTS), TIMES))


def test_by_name_a_metric_reads_outputs_as_the_loss_does():
    several = jnp.asarray(RNG.normal(size=(N, 3)), jnp.float32)
    three = losses.loss("pinball_loss", quantiles=(0.1, 0.6, 0.9))
    assert hook("poisson_deviance", "poisson_deviance")(OUTPUTS, COUNTS) == pytest.approx(
        float(losses.poisson_deviance(OUTPUTS, COUNTS).mean()), rel=1e-5
    )
    assert hook("mae", "tweedie_deviance")(OUTPUTS, COUNTS) == pytest.approx(np.abs(MEANS - COUNTS).mean(), rel=1e-5)
    assert hook("mae", "gaussian_nll")(PAIRS, COUNTS) == pytest.approx(np.abs(OUTPUTS - COUNTS).mean(), rel=1e-5)
    squares = np.square(MEANS - COUNTS)
    assert hook("mse", "negative_binomial_nll")(PAIRS, COUNTS) == pytest.approx(squares.mean(), rel=1e-5)
    assert hook("crps", "gaussian_crps")(PAIRS, COUNTS) == pytest.approx(float(metrics.crps(PAIRS, COUNTS)))
    assert hook("pinball", three)(several, COUNTS) == pytest.approx(float(three(several, COUNTS).mean()), rel=1e-5)
    assert hook("mae", three)(several, COUNTS) == pytest.approx(np.abs(several[:, 1] - COUNTS).mean(), rel=1e-5)
    assert hook("pinball", "squared_error")(OUTPUTS, COUNTS) == pytest.approx(np.abs(OUTPUTS - COUNTS).mean() / 2)
    taken, ranks = (np.asarray(several) > 0).sum(axis=1), RNG.integers(0, 4, N)
    assert hook("accuracy", "ordinal_cross_entropy")(several, ranks) == pytest.approx((taken == ranks).mean())
    away = np.abs(taken - ranks).mean()
    assert hook("mae", "ordinal_cross_entropy")(several, ranks) == pytest.approx(away, rel=1e-6)
    found = hook("concordance_index", "cox_loss")(OUTPUTS[:, None], TIMES)
    assert found == pytest.approx(float(metrics.concordance_index(OUTPUTS, TIMES)))
    assert metrics.greater_is_better("concordance_index")


@pytest.mark.parametrize(
    ("metric", "loss"),
    [("accuracy", "poisson_deviance"), ("crps", "squared_error"), ("mae", "cox_loss"), ("mae", "triplet_hard_loss"),
     ("concordance_index", "squared_error"), ("roc_auc", "ordinal_cross_entropy")],
)  # fmt: skip
def test_a_metric_that_cannot_read_the_outputs_is_refused(metric, loss):
    with pytest.raises(ValueError, match=f"metrics: expected some that read outputs which are .*, got '{metric}'"):
        hook(metric, loss).check_outputs()
