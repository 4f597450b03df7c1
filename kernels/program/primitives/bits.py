"""Primitives on the bits of numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.primitives.elementwise import operands
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, shape_of


@rule("mulhi", kind="elementwise")
def mulhi(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The upper half of a product of integers."""
    shape, dtype = shape_of(eqn.outvars[0].aval), dtype_of(eqn.outvars[0].aval)
    a, b = operands(tracer, eqn, inputs)
    bits, wide = int(dtype.lstrip("uint")), "uint64" if dtype[0] == "u" else "int64"
    if bits > 32:
        with jax.enable_x64(True):
            return tracer.call(_upper_64, a, b)
    product = tracer.add("mul", [tracer.convert(a, wide), tracer.convert(b, wide)], shape, wide)
    shift = "shift_right_logical" if dtype[0] == "u" else "shift_right_arithmetic"
    return [tracer.convert(tracer.add(shift, [product, tracer.full(bits, shape, wide)], shape, wide), dtype)]


def _upper_64(a: Any, b: Any) -> Any:
    """By products of halves (Knuth, TAOCP 2, section 4.3.1); a negative factor stands for itself plus 2**64."""
    x, y = a.astype(jnp.uint64), b.astype(jnp.uint64)
    half, mask = jnp.uint64(32), jnp.uint64(2**32 - 1)
    x1, x0, y1, y0 = x >> half, x & mask, y >> half, y & mask
    first = x1 * y0 + (x0 * y0 >> half)
    second = x0 * y1 + (first & mask)
    upper = x1 * y1 + (first >> half) + (second >> half)
    if a.dtype == jnp.int64:
        upper -= jnp.where(a < 0, y, 0) + jnp.where(b < 0, x, 0)
    return upper.astype(a.dtype)


@rule("bitcast_convert_type", kind="elementwise", params=("new_dtype",))
def bitcast_convert_type(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The same bits as another type; a last axis has the parts of a wider number, the lowest first."""
    out, (x,) = eqn.outvars[0].aval, inputs
    dtype = dtype_of(out)
    if shape_of(out) != x.shape:
        if "bool" in (dtype, x.dtype):
            raise NotNative(f"from {x.dtype} to {dtype}")
        apart = len(shape_of(out)) > len(x.shape)
        with jax.enable_x64(True):
            return tracer.call(lambda x: (_apart if apart else _together)(x, jnp.dtype(dtype)), x)
    return inputs if dtype == x.dtype else [tracer.add("bitcast_convert_type", inputs, x.shape, dtype)]


def _bits(x: Any) -> Any:
    return lax.bitcast_convert_type(x, jnp.dtype(f"uint{8 * x.dtype.itemsize}"))


def _apart(x: Any, dtype: Any) -> Any:
    bits, part = _bits(x), jnp.dtype(f"uint{8 * dtype.itemsize}")
    places = jnp.arange(x.dtype.itemsize // dtype.itemsize, dtype=bits.dtype) * bits.dtype.type(8 * dtype.itemsize)
    return lax.bitcast_convert_type((bits[..., None] >> places).astype(part), dtype)


def _together(x: Any, dtype: Any) -> Any:
    whole = jnp.dtype(f"uint{8 * dtype.itemsize}")
    bits = _bits(x).astype(whole)
    out = bits[..., 0]
    for k in range(1, x.shape[-1]):
        out |= bits[..., k] << whole.type(8 * x.dtype.itemsize * k)
    return lax.bitcast_convert_type(out, dtype)


@rule("reduce_precision", kind="elementwise", params=("exponent_bits", "mantissa_bits"))
def reduce_precision(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Rounding, halves to even, to a type with fewer bits; what is too large for it is infinite, too small zero."""
    exponent, mantissa = (int(eqn.params[f"{part}_bits"]) for part in ("exponent", "mantissa"))
    info = jnp.finfo(inputs[0].dtype)
    if exponent >= info.nexp and mantissa >= info.nmant:
        return inputs

    def reduce(x: Any) -> Any:
        bits = lax.bitcast_convert_type(x, jnp.dtype(f"uint{info.bits}"))
        number = bits.dtype.type
        if mantissa < info.nmant:
            drop = info.nmant - mantissa
            odd = (bits >> number(drop)) & number(1)
            bits = (bits + (odd + number(2 ** (drop - 1) - 1))) & ~number(2**drop - 1)
        if exponent < info.nexp:
            sign, infinity = bits & number(1 << (info.bits - 1)), number((2**info.nexp - 1) << info.nmant)
            size, middle, reach = bits & infinity, 2 ** (info.nexp - 1) - 1, 2 ** (exponent - 1) - 1
            bits = jnp.where(size > number((middle + reach) << info.nmant), sign | infinity, bits)
            bits = jnp.where(size <= number((middle - reach) << info.nmant), sign, bits)
        return jnp.where(jnp.isnan(x), x, lax.bitcast_convert_type(bits, x.dtype))

    with jax.enable_x64(True):  # the bits of float64 are integers of 64
        return tracer.call(reduce, inputs[0])
