"""Primitives that move elements and compute nothing."""

from __future__ import annotations

from typing import Any

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.primitives.rows import only_axis, piece
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, key_words, shape_of

Axes = tuple[int, ...]


def words_after(eqn: Any, k: int = 0) -> Axes:
    """The axes that a typed key adds after those that the parameters speak of."""
    return key_words(eqn.invars[k].aval)


def sliced(tracer: Tracer, x: Value, start: Axes, limit: Axes, stride: Axes | None = None) -> Value:
    """Part of an array."""
    stride = stride or (1,) * len(start)
    shape = tuple(-(-(b - a) // s) for a, b, s in zip(start, limit, stride, strict=True))
    if shape == x.shape and not any(start):
        return x
    axis = only_axis(start, limit, stride, x.shape)
    if axis is not None and 0 not in shape:
        known = piece(tracer, x, axis, start[axis], limit[axis])
        if known is not None:
            return known
    return tracer.add("slice", [x], shape, x.dtype, start=start, limit=limit, stride=stride)


def reshaped(tracer: Tracer, x: Value, shape: Axes) -> Value:
    """The same elements in another shape."""
    return x if shape == x.shape else tracer.add("reshape", [x], shape, x.dtype)


def transposed(tracer: Tracer, x: Value, permutation: Axes) -> Value:
    """The axes in another order; of what was transposed already, at once."""
    node = tracer.made.get(x)
    if node is not None and node.op == "transpose":
        before = node.params["permutation"]
        return transposed(tracer, node.inputs[0], tuple(before[p] for p in permutation))
    if permutation == tuple(range(len(permutation))):
        return x
    shape = tuple(x.shape[p] for p in permutation)
    return tracer.add("transpose", [x], shape, x.dtype, permutation=permutation)


@rule("broadcast_in_dim", kind="shape", params=("shape", "broadcast_dimensions"))
def broadcast_in_dim(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A broadcast with the operand's axes at given places."""
    if len(inputs) > 1:
        raise NotNative("a dimension is not known while compiling")
    shape = shape_of(eqn.outvars[0].aval)
    words = words_after(eqn)
    axes = (*eqn.params["broadcast_dimensions"], *range(len(shape) - len(words), len(shape)))
    return [tracer.broadcast(inputs[0], shape, axes)]


@rule("reshape", kind="shape", params=("new_sizes", "dimensions"))
def reshape(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Row-major reshape."""
    if len(inputs) > 1:
        raise NotNative("its dimensions are not known while compiling")
    x, order = inputs[0], eqn.params.get("dimensions")
    if order is not None:
        x = transposed(tracer, x, (*(int(d) for d in order), *range(len(order), len(x.shape))))
    return [reshaped(tracer, x, shape_of(eqn.outvars[0].aval))]


@rule("squeeze", "expand_dims", kind="shape", params=("dimensions",))
def squeeze(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Axes of length 1 go or come."""
    return [reshaped(tracer, inputs[0], shape_of(eqn.outvars[0].aval))]


@rule("transpose", kind="shape", params=("permutation",))
def transpose(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Axes in another order."""
    p = tuple(int(k) for k in eqn.params["permutation"])
    return [transposed(tracer, inputs[0], p + tuple(range(len(p), len(inputs[0].shape))))]


@rule("slice", kind="shape", params=("start_indices", "limit_indices", "strides"))
def slice_(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Part of an array."""
    p, words = eqn.params, words_after(eqn)
    start = (*(int(i) for i in p["start_indices"]), *(0 for _ in words))
    limit = (*(int(i) for i in p["limit_indices"]), *words)
    strides = p["strides"] or (1,) * len(p["start_indices"])
    return [sliced(tracer, inputs[0], start, limit, (*(int(s) for s in strides), *(1 for _ in words)))]


@rule("split", kind="shape", params=("sizes", "axis"))
def split(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Consecutive parts along an axis."""
    (x,), axis = inputs, eqn.params["axis"]
    parts, at = [], 0
    for n in eqn.params["sizes"]:
        start, limit = [0] * len(x.shape), list(x.shape)
        start[axis], limit[axis] = at, at + int(n)
        parts.append(sliced(tracer, x, tuple(start), tuple(limit)))
        at += int(n)
    return parts


@rule("unstack", kind="shape", params=("axis",))
def unstack(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Every index of an axis apart."""
    (x,), axis = inputs, eqn.params["axis"]
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    parts = []
    for k in range(x.shape[axis]):
        start, limit = [0] * len(x.shape), list(x.shape)
        start[axis], limit[axis] = k, k + 1
        parts.append(reshaped(tracer, sliced(tracer, x, tuple(start), tuple(limit)), shape))
    return parts


@rule("rev", kind="shape", params=("dimensions",))
def rev(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Axes run backwards."""
    (x,) = inputs
    return [tracer.add("rev", [x], x.shape, x.dtype, axes=tuple(int(d) for d in eqn.params["dimensions"]))]


@rule("iota", kind="shape", params=("dtype", "shape", "dimension"))
def iota(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The index along an axis."""
    if inputs:
        raise NotNative("a dimension is not known while compiling")
    out = eqn.outvars[0].aval
    shape, axis = shape_of(out), eqn.params["dimension"]
    return [tracer.add("affine", [], shape, dtype_of(out), strides=tuple(int(k == axis) for k in range(len(shape))))]


@rule("empty", kind="shape", params=("dtype", "shape"))
@rule("empty2", kind="shape", params=("dtype", "memory_space"))
def empty(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """An array of anything: of zeros, as XLA has it on CPUs."""
    out = eqn.outvars[0].aval
    return [tracer.full(0, shape_of(out), dtype_of(out))]


@rule("concatenate", kind="shape", params=("dimension",))
def concatenate(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Arrays one after the other along an axis."""
    out = eqn.outvars[0].aval
    if len(inputs) == 1:
        return inputs
    return [tracer.add("concatenate", inputs, shape_of(out), dtype_of(out), axis=int(eqn.params["dimension"]))]


@rule("stack", kind="shape", params=("axis", "dimension"))
def stack(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Arrays along a new axis."""
    out = eqn.outvars[0].aval
    axis = int(eqn.params.get("axis", eqn.params.get("dimension", 0)))
    shape = shape_of(out)
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    parts = [reshaped(tracer, x, one) for x in inputs]
    if len(parts) == 1:
        return parts
    return [tracer.add("concatenate", parts, shape, dtype_of(out), axis=axis)]


@rule("tile", kind="shape", params=("reps",))
def tile(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Copies one after the other along each axis: a broadcast and a reshape."""
    (x,), words = inputs, words_after(eqn)
    reps = (*(int(r) for r in eqn.params["reps"]), *(1 for _ in words))
    if len(reps) != len(x.shape):
        raise NotNative("it adds axes")
    full = tuple(n for pair in zip(reps, x.shape, strict=True) for n in pair)
    spread = tracer.broadcast(x, full, range(1, len(full), 2))
    return [reshaped(tracer, spread, shape_of(eqn.outvars[0].aval))]


@rule("pad", kind="shape", params=("padding_config",))
def pad(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Padding at both ends and between elements; negative padding cuts."""
    x, value = inputs
    words = words_after(eqn)
    config = [tuple(int(n) for n in c) for c in eqn.params["padding_config"]] + [(0, 0, 0)] * len(words)
    start, limit, low, step = [], [], [], []
    for (before, after, between), n in zip(config, x.shape, strict=True):
        cut = -(before // (between + 1)) if before < 0 else 0
        keep = n + (after // (between + 1) if after < 0 else 0)
        start.append(min(cut, n))
        limit.append(max(keep, min(cut, n)))
        low.append(before + cut * (between + 1))
        step.append(between + 1)
    shape = shape_of(eqn.outvars[0].aval)
    inner = sliced(tracer, x, tuple(start), tuple(limit))
    fits = all(
        n == 0 or (b >= 0 and b + (n - 1) * s < m) for n, b, s, m in zip(inner.shape, low, step, shape, strict=True)
    )
    if not fits:
        raise NotNative("negative padding together with padding between elements")
    if value.shape:
        value = reshaped(tracer, value, ())
    if inner.shape == shape:
        return [inner]
    return [tracer.add("pad", [inner, value], shape, x.dtype, low=tuple(low), step=tuple(step))]
