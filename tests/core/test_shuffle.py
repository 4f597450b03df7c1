import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxbm import shuffle
from jaxbm.core import counter


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 1000, 1024, 1025, 16_000])
def test_is_a_permutation(n):
    order = shuffle.permutation(jax.random.key(n), n)
    assert order.dtype == jnp.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_random_access_agrees_up_to_the_largest_count():
    key = jax.random.key(3)
    np.testing.assert_array_equal(
        shuffle.permuted_index(key, jnp.asarray([[5, 0], [999, 17]]), 1000),
        shuffle.permutation(key, 1000)[jnp.asarray([[5, 0], [999, 17]])],
    )
    n = shuffle.MAX_ROWS
    far = shuffle.permuted_index(key, jnp.asarray([0, 1, n - 2, n - 1]), n)
    assert len(set(far.tolist())) == 4
    assert int(far.min()) >= 0


@pytest.mark.parametrize(("n", "critical"), [(2, 10.8), (3, 20.5), (4, 49.7), (5, 173.6)])
def test_all_permutations_of_few_rows_are_equally_frequent(n, critical):
    # critical: the 0.999 quantile of chi-square with n! - 1 degrees of freedom
    draws = 50_000
    keys = jax.random.split(jax.random.key(11), draws)
    orders = np.asarray(jax.jit(jax.vmap(lambda k: shuffle.permutation(k, n)))(keys))
    _, counts = np.unique(orders @ (10 ** np.arange(n)), return_counts=True)
    expected = draws / float(np.prod(np.arange(1, n + 1)))
    assert len(counts) == round(draws / expected)
    assert ((counts - expected) ** 2 / expected).sum() < critical


@pytest.mark.parametrize("n", [37, 64, 101])
def test_positions_are_uniform(n):
    draws = 20_000
    keys = jax.random.split(jax.random.key(5), draws)
    orders = np.asarray(jax.jit(jax.vmap(lambda k: shuffle.permutation(k, n)))(keys))
    for position in (0, n // 2, n - 1):
        counts = np.bincount(orders[:, position], minlength=n)
        chi = ((counts - draws / n) ** 2 / (draws / n)).sum()
        assert abs(chi - (n - 1)) < 4.5 * np.sqrt(2 * (n - 1))


def test_neighbours_are_separated():
    n, draws = 1000, 400
    keys = jax.random.split(jax.random.key(9), draws)
    orders = np.asarray(jax.jit(jax.vmap(lambda k: shuffle.permutation(k, n)))(keys)).astype(int)
    steps = np.abs(np.diff(orders, axis=1))
    # A uniform permutation has 2 (n - 1) / n neighbouring pairs on average, nearly Poisson.
    pairs = (steps == 1).sum()
    expected = 2 * (n - 1) / n * draws
    assert abs(pairs - expected) < 4.5 * np.sqrt(expected)
    correlation = np.corrcoef(orders[:, 1:].ravel(), orders[:, :-1].ravel())[0, 1]
    assert abs(correlation) < 4.5 / np.sqrt(n * draws) + 1 / n


def test_other_keys_give_other_orders_and_the_same_key_the_same():
    a, b = (shuffle.permutation(jax.random.key(s), 1000) for s in (0, 1))
    assert (a == b).mean() < 0.02
    np.testing.assert_array_equal(a, jax.jit(lambda k: shuffle.permutation(k, 1000))(jax.random.key(0)))


def test_raw_and_other_key_implementations_work():
    np.testing.assert_array_equal(
        shuffle.permutation(jax.random.PRNGKey(7), 50), shuffle.permutation(jax.random.key(7), 50)
    )
    rbg = shuffle.permutation(jax.random.key(7, impl="rbg"), 50)
    np.testing.assert_array_equal(np.sort(rbg), np.arange(50))


@pytest.mark.parametrize(
    ("n", "error", "match"),
    [
        (0, ValueError, "n: expected 1 to 2147483647, got 0"),
        (-3, ValueError, "got -3"),
        (2**31, ValueError, "got 2147483648"),
        (2.5, TypeError, "n: expected an integer, got 2.5"),
    ],
)
def test_bad_counts(n, error, match):
    with pytest.raises(error, match=match):
        shuffle.permutation(jax.random.key(0), n)


def test_bad_keys():
    with pytest.raises(TypeError, match="key: expected a JAX random key"):
        shuffle.permutation(jnp.ones(2), 5)
    with pytest.raises(TypeError, match="expected one key"):
        shuffle.permutation(jax.random.split(jax.random.key(0), 3), 5)
    with pytest.raises(TypeError, match="i: expected integers"):
        shuffle.permuted_index(jax.random.key(0), jnp.ones(3), 5)
    with pytest.raises(TypeError, match="got an array of dtype <U1"):
        shuffle.permutation(np.asarray(["a", "b"]), 5)


def test_places_that_are_none():
    key, none = jax.random.key(0), np.asarray([-1, 5, 2])
    with pytest.raises(ValueError, match="i: expected 0 to 4, got -1"):
        shuffle.permuted_index(key, none, 5)
    with pytest.raises(ValueError, match="i: expected integers that fit int32, got 4294967297"):
        shuffle.permuted_index(key, np.asarray([2**32 + 1]), 5)
    inside = jax.jit(lambda i: shuffle.permuted_index(key, i, 5))
    for dtype in ("int32", "int8", "uint8"):
        got = inside(none.astype(dtype)).tolist()
        assert got == [-1, -1, int(shuffle.permutation(key, 5)[2])]


def test_below_is_the_upper_word_of_the_product():
    rng = np.random.default_rng(0)
    bits, n = rng.integers(0, 2**32, (2, 10_000), dtype=np.uint32)
    exact = (bits.astype(np.uint64) * n) >> np.uint64(32)
    np.testing.assert_array_equal(counter.below(jnp.asarray(bits), jnp.asarray(n)), exact.astype(np.uint32))


def test_mixed_bits_are_balanced_and_avalanche():
    x = np.random.default_rng(1).integers(0, 2**32, 20_000, dtype=np.uint32)
    for bit in range(32):
        flipped = np.asarray(counter.mix(x) ^ counter.mix(x ^ np.uint32(1 << bit)))
        rates = [((flipped >> b) & 1).mean() for b in range(32)]
        assert min(rates) > 0.45
        assert max(rates) < 0.55
