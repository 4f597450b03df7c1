"""The stopping rule for many networks at once, by NumPy and compiled, against scikit-learn's for one at a time."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxbm.estimators import stopping

LIMITS = [
    stopping.Limits(tol, most, max_iter, 0.5, 0.5, 0.3, best, count, rows=7, seen=seen)
    for tol, most, max_iter, best, count, seen in [
        (1e-2, 2, 30, np.inf, 0, 0), (0.0, 1, 30, np.inf, 0, 0), (1e-1, 3, 9, np.inf, 0, 14),
        (1e-4, np.inf, 30, 0.2, 5, 70),
    ]
]  # fmt: skip


def one_at_a_time(limits, values, by_score, schedule):
    """Epochs, rate, count and best value of one network, as scikit-learn's loop leaves them."""
    rate, count, seen = limits.rate, limits.count, limits.seen
    best = -limits.best if by_score else limits.best
    for epoch in range(limits.max_iter):
        seen += limits.rows
        value = values[epoch]
        if by_score:
            count = count + 1 if value < best + limits.tol else 0
            best = max(best, value)
        else:
            count = count + 1 if value > best - limits.tol else 0
            best = min(best, value)
        if schedule == "invscaling":
            rate = limits.learning_rate / (seen + 1) ** limits.power_t
        if count > limits.n_iter_no_change:
            if schedule != "adaptive" or rate <= 1e-6:
                break
            rate, count = rate / 5, 0
    return epoch + 1, rate, count, best


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("by_score", [False, True])
def test_the_rule_is_scikit_learn_s(by_score, schedule):
    rng = np.random.default_rng(3)
    values = np.exp(-np.arange(30) / 6) + 0.05 * rng.normal(size=(len(LIMITS), 30)).astype(np.float32)
    values = (-values if by_score else values).astype(np.float32)
    limits = [replace(one, best=-one.best) for one in LIMITS] if by_score else LIMITS
    expected = [one_at_a_time(one, row, by_score, schedule) for one, row in zip(LIMITS, values, strict=True)]
    fine = np.ones(len(limits), bool)
    compiled = jax.jit(lambda *a: stopping.tell(*a, by_score, schedule, jnp))
    for tell in (lambda *a: stopping.tell(*a, by_score, schedule), compiled):
        rule, now = stopping.begin(limits, np.float32)
        free = []
        for epoch in range(30):
            free.append(int(stopping.free(rule, now, schedule)))
            now, better = tell(rule, now, values[:, epoch], fine)
            assert (np.asarray(now.best)[np.asarray(better)] == values[:, epoch][np.asarray(better)]).all()
        assert not np.asarray(now.going).any()
        assert free[0] == (1 if schedule == "invscaling" else 2)
        for k, (epochs, rate, count, best) in enumerate(expected):
            assert (int(now.epochs[k]), int(now.count[k])) == (epochs, count)
            assert (float(now.rates[k]), float(now.best[k])) == pytest.approx((rate, best), rel=1e-5)
