"""Sorting and selection."""

from __future__ import annotations

from typing import Any

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, shape_of


@rule("sort", kind="sorting", params=("dimension", "is_stable", "num_keys"))
def sort(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Stable, by the first operands in turn; NaN last, -0.0 and 0.0 equal."""
    axis, keys = int(eqn.params["dimension"]), int(eqn.params["num_keys"])
    if inputs[0].size == 0 or inputs[0].shape[axis] <= 1:
        return inputs
    types = [(v.shape, v.dtype) for v in inputs]
    return tracer.add_many("sort", inputs, types, axis=axis, num_keys=keys)


@rule("top_k", kind="sorting", params=("k", "axis", "is_stable"))
def top_k(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The largest elements, in descending order, and where they stand; of equal ones the first."""
    (x,), axis = inputs, int(eqn.params["axis"])
    if x.size == 0 or axis != len(x.shape) - 1:
        raise NotNative("an empty operand, or an axis other than the last")
    types = [(shape_of(v.aval), dtype_of(v.aval)) for v in eqn.outvars]
    return tracer.add_many("top_k", [x], types, k=int(eqn.params["k"]))
