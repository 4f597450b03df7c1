"""Losses and their gradients at the edges, native and by XLA: against the same in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm import losses

OUTPUTS = np.asarray([0, 1e-3, -1e-3, 0.3, -0.3, 1, -1, 5, -5, 15, -15, 30, -30, 60, -60], np.float32)
FAR = (0.0, 1.0, -200.0, 1e4)
LABELS = {
    "real": (0, 1e-7, -1e-3, 1, -15, 1e4),
    "binary": (0, 1, 0.3, 1e-7, 0.5),
    "sign": (-1, 1),
    "count": (0, 1, 2, 100, 1e4, 1e-3),
    "amount": (1e-6, 1, 1e3, 1e6, 0.5),
    "class": (0, 1, 2),
    "rank": (0, 1, 2, 3),
    "distribution": ((1, 0, 0), (0, 0, 1), (0.2, 0.3, 0.5)),
}
EACH = [e for e in losses.TABLE if e.labels in LABELS and e.name != "multilabel_margin_loss"]


def cases(entry):
    """Outputs `[n, k]` and a label for each of them."""
    if entry.labels in ("class", "rank", "distribution"):
        outputs = list(itertools.product(OUTPUTS, FAR, (0.0, 0.5)))
    elif entry.outputs in ("gaussian", "negative binomial"):
        outputs = list(itertools.product(OUTPUTS, OUTPUTS[:9]))  # spreads from exp(-5) to exp(5)
    else:
        outputs = [(value,) for value in OUTPUTS]
    x, y = zip(*itertools.product(outputs, LABELS[entry.labels]), strict=True)
    y = np.asarray(y, np.int32 if entry.labels in ("class", "rank") else np.float32)
    return np.asarray(x, np.float32), y if entry.labels in ("class", "rank", "distribution") else y[:, None]


@pytest.mark.parametrize("entry", EACH, ids=lambda e: e.name)
def test_a_loss_at_the_edges(entry):
    x, y = cases(entry)
    function = jax.vmap(jax.value_and_grad(lambda a, b: jnp.sum(entry.function(a, b))))
    with jax.enable_x64(True):
        exact = jax.jit(function)(x.astype(float), y.astype(float) if y.dtype == np.float32 else y)
    # What a result is a difference of can't be had more exactly than it is itself.
    size = 1 + np.abs(x).max(axis=1) * np.abs(y.reshape(len(y), -1)).max(axis=1)
    for run in (jax.jit(function), jaxbm.accelerate(function, require=True)):
        for got, want in zip(run(x, y), exact, strict=True):
            want = np.asarray(want)
            with np.errstate(over="ignore"):
                narrow = want.astype(np.float32)
            error = np.abs(np.asarray(got, float) - want)
            allowed = 3e-5 * np.abs(want) + 1e-6 * size.reshape(-1, *[1] * (want.ndim - 1))
            assert ((error <= allowed) | (got == narrow)).all()


def test_deviances_of_what_is_predicted_well_and_of_what_overflows():
    amounts = np.asarray([1e-3, 1.0, 7.0, 1e6], np.float32)
    for power in (1.01, 1.5, 1.99, 2.5):
        near = losses.tweedie_deviance(np.log(amounts) + np.float32(1e-3), amounts, power)
        np.testing.assert_allclose(near, 1e-6 * amounts ** (2 - power), rtol=6e-3)
        assert (np.asarray(losses.tweedie_deviance(np.log(amounts), amounts, power)) >= 0).all()
    for loss in (losses.poisson_deviance, losses.tweedie_deviance):
        gradient = jax.vmap(jax.grad(loss), (0, None))
        assert not np.isnan(gradient(jnp.asarray([-300.0, -90.0, 90.0, 300.0]), 0.0)).any()
        assert gradient(jnp.asarray([300.0]), 1.0).tolist() == [np.inf]
