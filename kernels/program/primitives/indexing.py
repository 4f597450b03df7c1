"""Primitives that read and write at places computed by the program."""

from __future__ import annotations

import math
from typing import Any

import jax
from jax import lax

from jaxbm.kernels.program.ir import Const, NotNative, Value
from jaxbm.kernels.program.jaxprs import ClosedJaxpr, jaxpr_as_fun
from jaxbm.kernels.program.primitives.rows import with_row
from jaxbm.kernels.program.primitives.shapes import reshaped, words_after
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, is_key, shape_of

SCATTERS = {
    "scatter": "set", "scatter-add": "add", "scatter_add": "add", "scatter-mul": "mul", "scatter_mul": "mul",
    "scatter-sub": "sub", "scatter_sub": "sub", "scatter_min": "min", "scatter-min": "min",
    "scatter_max": "max", "scatter-max": "max",
}  # fmt: skip


@rule("dynamic_slice", kind="indexing", params=("slice_sizes",))
def dynamic_slice(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A part at a computed place, which is clamped so that the part lies inside."""
    x, *starts = inputs
    out = eqn.outvars[0].aval
    starts += [tracer.scalar(0, "int32") for _ in words_after(eqn)]
    return [tracer.add("dynamic_slice", [x, *starts], shape_of(out), dtype_of(out))]


@rule("dynamic_update_slice", kind="indexing")
def dynamic_update_slice(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A copy with a part replaced, at a clamped place."""
    x, update, *starts = inputs
    starts += [tracer.scalar(0, "int32") for _ in words_after(eqn)]
    return [tracer.add("dynamic_update_slice", [x, update, *starts], x.shape, x.dtype)]


def _mode(eqn: Any) -> str:
    """What happens outside of the array: "clip", "fill", or "promise" that it doesn't happen."""
    mode = eqn.params["mode"]
    text = "CLIP" if mode is None else str(mode)
    for name, short in (("CLIP", "clip"), ("FILL_OR_DROP", "fill"), ("PROMISE", "promise")):
        if name in text:
            return short
    raise NotNative(f"mode {text}")


@rule(
    "gather",
    kind="indexing",
    params=("dimension_numbers", "slice_sizes", "indices_are_sorted", "unique_indices", "mode", "fill_value"),
)
def gather(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Windows at computed places: clamped, filled where outside, or promised to lie inside (then clamped too)."""
    x, indices = inputs
    p, words, out = eqn.params, words_after(eqn), eqn.outvars[0].aval
    d, shape = p["dimension_numbers"], shape_of(out)
    n = len(shape) - len(words)
    mode, fill = _mode(eqn), p["fill_value"]
    if fill is not None and hasattr(fill, "dtype"):
        fill = fill.item()
    if mode == "fill" and words:
        raise NotNative("keys outside of an array")
    return [
        tracer.add(
            "gather",
            [x, indices],
            shape,
            dtype_of(out),
            sizes=(*(int(s) for s in p["slice_sizes"]), *words),
            offsets=(*(int(a) for a in d.offset_dims), *range(n, len(shape))),
            collapsed=tuple(int(a) for a in d.collapsed_slice_dims),
            batching=tuple(int(a) for a in d.operand_batching_dims),
            index_batching=tuple(int(a) for a in d.start_indices_batching_dims),
            start_map=tuple(int(a) for a in d.start_index_map),
            mode=mode,
            fill=fill,
        )
    ]


def _row(tracer: Tracer, x: Value, indices: Const, updates: Value, d: Any) -> Value | None:
    """A scatter that replaces one whole row at a known place."""
    axes = d.scatter_dims_to_operand_dims
    if len(axes) != 1 or indices.size != 1:
        return None
    axis, index = int(axes[0]), int(indices.array.item())
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    lengths = iter([updates.shape[k] for k in d.update_window_dims])
    window = tuple(1 if k in d.inserted_window_dims else next(lengths) for k in range(len(x.shape)))
    if window != shape or updates.size * x.shape[axis] != x.size:
        return None
    if not 0 <= index < x.shape[axis]:
        return None
    return with_row(tracer, x, axis, index, reshaped(tracer, updates, shape))


@rule(
    *SCATTERS,
    kind="indexing",
    params=(
        "dimension_numbers", "indices_are_sorted", "unique_indices", "mode", "update_jaxpr", "update_consts",
    ),
)  # fmt: skip
def scatter(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Windows written at computed places, or combined with what stands there, in the order of the updates.

    Those that lie outside are dropped, also where it was promised that none do, as XLA does.
    """
    x, indices, updates = inputs
    p, words = eqn.params, words_after(eqn)
    d = p["dimension_numbers"]
    kind = SCATTERS[eqn.primitive.name]
    if words and kind != "set":
        raise NotNative("arithmetic on keys")
    if kind == "set" and p["update_jaxpr"] is not None:
        return _applied(tracer, eqn, x, indices)
    if x.dtype == "bool" and kind in ("add", "mul", "sub"):
        raise NotNative("it adds booleans")
    mode = "clip" if _mode(eqn) == "clip" else "drop"
    n = len(updates.shape)
    if kind == "set" and not words and not d.operand_batching_dims and isinstance(indices, Const):
        row = _row(tracer, x, indices, updates, d)
        if row is not None:
            return [row]
    return [
        tracer.add(
            "scatter",
            [x, indices, updates],
            x.shape,
            x.dtype,
            kind=kind,
            windows=(*(int(a) for a in d.update_window_dims), *range(n - len(words), n)),
            inserted=tuple(int(a) for a in d.inserted_window_dims),
            batching=tuple(int(a) for a in d.operand_batching_dims),
            index_batching=tuple(int(a) for a in d.scatter_indices_batching_dims),
            start_map=tuple(int(a) for a in d.scatter_dims_to_operand_dims),
            mode=mode,
        )
    ]


def _applied(tracer: Tracer, eqn: Any, x: Value, indices: Value) -> list[Value]:
    """A function of each element of the windows, one window after the other, as one element may be in several."""
    p, d, updates = eqn.params, eqn.params["dimension_numbers"], shape_of(eqn.invars[2].aval)
    if is_key(eqn.outvars[0].aval.dtype):
        raise NotNative("a function of keys that stand there")
    if 0 in updates:
        return [x]
    # A batch is one more place of each window.
    inserted = tuple(sorted((*d.inserted_window_dims, *d.operand_batching_dims)))
    places = (*d.scatter_dims_to_operand_dims, *d.operand_batching_dims)
    lengths = iter([updates[k] for k in d.update_window_dims])
    sizes = tuple(1 if k in inserted else next(lengths) for k in range(len(x.shape)))
    inner = tuple(range(len(d.update_window_dims)))
    reads = lax.GatherDimensionNumbers(inner, inserted, places)
    writes = lax.ScatterDimensionNumbers(inner, inserted, places)
    function = jaxpr_as_fun(ClosedJaxpr(p["update_jaxpr"], p["update_consts"]))

    def one(x: Any, at: Any) -> tuple[Any, None]:
        window = lax.gather(x, at, reads, sizes, mode=lax.GatherScatterMode.CLIP)
        new = jax.vmap(lambda v: function(v, v)[0])(window.reshape(-1)).reshape(window.shape)
        return lax.scatter(x, at, new, writes, mode=p["mode"]), None

    def every(x: Any, at: Any) -> Any:
        at = at if at.dtype.itemsize >= 4 else at.astype("int32")
        batch = at.shape[:-1]
        members = [lax.broadcasted_iota(at.dtype, (*batch, 1), k) for k in d.scatter_indices_batching_dims]
        at = lax.concatenate([at, *members], len(batch))
        return lax.scan(one, x, at.reshape(math.prod(batch), len(places)))[0]

    return tracer.call(every, x, indices)
