"""Sorting and selection."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxbm.kernels.program.ir import Value
from jaxbm.kernels.program.primitives.shapes import transposed
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
    (x,), axis, k = inputs, int(eqn.params["axis"]), int(eqn.params["k"])
    types = [(shape_of(v.aval), dtype_of(v.aval)) for v in eqn.outvars]
    if types[0][0].count(0):
        return [tracer.full(0, *t) for t in types]
    order = (*(a for a in range(len(x.shape)) if a != axis), axis)
    back = tuple(order.index(a) for a in range(len(order)))
    last = [(tuple(shape[a] for a in order), dtype) for shape, dtype in types]
    return [transposed(tracer, v, back) for v in tracer.add_many("top_k", [transposed(tracer, x, order)], last, k=k)]


@rule(
    "approx_top_k",
    kind="sorting",
    params=(
        "k", "reduction_dimension", "recall_target", "is_max_k", "reduction_input_size_override",
        "aggregate_to_topk",
    ),
    note="exactly",
)  # fmt: skip
def approx_top_k(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The largest or smallest elements and where they stand, all of them, as XLA finds them on CPUs."""
    p, dtype = eqn.params, eqn.outvars[0].aval.dtype
    axis, k = int(p["reduction_dimension"]), int(eqn.outvars[0].aval.shape[p["reduction_dimension"]])

    def largest(x: Any) -> Any:
        values, places = lax.top_k(jnp.moveaxis(x if p["is_max_k"] else -x, axis, -1), k)
        values = values if p["is_max_k"] else -values
        return jnp.moveaxis(values, -1, axis).astype(dtype), jnp.moveaxis(places, -1, axis)

    return tracer.call(largest, inputs[0])
