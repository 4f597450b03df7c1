"""Replaced features as sums in the first layer, and rows that are written out; effects that have a closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxbm
from jaxbm import understand
from jaxbm.kernels.mlp import shifted
from jaxbm.models.activations import ACTIVATIONS
from jaxbm.models.mlp import Dense
from jaxbm.understand import dependence, sums
from jaxbm.understand.predictor import predictor_of

X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)


def network(sizes, activation, members=0, scale=1.0):
    model = jaxbm.MLP(sizes, activation=activation)
    if not members:
        return model, jax.tree.map(lambda leaf: scale * leaf, model.init(jax.random.key(0)))
    return jaxbm.Ensemble(model, jax.vmap(model.init)(jax.random.split(jax.random.key(0), members)))


def both_ways(predictor, x, monkeypatch, **call):
    """By sums, and by rows that are written out."""
    ways = []
    as_sums = dependence._as_sums
    with monkeypatch.context() as patched:
        patched.setattr(dependence, "lines_slower", lambda *_: "for this test")
        patched.setattr(dependence, "_as_sums", lambda *given: (ways.append(1), as_sums(*given))[1])
        got = understand.partial_dependence(predictor, x, **call)
        assert ways
        patched.setattr(dependence, "sums_slower", lambda *_: "for this test")
        return got, understand.partial_dependence(predictor, x, **call)


def close(got, want):
    scale = max(1, np.nanmax(np.abs(want.individual)))
    np.testing.assert_allclose(got.average, want.average, rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(got.individual, want.individual, rtol=0, atol=3e-6 * scale)
    assert np.nanmax(np.ptp(want.average, axis=0)) > 1e-3


@pytest.mark.parametrize(
    ("predictor", "call"),
    [
        (network((4, 9, 1), "tanh"), {"columns": 2}),
        (network((4, 9, 7, 2), ("sigmoid", "relu")), {"columns": (0, 3), "grid_points": 13}),  # 169 pairs
        (network((4, 9, 3), "silu"), {"columns": 1, "grid_points": 200}),
        (network((4, 9, 1), "celu", members=3), {"columns": 1, "task": "classification"}),
        (network((4, 9, 5, 1), "tanh", members=2), {"columns": 1, "task": "regression"}),
        (network((4, 9, 1), "relu6"), {"columns": (2, 1), "grid_points": 4}),
    ],
)
@pytest.mark.parametrize("native", [True, False])
def test_both_ways_agree(predictor, call, native, monkeypatch):
    if not native:
        monkeypatch.setattr(shifted, "slower", lambda *_: "for this test")
    weight = np.random.default_rng(1).uniform(size=len(X))
    call = {"grid_points": 20, "individual": True, "sample_weight": weight} | call
    close(*both_ways(predictor, X, monkeypatch, **call))


@pytest.mark.parametrize("name", sums.EXPONENTIAL)
def test_powers_are_the_activation_and_what_is_too_large_for_them_is_not_by_them(name, monkeypatch):
    times, of = sums.EXPONENTIAL[name]
    z = jnp.linspace(-60, 60, 241)
    np.testing.assert_allclose(of(z, jnp.exp(times * z)), ACTIVATIONS[name](z), rtol=0, atol=2e-6)
    huge = network((4, 6, 1), name, scale=60.0)
    close(*both_ways(huge, X, monkeypatch, columns=2, grid_points=5, individual=True))


def test_features_of_one_column_change_together(monkeypatch):
    """A category of a table: several features at once; a number that is missing tells nothing about other rows."""
    from jaxbm import table

    rng = np.random.default_rng(3)
    rows = {"city": rng.choice(["Paris", "Rome", "Oslo"], 80), "age": rng.normal(size=80), "y": rng.normal(size=80)}
    frame = table.frames.named(pd.DataFrame(rows))
    prep = table.prepare(frame, "y")
    saved = type("Saved", (), {})()
    model = jaxbm.MLP((len(prep.feature_names), 8, 1))
    saved.model, saved.params, saved.preparation = model, model.init(jax.random.key(0)), prep
    got, want = both_ways(saved, frame, monkeypatch, columns="city", individual=True)
    close(got, want)
    assert got.grid[0].tolist() == ["Oslo", "Paris", "Rome"]


def test_numbers_that_are_none_are_told(monkeypatch):
    rows = X.copy()
    rows[3, 0] = np.nan
    got, _ = both_ways(network((4, 8, 2), "tanh"), rows, monkeypatch, columns=1, grid_points=6, individual=True)
    assert np.flatnonzero(np.isnan(got.individual).any(axis=(0, 2))).tolist() == [3]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (jaxbm.MLP((4, 1)), "no MLP with hidden layers"),
        (jaxbm.MLP((4, 3, 1), activation="gelu"), "gelu takes an error function, which costs more"),
        (jaxbm.MLP((4, 3, 1), activation=jax.nn.softmax), "several units"),
        (jaxbm.MLP((4, 3, 1), dtype="bfloat16"), "another dtype"),
    ],
)
def test_what_is_asked_row_by_row(model, reason, monkeypatch):
    monkeypatch.setattr(shifted, "slower", lambda *_: "for this test")
    asked = predictor_of((model, model.init(jax.random.key(0))))
    assert reason in sums.slower(asked.kind, asked.numbers, X)


def product():
    """`x0 * x1 + 2 x2` as a network: a product is a difference of squares."""
    first = np.float32([[1, 1, 0], [1, -1, 0], [0, 0, 1], [0, 0, 0]])
    model = jaxbm.MLP((4, 3, 1), activation=half_square)
    weight = np.float32([[0.5], [-0.5], [2]])
    return model, (Dense(jnp.asarray(first), jnp.zeros(3)), Dense(jnp.asarray(weight), jnp.zeros(1)))


def half_square(h):
    """`h**2 / 2` of the first two units; the third as it is."""
    return jnp.where(jnp.arange(h.shape[-1]) < 2, h**2 / 2, h)


def test_closed_forms():
    """Of `x0 x1 + 2 x2`: a row's own curve, their mean, and local effects, which see how columns hang together."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(4000, 4)).astype(np.float32)
    x[:, 1] = x[:, 0] + 0.05 * rng.normal(size=4000)
    grid = np.linspace(-0.9, 0.9, 7).astype(np.float32)
    curves = understand.partial_dependence(product(), x, 0, grid=grid, individual=True)
    own = grid[:, None] * x[:, 1] + 2 * x[:, 2]
    np.testing.assert_allclose(curves.individual[..., 0], own, atol=3e-6)
    np.testing.assert_allclose(curves.average[:, 0], own.mean(axis=1), atol=2e-6)
    np.testing.assert_allclose(curves.centered().individual[..., 0], own - own[0], atol=5e-6)
    local = understand.accumulated_local_effects(product(), x, 0, bins=40)
    # The slope at x0 is the mean of x1 there, which is x0: the effect is x0**2 / 2, less its mean.
    want = local.grid**2 / 2
    np.testing.assert_allclose(local.effects[:, 0], want - (x[:, 0] ** 2 / 2).mean(), atol=0.01)
    straight = understand.accumulated_local_effects(product(), x, 2, bins=10)
    np.testing.assert_allclose(straight.effects[:, 0], 2 * (straight.grid - x[:, 2].mean()), atol=0.02)
    np.testing.assert_allclose(np.diff(straight.effects[:, 0]), 2 * np.diff(straight.grid), atol=1e-5)
    assert np.abs(curves.average).max() < 0.1  # where x1 is centred, the mean over all rows tells nothing of it
