"""What is written with other operations becomes part of the program: branches by platform, operations kept whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxbm


def test_the_branch_of_this_platform_is_native():
    def f(x):
        return lax.platform_dependent(x, cpu=lambda x: x + 1, default=lambda x: x * 2)

    g, x = jaxbm.accelerate(f, require=True), jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(g(x), x + 1)
    np.testing.assert_array_equal(jax.vmap(g)(x), x + 1)
    np.testing.assert_array_equal(jax.grad(lambda x: g(x).sum())(x), jnp.ones((2, 3)))


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_sorted_table_is_searched_natively(side):
    def f(table, asked):
        return jnp.searchsorted(table, asked, side=side)

    table, asked = jnp.asarray([-1.0, 0.0, 0.0, 2.0, jnp.inf]), jnp.asarray([[-2.0, 0.0], [2.5, jnp.nan]])
    np.testing.assert_array_equal(jaxbm.accelerate(f, require=True)(table, asked), f(table, asked))


def test_metrics_are_native_within_fit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(48, 3)).astype(np.float32)
    y = (x[:, 0] > 0.3).astype(np.float32)
    names = ["accuracy", "balanced_accuracy", "f1", "roc_auc", "average_precision", "log_loss", "brier_score"]
    run = {
        way: jaxbm.fit(
            jax.random.key(0), jaxbm.MLP((3, 4, 1)), x, y, loss="sigmoid_binary_cross_entropy", metrics=names,
            epochs=2, batch_size=16, validation_split=0.25, implementation=way,
        ).history
        for way in ("program", "xla")
    }  # fmt: skip
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5), run["program"], run["xla"])
