"""What private training spends, against exact formulas and published values."""

import math

import pytest
from scipy.stats import norm

from jaxbm.privacy import Mechanism, epsilon_of, noise_for

pytest.importorskip("dp_accounting")


def exact_gaussian_delta(epsilon, mu):
    """Of a Gaussian mechanism whose sensitivity is `mu` deviations; Balle and Wang (2018), theorem 8."""
    return norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu)


@pytest.mark.parametrize(("noise", "steps"), [(1.0, 1), (5.0, 9)])
def test_without_sampling_it_is_the_exact_one(noise, steps):
    epsilon = epsilon_of([(Mechanism(noise, 1.0, steps),)], 1e-5)
    assert exact_gaussian_delta(epsilon, math.sqrt(steps) / noise) == pytest.approx(1e-5, rel=0.01)


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "published"),
    [
        (4.0, 0.01, 10_000, 1.26),  # Abadi et al. (2016), section 3.2
        (1.3, 256 / 60_000, 15 * 235, 1.19),  # the table of TensorFlow Privacy's MNIST tutorial, and below
        (1.1, 256 / 60_000, 60 * 235, 3.01),
    ],
)
def test_published_values_are_upper_bounds_that_later_analyses_came_below(noise, rate, steps, published):
    path = [(Mechanism(noise, rate, steps),)]
    tight, renyi = (epsilon_of(path, 1e-5, by) for by in ("pld", "rdp"))
    assert 0.7 * published < tight < renyi < published


def test_the_noise_for_a_target_keeps_it_and_hardly_more():
    def paths(noise):
        return [(Mechanism(noise, 0.05, 40),)]

    noise = noise_for(1.0, 1e-5, paths)
    assert 0.995 < epsilon_of(paths(noise), 1e-5) <= 1.0
    assert noise_for(1.0, 1e-5, paths, "rdp") > noise
