"""Primitives that reduce or run along axes."""

from __future__ import annotations

from typing import Any

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.primitives.shapes import reshaped
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, shape_of

REDUCTIONS = {
    "reduce_sum": "add", "reduce_prod": "mul", "reduce_max": "max", "reduce_min": "min",
    "reduce_and": "and", "reduce_or": "or", "reduce_xor": "xor",
}  # fmt: skip
CUMULATIVE = {"cumsum": "add", "cumprod": "mul", "cummax": "max", "cummin": "min"}


def reduced(tracer: Tracer, x: Value, axes: tuple[int, ...], kind: str) -> Value:
    """A reduction; sums and products of half types are added up in float32."""
    if not axes:
        return x
    shape = tuple(n for k, n in enumerate(x.shape) if k not in axes)
    if all(x.shape[k] == 1 for k in axes):
        return reshaped(tracer, x, shape)
    if x.dtype in ("float16", "bfloat16") and kind in ("add", "mul"):
        return tracer.convert(reduced(tracer, tracer.convert(x, "float32"), axes, kind), x.dtype)
    return tracer.add("reduce", [x], shape, x.dtype, kind=kind, axes=axes)


@rule(*REDUCTIONS, kind="reduction", params=("axes",))
def reduction(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A reduction over some axes."""
    axes = tuple(sorted(int(a) for a in eqn.params["axes"]))
    if inputs[0].dtype == "bool" and eqn.primitive.name in ("reduce_sum", "reduce_prod"):
        raise NotNative("it adds booleans")
    return [reduced(tracer, inputs[0], axes, REDUCTIONS[eqn.primitive.name])]


@rule("argmax", "argmin", kind="reduction", params=("axes", "index_dtype"))
def argmax(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The first index of the largest or smallest element; a NaN counts as more extreme than any number."""
    axes, out = tuple(int(a) for a in eqn.params["axes"]), eqn.outvars[0].aval
    if len(axes) != 1:
        raise NotNative("several axes at once")
    kind = eqn.primitive.name
    return [tracer.add("argreduce", inputs, shape_of(out), dtype_of(out), kind=kind, axis=axes[0])]


@rule(*CUMULATIVE, kind="reduction", params=("axis", "reverse"))
def cumulative(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Every partial result along an axis."""
    (x,), kind = inputs, CUMULATIVE[eqn.primitive.name]
    axis, reverse = int(eqn.params["axis"]), bool(eqn.params["reverse"])
    if x.dtype in ("float16", "bfloat16") and kind in ("add", "mul"):
        wide = tracer.convert(x, "float32")
        out = tracer.add("cumulative", [wide], x.shape, "float32", kind=kind, axis=axis, reverse=reverse)
        return [tracer.convert(out, x.dtype)]
    return [tracer.add("cumulative", [x], x.shape, x.dtype, kind=kind, axis=axis, reverse=reverse)]


@rule("cumlogsumexp", kind="reduction", params=("axis", "reverse"))
def cumlogsumexp(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The logarithm of cumulative sums of exponentials; of half types in float32."""
    (x,) = inputs
    axis, reverse = int(eqn.params["axis"]), bool(eqn.params["reverse"])
    wide = tracer.convert(x, "float64" if x.dtype == "float64" else "float32")
    out = tracer.add("cumulative", [wide], x.shape, wide.dtype, kind="logaddexp", axis=axis, reverse=reverse)
    return [tracer.convert(out, x.dtype)]
