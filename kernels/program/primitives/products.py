"""Matrix products of any layout, and small convolutions by way of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jaxbm.kernels.program.ir import Const, NotNative, Value
from jaxbm.kernels.program.primitives.rows import weighted_sum
from jaxbm.kernels.program.primitives.shapes import reshaped, transposed
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, shape_of

LARGEST_WINDOW = 128
"""Places of a convolution's window, or results where there are fewer, up to which it was no slower than XLA's."""
HALF = ("float16", "bfloat16")


@rule("dot_general", kind="product", params=("dimension_numbers", "precision", "preferred_element_type"))
def dot_general(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A product with contracted and batched axes, as (batch, m, k) times (batch, n, k)."""
    p = eqn.params["precision"]
    if p is not None and not all(type(q).__name__ == "Precision" for q in (p if isinstance(p, tuple) else (p,))):
        raise NotNative("a precision other than DEFAULT, HIGH and HIGHEST")
    (lc, rc), (lb, rb) = (tuple(tuple(int(a) for a in axes) for axes in d) for d in eqn.params["dimension_numbers"])
    out = eqn.outvars[0].aval
    return [product(tracer, inputs[0], inputs[1], lc, rc, lb, rb, dtype_of(out))]


def product(
    tracer: Tracer,
    l: Value,
    r: Value,
    lc: tuple[int, ...],
    rc: tuple[int, ...],
    lb: tuple[int, ...],
    rb: tuple[int, ...],
    dtype: str,
) -> Value:
    """The product's node, in shape (batch, m, n), and its reshape; of booleans, whether any pair is true."""
    wide = "float32" if dtype in HALF else "int32" if dtype == "bool" else dtype
    l, r = tracer.convert(l, wide), tracer.convert(r, wide)
    lm = tuple(k for k in range(len(l.shape)) if k not in lc + lb)
    rn = tuple(k for k in range(len(r.shape)) if k not in rc + rb)
    batch, ms, ns = (tuple(v.shape[k] for k in ks) for v, ks in ((l, lb), (l, lm), (r, rn)))
    k = math.prod(l.shape[a] for a in lc)
    shape = (*batch, *ms, *ns)
    if k == 0 or math.prod(shape) == 0:
        return tracer.full(0, shape, dtype)
    for weights, x, axes in ((l, r, rc), (r, l, lc)):
        if isinstance(weights, Const) and weights.size == k and len(axes) == 1 and not batch:
            total = weighted_sum(tracer, weights.array.ravel(), x, axes[0])
            if total is not None:
                return tracer.convert(reshaped(tracer, total, shape), dtype)
    flat = (math.prod(batch),)
    left = reshaped(tracer, transposed(tracer, l, lb + lm + lc), (*flat, math.prod(ms), k))
    right = reshaped(tracer, transposed(tracer, r, rb + rn + rc), (*flat, math.prod(ns), k))
    out = tracer.add("dot", [left, right], (*flat, math.prod(ms), math.prod(ns)), wide)
    return tracer.convert(reshaped(tracer, out, shape), dtype)


@rule(
    "conv_general_dilated",
    kind="product",
    params=(
        "window_strides", "padding", "lhs_dilation", "rhs_dilation", "dimension_numbers", "feature_group_count",
        "batch_group_count", "precision", "preferred_element_type",
    ),
    note="windows of up to 128 places, or with as few results: a loop of products",
)  # fmt: skip
def conv_general_dilated(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A convolution as a sum over the window's places, each a product of a strided slice.

    It is a loop, whose code is that of one place, so that large windows are compiled as quickly as small ones.

    Where it has fewer results along the axes of the window than that has places (the gradient of a kernel), each of
    them is a product over the whole window.
    """
    import jax.numpy as jnp
    from jax import lax

    p, (l, r) = eqn.params, inputs
    spec = p["dimension_numbers"]
    batches, groups = p["batch_group_count"], max(p["feature_group_count"], p["batch_group_count"])
    dtype = dtype_of(eqn.outvars[0].aval)
    wide = "float32" if dtype in HALF else dtype
    out_shape = tuple(eqn.outvars[0].aval.shape[k] for k in spec.out_spec)
    window, spatial = tuple(r.shape[k] for k in spec.rhs_spec[2:]), out_shape[2:]
    by_result = math.prod(spatial) < math.prod(window)
    of, along = (spatial, window) if by_result else (window, spatial)
    first, then = p["window_strides"], p["rhs_dilation"]
    if not by_result:
        first, then = then, first
    if math.prod(of) > LARGEST_WINDOW:
        raise NotNative(f"a window of {math.prod(window)} places")
    starts = np.array(places(of), np.int32).reshape(math.prod(of), len(of)) * np.array(first, np.int32)

    def part_at(x: Any, start: Any) -> Any:
        extent = [(m - 1) * s + 1 for m, s in zip(along, then, strict=True)]
        zero = np.int32(0)
        span = lax.dynamic_slice(x, (zero, zero, zero, *start), (*x.shape[:3], *extent))
        part = lax.slice(span, (0,) * span.ndim, span.shape, (1, 1, 1, *then))
        return part.reshape(*x.shape[:3], -1)

    def convolve(x: Any, w: Any) -> Any:
        x = x.transpose(spec.lhs_spec).astype(wide)
        w = w.transpose(spec.rhs_spec).astype(wide)
        config = [(0, 0, 0), (0, 0, 0)]
        config += [(lo, hi, d - 1) for (lo, hi), d in zip(p["padding"], p["lhs_dilation"], strict=True)]
        x = lax.pad(x, jnp.zeros((), x.dtype), config)
        # n rows, g groups, c features that are summed over, o that come out
        if batches > 1:
            x = x.reshape(batches, -1, *x.shape[1:]).swapaxes(0, 1)
        else:
            x = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
        w = w.reshape(groups, w.shape[0] // groups, w.shape[1], *window)
        if by_result:
            flat = w.reshape(*w.shape[:3], -1)
            each = lambda part: jnp.einsum("ngcs,gocs->ngo", part, flat)  # noqa: E731
            out = jnp.moveaxis(lax.map(lambda start: each(part_at(x, start)), starts), 0, -1)
        else:
            rows = jnp.moveaxis(w.reshape(*w.shape[:3], -1), -1, 0)
            add = lambda out, row: (out + jnp.einsum("ngcs,goc->ngos", part_at(x, row[0]), row[1]), None)  # noqa: E731
            zeros = jnp.zeros((x.shape[0], groups, w.shape[1], math.prod(spatial)), x.dtype)
            out, _ = lax.scan(add, zeros, (starts, rows))
        out = out.reshape(out_shape).astype(dtype)
        return out.transpose([spec.out_spec.index(k) for k in range(len(spec.out_spec))])

    if 0 in out_shape or 0 in l.shape or 0 in r.shape:
        return [tracer.full(0, shape_of(eqn.outvars[0].aval), dtype)]
    with tracer.noting(is_convolution=True):
        return tracer.call(convolve, l, r)


def places(window: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Every index of a window, in order."""
    return [tuple(place) for place in np.ndindex(*window)]
