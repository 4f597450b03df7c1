"""The cross-entropy of very many classes against the plain composition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxbm import losses

RNG = np.random.default_rng(3)
X, WEIGHT, BIAS = (RNG.normal(size=s) for s in ((2, 7, 5), (5, 11), (11,)))
LABELS = RNG.integers(0, 11, (2, 7))


def blocked(x, weight, bias, block_size=4):
    return losses.linear_softmax_cross_entropy(x, weight, bias, LABELS, block_size=block_size)


def plain(x, weight, bias):
    return losses.softmax_cross_entropy_with_integer_labels(x @ weight + bias, LABELS)


@pytest.mark.parametrize("block_size", [1, 4, 14, None])
def test_values_and_derivatives_are_those_of_the_plain_composition(block_size):
    def first_and_second(function):
        def value(args):
            return jnp.sum(jnp.sin(function(*args)))

        def along(args):
            return jax.jvp(jax.grad(value), (args,), (args,))

        return jax.jit(along)((X, WEIGHT, BIAS))

    with jax.enable_x64(True):
        got = blocked(X, WEIGHT, BIAS, block_size)
        assert got.shape == LABELS.shape
        np.testing.assert_allclose(got, plain(X, WEIGHT, BIAS), rtol=1e-12)
        want = first_and_second(plain)
        got = first_and_second(lambda *args: blocked(*args, block_size))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), got, want)


def test_memory_holds_a_block_of_logits():
    n, classes = 512, 4_096
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((n, 4), (4, classes))]

    def temporaries(block_size):
        def value(x, weight):
            labels = jnp.zeros(n, jnp.int32)
            loss = losses.linear_softmax_cross_entropy(x, weight, None, labels, block_size=block_size)
            return loss.mean()

        return jax.jit(jax.grad(value, (0, 1))).lower(*shapes).compile().memory_analysis().temp_size_in_bytes

    everything = 4 * n * classes
    assert temporaries(16) < everything / 8
    assert temporaries(None) >= everything


def test_wrong_arguments_are_named():
    for args, said in (
        ((X, WEIGHT.T, BIAS, LABELS), r"weight: expected \[5, classes\] for x \[2, 7, 5\], got \[11, 5\]"),
        ((X, WEIGHT, BIAS[:3], LABELS), r"bias: expected \[11\]"),
        ((X, WEIGHT, None, LABELS + 9), "labels: "),
        ((X, WEIGHT, None, LABELS[0]), "labels: "),
        ((LABELS, WEIGHT, None, LABELS), "x: expected floating-point values"),
    ):
        with pytest.raises(ValueError, match=said):
            losses.linear_softmax_cross_entropy(*args)
    for wrong in (0, 1.5, True, "4"):
        with pytest.raises(ValueError, match="block_size: expected a positive integer or None"):
            losses.linear_softmax_cross_entropy(X, WEIGHT, None, LABELS, block_size=wrong)
