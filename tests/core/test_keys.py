"""Keys of members, computed on the host, are those that `jax.random.fold_in` gives."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxbm.core import keys as keys_module
from jaxbm.core.keys import folded_keys, host_data, member_keys

data = jax.random.key_data


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1, -1])
def test_they_are_the_folded_ones(seed):
    for key in (jax.random.key(seed), jax.random.PRNGKey(seed)):
        got = member_keys(key, 3)
        want = jnp.stack([jax.random.fold_in(key, k) for k in range(3)])
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(data(got), data(want))


def test_any_words_are_folded_in():
    """As those of groups are, checksums of their labels."""
    key, words = jax.random.key(11), np.asarray([0, 1, 2**31, 2**32 - 1], np.uint32)
    want = data(jnp.stack([jax.random.fold_in(key, word) for word in words]))
    np.testing.assert_array_equal(data(folded_keys(key, words)), want)
    np.testing.assert_array_equal(data(jax.jit(lambda k: folded_keys(k, words))(key)), want)


def test_other_generators_and_traced_keys():
    other = jax.random.key(3, impl="rbg")
    np.testing.assert_array_equal(data(member_keys(other, 2)[1]), data(jax.random.fold_in(other, 1)))
    key = jax.random.key(5)
    np.testing.assert_array_equal(data(jax.jit(lambda k: member_keys(k, 4))(key)), data(member_keys(key, 4)))


def test_words_of_keys_are_looked_up_once_and_forgotten_with_them(monkeypatch):
    one, asked = jax.random.key(8), []
    keys = member_keys(one, 3)
    want = data(keys)
    monkeypatch.setattr(jax.random, "key_data", lambda key: (asked.append(key), data(key))[1])
    for _ in range(2):
        np.testing.assert_array_equal(host_data(keys), want)
        np.testing.assert_array_equal(host_data(one), data(one))
    assert not asked  # making the members' asked for the one's
    known = len(keys_module._words)
    del keys
    gc.collect()
    assert len(keys_module._words) == known - 1
