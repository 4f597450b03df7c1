"""Primitives that read and write at places computed by the program."""

from __future__ import annotations

from typing import Any

from jaxbm.kernels.program.ir import Const, NotNative, Value
from jaxbm.kernels.program.primitives.rows import with_row
from jaxbm.kernels.program.primitives.shapes import reshaped, words_after
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, shape_of

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
        raise NotNative("a function of what stands there")
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
