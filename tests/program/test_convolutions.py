"""Convolutions of any groups, steps and padding, forwards and backwards, as XLA has them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxbm
from jaxbm.kernels.program.build import build
from jaxbm.kernels.program.ir import NotNative
from jaxbm.kernels.program.traced import trace_jaxpr

RNG = np.random.default_rng(0)
IMAGE, LINE = ("NHWC", "HWIO", "NHWC"), ("NCH", "OIH", "NCH")
#: x, w, and the options. The gradient of a kernel has groups of the batch where the convolution has those of
#: features; its window is as large as the results.
CASES = {
    "plain": ((2, 4, 5, 2), (2, 3, 2, 3), {"padding": "SAME", "dimension_numbers": IMAGE}),
    "groups": ((2, 5, 4, 4), (2, 2, 2, 4), {"padding": "VALID", "feature_group_count": 2, "window_strides": (2, 1),
                                           "dimension_numbers": IMAGE}),
    "by channel": ((2, 3, 80), (6, 1, 4), {"padding": [(3, 0)], "feature_group_count": 3, "rhs_dilation": (2,),
                                         "dimension_numbers": LINE}),
    "transposed": ((2, 3, 4, 2), (2, 1, 2, 3), {"padding": [(1, 1), (2, 1)], "lhs_dilation": (2, 2),
                                               "dimension_numbers": IMAGE}),
    "groups of the batch": ((6, 3, 7), (4, 3, 3), {"padding": [(-1, 2)], "batch_group_count": 2,
                                                  "dimension_numbers": LINE}),
    "all of it": ((3, 3, 2, 2), (3, 2, 2, 5), {"padding": "VALID", "dimension_numbers": IMAGE}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name):
    x_shape, w_shape, options = CASES[name]
    x, w = (jnp.asarray(RNG.normal(size=s), jnp.float32) for s in (x_shape, w_shape))
    options = {"window_strides": (1,) * (x.ndim - 2), **options}

    def value(x, w):
        out = lax.conv_general_dilated(x, w, **options)
        return jnp.sin(out).sum(), out

    function = jax.value_and_grad(value, (0, 1), has_aux=True)
    got, wanted = jaxbm.accelerate(function, require=True)(x, w), jax.jit(function)(x, w)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5), got, wanted)


@pytest.mark.parametrize(("small", "large", "layout"), [((3,), (60,), LINE), ((2, 2), (8, 8), IMAGE)])
def test_code_is_no_longer_for_a_large_window(small, large, layout):
    """Written out place by place, 64 of them took seconds to compile."""

    def lines(window):
        shapes = ((2, 3, 90), (4, 3, *window)) if layout is LINE else ((2, 20, 20, 3), (*window, 3, 4))
        x, w = map(jnp.zeros, shapes)
        options = {"window_strides": (1,) * len(window), "padding": "VALID", "dimension_numbers": layout}
        f = jax.grad(lambda x, w: jnp.sin(lax.conv_general_dilated(x, w, **options)).sum(), (0, 1))
        return len(build(jax.make_jaxpr(f)(x, w), "f").llvm.splitlines())

    assert lines(large) < 1.5 * lines(small)


def test_a_window_without_axes_is_a_product():
    x, w = jnp.arange(6.0).reshape(2, 3), jnp.arange(12.0).reshape(4, 3)
    f = lambda x, w: lax.conv_general_dilated(x, w, (), "VALID")  # noqa: E731
    np.testing.assert_allclose(jaxbm.accelerate(f, require=True)(x, w), x @ w.T)


def test_what_has_large_windows_and_many_results_is_left_to_xla():
    x, w = jax.ShapeDtypeStruct((1, 1, 500), jnp.float32), jax.ShapeDtypeStruct((1, 1, 200), jnp.float32)
    with pytest.raises(NotNative, match="a window of 200 places"):
        trace_jaxpr(jax.make_jaxpr(lambda x, w: lax.conv(x, w, (1,), "VALID"))(x, w))
