"""What outputs mean: moments that may be averaged over members, and classes of steps."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxbm.losses import OUTPUTS, meaning

OF_NUMBERS = [name for name in OUTPUTS if name != "steps"]


def outputs(members=3, rows=5, width=2):
    return np.random.default_rng(0).normal(size=(members, rows, width))


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_outputs_come_back_from_their_moments_in_numpy_and_jax(name):
    raw = outputs()
    np.testing.assert_allclose(meaning.outputs_of(meaning.moments(raw, name), name), raw, rtol=1e-9, atol=1e-9)
    single = jnp.asarray(raw, jnp.float32)
    found = meaning.outputs_of(meaning.moments(single, name, jnp), name, jnp)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, raw, rtol=2e-4, atol=2e-4)


def test_members_that_predict_means_predict_their_mean_together():
    raw = outputs(width=1)
    together = meaning.outputs_of(meaning.moments(raw, "log mean").mean(axis=0), "log mean")
    np.testing.assert_allclose(meaning.predicted(together, "log mean"), np.exp(raw[..., 0]).mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("name", meaning.MEAN_AND_SPREAD)
def test_members_that_predict_distributions_predict_their_mixture(name):
    raw = outputs()
    together = meaning.outputs_of(meaning.moments(raw, name).mean(axis=0), name)
    if name == "gaussian":
        parts = stats.norm(raw[..., 0], np.exp(raw[..., 1] / 2))
    else:
        size = np.exp(-raw[..., 1])
        parts = stats.nbinom(size, size / (size + np.exp(raw[..., 0])))
    mean = parts.mean().mean(axis=0)
    variance = (parts.var() + parts.mean() ** 2).mean(axis=0) - mean**2
    np.testing.assert_allclose(meaning.predicted(together, name), mean, rtol=1e-10)
    np.testing.assert_allclose(meaning.deviation(together, name), np.sqrt(variance), rtol=1e-9)


@pytest.mark.parametrize("xp", [np, jnp])
def test_steps_make_probabilities_of_classes_and_these_make_steps(xp):
    falling = xp.asarray([[2.0, 0.5, -1.0], [80.0, -90.0, -90.0]])
    p = meaning.class_probabilities(falling, "steps", xp)
    above = 1 / (1 + np.exp(-np.asarray(falling[0])))
    want = [1 - above[0], above[0] - above[1], above[1] - above[2], above[2]]
    np.testing.assert_allclose(p[0], want, rtol=1e-5)
    np.testing.assert_allclose(p[1], [0, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(meaning.class_outputs(p, "steps", xp=xp)[0], falling[0], rtol=1e-4)
    # A step after an unlikelier one can't be reached more often than it.
    rising = meaning.class_probabilities(xp.asarray([[-1.0, 3.0, 0.0]]), "steps", xp)
    assert float(rising.min()) >= 0
    np.testing.assert_allclose(rising.sum(), 1, rtol=1e-6)


def test_classes_come_back_from_their_probabilities():
    two, three = outputs(width=1)[0], outputs(width=3)[0]
    p = meaning.class_probabilities(two)
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-two[:, 0])), rtol=1e-12)
    np.testing.assert_allclose(meaning.class_outputs(p, one=True), two, rtol=1e-9, atol=1e-12)
    again = meaning.class_probabilities(meaning.class_outputs(meaning.class_probabilities(three)))
    np.testing.assert_allclose(again, meaning.class_probabilities(three), rtol=1e-12)


def test_the_quantile_nearest_to_the_middle_is_predicted():
    assert [meaning.middle(q) for q in (0.9, (0.1, 0.45, 0.9), (0.7, 0.2))] == [0, 1, 0]
    assert meaning.predicted(np.asarray([[1.0, 2.0, 3.0]]), "quantiles", (0.1, 0.4, 0.9)).tolist() == [2.0]
