"""JAX keys whose bits come from the counter: `jax.random` works with them as with its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxbm.core import counter

KEY = counter.key(counter.words(jax.random.key(3)))


def test_uniform_and_normal_numbers_have_their_distribution():
    assert stats.kstest(jax.random.uniform(KEY, (100_000,)), "uniform").pvalue > 1e-3
    assert stats.kstest(jax.random.normal(KEY, (100_000,)), "norm").pvalue > 1e-3
    assert float(jax.random.bernoulli(KEY, 0.3, (100_000,)).mean()) == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_every_bit_is_balanced(dtype):
    with jax.enable_x64(True):
        bits = np.asarray(jax.random.bits(KEY, (20_000,), dtype))
    assert bits.dtype == dtype
    for i in range(8 * bits.itemsize):
        assert ((bits >> np.array(i, dtype)) & np.array(1, dtype)).mean() == pytest.approx(0.5, abs=0.02)


def test_neighbouring_keys_and_places_are_independent():
    seeds = jax.vmap(lambda s: counter.key(counter.words(jax.random.key(s))))(jnp.arange(64))
    draws = np.asarray(jax.vmap(lambda k: jax.random.normal(k, (4000,)))(seeds))
    many = np.corrcoef(draws)[np.triu_indices(64, 1)]
    assert abs(many).max() < 4.5 / np.sqrt(4000)
    places = np.corrcoef(draws[:, :-1].ravel(), draws[:, 1:].ravel())[0, 1]
    assert abs(places) < 4.5 / np.sqrt(draws.size)


def test_split_and_fold_in_give_other_keys_and_vmap_the_same_ones():
    children = jax.random.split(KEY, 1000)
    assert len(np.unique(np.asarray(jax.random.key_data(children)), axis=0)) == 1000
    folded = jax.random.fold_in(KEY, 7)
    assert not np.array_equal(jax.random.key_data(folded), jax.random.key_data(KEY))
    together = jax.vmap(lambda k: jax.random.uniform(k, (5,)))(children)
    np.testing.assert_array_equal(together[17], jax.jit(lambda k: jax.random.uniform(k, (5,)))(children[17]))


def test_jax_algorithms_built_on_keys_work():
    order = jax.random.permutation(KEY, 100)
    np.testing.assert_array_equal(np.sort(order), np.arange(100))
    draws = jax.random.beta(KEY, 0.4, 0.4, (20_000,))
    assert stats.kstest(draws, stats.beta(0.4, 0.4).cdf).pvalue > 1e-3
