import jax
import numpy as np
import pytest

import jaxbm
from jaxbm import understand


def network(outputs=1):
    model = jaxbm.MLP((3, 16, outputs), activation="tanh")
    return model, model.init(jax.random.key(outputs))


def textbook(predict, x, j, bins):
    """Apley and Zhu's first-order effect, row by row."""
    edges = np.unique(np.quantile(x[:, j], np.linspace(0, 1, bins + 1), method="inverted_cdf"))
    gains, counts = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    for row in x:
        k = next(k for k in range(1, len(edges)) if row[j] <= edges[k])
        low, high = row.copy(), row.copy()
        low[j], high[j] = edges[k - 1], edges[k]
        gains[k - 1] += predict(high) - predict(low)
        counts[k - 1] += 1
    curve = np.concatenate([[0], np.cumsum(gains / counts)])
    return edges, curve - (counts * (curve[1:] + curve[:-1]) / 2).sum() / len(x)


@pytest.mark.parametrize("whole", [False, True])
def test_against_the_definition(whole):
    model, params = network()
    x = np.random.default_rng(0).normal(size=(83, 3)).astype(np.float32)
    if whole:
        x[:, 1] = np.round(x[:, 1])  # many rows on each edge
    found = understand.accumulated_local_effects((model, params), x, 1, bins=7)
    edges, curve = textbook(lambda row: float(model.apply(params, row)[0]), x, 1, 7)
    np.testing.assert_array_equal(found.grid, edges)
    np.testing.assert_allclose(found.effects[:, 0], curve, atol=1e-5)
    assert found.counts.sum() == len(x)
    assert list(found.table()) == ["x1", "effect on output 0"]


def test_columns_that_hang_together_keep_to_the_rows():
    """Partial dependence mixes rows that can't be; local effects tell the slope where the rows are."""
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, 2000).astype(np.float32)
    x = np.stack([a, a + 0.01 * rng.normal(size=2000)], axis=1).astype(np.float32)
    model = jaxbm.MLP((2, 32, 1), activation="tanh")
    result = jaxbm.fit(jax.random.key(0), model, x, a**2, loss="squared_error", epochs=60, optimizer=jaxbm.adam(1e-2))
    found = [understand.accumulated_local_effects((model, result.params), x, j) for j in (0, 1)]
    # Both columns are the same, so the effects of the two share the parabola between them.
    total = sum(np.interp(np.linspace(-0.9, 0.9, 19), f.grid, f.effects[:, 0]) for f in found)
    np.testing.assert_allclose(total - total.mean(), (g := np.linspace(-0.9, 0.9, 19) ** 2) - g.mean(), atol=0.05)


def test_bad_arguments():
    x = np.ones((10, 3), np.float32)
    with pytest.raises(ValueError, match="two or more different values in 'x1', got 1"):
        understand.accumulated_local_effects(network(), x, 1)
    with pytest.raises(ValueError, match="columns: expected places 0 to 2"):
        understand.accumulated_local_effects(network(), x, 3)
