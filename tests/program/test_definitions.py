"""What is written with other operations becomes part of the program: branches by platform, operations kept whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contract import same
from jax import lax
from jax.custom_derivatives import linear_call

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


def test_functions_kept_whole_are_part_of_the_program():
    def f(x):
        whole = lax.composite(lambda y: jnp.sin(y) * 2, "a.name")(x)
        return whole, linear_call(lambda r, t: t * r, lambda r, t: t * r, 3.0, x), lax.approx_max_k(x, 2)

    same(f, jnp.asarray([[0.5, -1.0, 2.0], [3.0, -0.5, 1.0]]))


def test_tridiagonal_systems():
    rng = np.random.default_rng(0)
    low, middle, up = (jnp.asarray(rng.normal(size=(3, 6)), jnp.float32) for _ in range(3))
    # In the second system a diagonal element is zero, so that rows are exchanged; the third is singular.
    middle, low = middle.at[1, 2].set(0.0).at[2, 3].set(0.0), low.at[2, 3].set(0.0)
    up = up.at[2, 3].set(0.0)
    right = jnp.asarray(rng.normal(size=(3, 6, 2)), jnp.float32)

    def f(low, middle, up, right):
        first = [v[:, :1] for v in (low, middle, up, right)]
        return lax.linalg.tridiagonal_solve(low, middle, up, right), lax.linalg.tridiagonal_solve(*first)

    out, _ = same(f, low, middle, up, right, factor=100)
    assert np.isnan(out[2]).all()
    assert np.isfinite(out[:2]).all()


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
