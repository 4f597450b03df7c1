"""A feature that takes value after value: the kernel that goes along the line, and rows that are written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm import understand
from jaxbm.kernels.mlp import along
from jaxbm.models.activations import ACTIVATIONS
from jaxbm.understand import dependence
from jaxbm.understand.lines import line_of

X = np.random.default_rng(0).normal(size=(150, 4)).astype(np.float32)
UNEVEN = np.float32([0.3, -1.0, 2.5, 0.0, 0.31, 40.0])

needs_kernel = pytest.mark.skipif(
    along.slower(jaxbm.MLP((4, 5, 1)), jnp.ones(1)) is not None, reason="the kernel is not compiled here, or slower"
)


def asked(sizes, activation, members=0):
    model = jaxbm.MLP(sizes, activation=activation)
    if not members:
        return model, model.init(jax.random.key(0))
    stacked = jax.vmap(model.init)(jax.random.split(jax.random.key(0), members))
    return jaxbm.Ensemble(model, stacked, weights=np.float32([0.2, 0.5, 0.3]))


FIRST = asked((4, 37, 1), "relu")


@needs_kernel
@pytest.mark.parametrize(
    ("predictor", "task"),
    [
        (FIRST, None),  # the layer behind has few outputs, or many; or there are more of them
        (asked((4, 20, 7), "leaky_relu"), "classification"),
        (asked((4, 33, 40, 3), ("relu", "tanh")), None),
        (asked((4, 6, 5, 2), ("identity", "relu")), None),
        (asked((4, 9, 1), "relu", members=3), "classification"),
    ],
)
def test_both_ways_agree(predictor, task, monkeypatch):
    weight = np.random.default_rng(1).uniform(size=len(X))
    calls = [{"columns": 2, "grid": UNEVEN, "individual": True, "sample_weight": weight}]
    if predictor is FIRST:
        calls.append({"columns": 1, "grid": np.linspace(-3, 3, 300)})  # more values than one call takes
        calls.append({"columns": (0, 3), "grid_points": 5, "individual": True})
    ways = []
    along_a_line = dependence._along
    monkeypatch.setattr(dependence, "_along", lambda *given: (ways.append(1), along_a_line(*given))[1])
    found = [understand.partial_dependence(predictor, X, **call, task=task) for call in calls]
    assert len(ways) == len(calls)
    monkeypatch.setattr(dependence, "lines_slower", lambda *_: "for this test")
    for got, call in zip(found, calls, strict=True):
        want = understand.partial_dependence(predictor, X, **call, task=task)
        scale = max(1, np.abs(want.average).max())
        np.testing.assert_allclose(got.average, want.average, rtol=0, atol=1e-6 * scale)
        if call.get("individual"):
            np.testing.assert_allclose(got.individual, want.individual, rtol=0, atol=5e-6 * scale)


@needs_kernel
def test_what_is_far_from_zero_loses_nothing():
    """A year, or an amount: the line starts in the middle of its values, not at zero."""
    predictor = asked((4, 50, 1), "relu")
    far = X.copy()
    far[:, 1] += 2000
    first, *rest = predictor[1]
    shifted = first._replace(bias=first.bias - 2000 * first.weight[1])
    got = understand.partial_dependence((predictor[0], (shifted, *rest)), far, 1, grid_points=30)
    want = understand.partial_dependence(predictor, X, 1, grid_points=30)
    np.testing.assert_allclose(got.average, want.average, atol=2e-3)  # float32 has 1e-4 left of 2,000
    assert np.ptp(want.average) > 0.1


@needs_kernel
def test_numbers_that_are_none_are_told():
    model, params = asked((4, 8, 2), "relu")
    rows = X.copy()
    rows[3, 0] = np.nan
    found = understand.partial_dependence((model, params), rows, 1, grid_points=6, individual=True)
    gone = np.isnan(found.individual).any(axis=(0, 2))
    assert np.flatnonzero(gone).tolist() == [3]


def test_what_is_straight():
    assert {name for name in ACTIVATIONS if along.is_straight(name)} == {"identity", "relu", "leaky_relu"}


def test_line_of():
    lines = np.zeros((3, 4), np.float32)
    lines[:, 2] = [5, 1, 2]
    mask = np.array([False, True, True, False])
    line, back = line_of(lines, mask)
    np.testing.assert_array_equal(line.steps[back] + line.middle[2], lines[:, 2])
    assert line.direction.tolist() == [0, 0, 1, 0]
    assert line_of(lines[:1], mask)[0].steps.tolist() == [0]  # one value
    lines[0, 1] = 1
    assert line_of(lines, mask) is None  # two features change
    assert line_of(np.full((2, 4), np.inf), mask) is None


def test_no_values():
    with pytest.raises(ValueError, match="grid: expected values of 'x1', got none"):
        understand.partial_dependence(asked((4, 3, 1), "relu"), X, 1, grid=[])
