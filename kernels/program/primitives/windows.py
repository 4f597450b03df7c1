"""Reductions over windows (pooling), their derivatives, and reductions with a function of one's own.

A window's places are strided slices of the padded array, as in convolutions: they are combined one after the other.
What is the same in any order goes axis by axis, so that a window of 8 x 8 has 16 places instead of 64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.jaxprs import ClosedJaxpr, jaxpr_as_fun
from jaxbm.kernels.program.primitives.products import HALF, places
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, shape_of

LARGEST = 64
"""Places of a window up to which it is written out."""
PARAMS = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
COMBINE = {"reduce_window_sum": lax.add, "reduce_window_max": lax.max, "reduce_window_min": lax.min}


class Windows(NamedTuple):
    """Where the windows of a reduction stand, by axis."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    base_dilation: tuple[int, ...]
    dilation: tuple[int, ...]

    def along(self, axis: int) -> Windows:
        """The part that concerns one axis alone."""

        def only(values: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(n if k == axis else 1 for k, n in enumerate(values))

        padding = tuple(p if k == axis else (0, 0) for k, p in enumerate(self.padding))
        return Windows(only(self.size), only(self.strides), padding, only(self.base_dilation), only(self.dilation))

    def does_nothing(self) -> bool:
        """Whether every window is one element, each in its place."""
        return not self.pads() and all(n == 1 for n in (*self.size, *self.strides))

    def padded(self, x: Any, fill: Any) -> Any:
        """The array with its padding, around it and between its elements."""
        config = [(lo, hi, d - 1) for (lo, hi), d in zip(self.padding, self.base_dilation, strict=True)]
        return lax.pad(x, jnp.asarray(fill, x.dtype), config)

    def pads(self) -> bool:
        """Whether a window may hold something that isn't of the array."""
        return any(p != (0, 0) for p in self.padding) or any(d != 1 for d in self.base_dilation)

    def taps(self, x: Any) -> Iterator[Any]:
        """For every place of a window in turn, what stands there in each window of the padded array."""
        spans = [(n - 1) * d + 1 for n, d in zip(self.size, self.dilation, strict=True)]
        counts = [(m - n) // s + 1 for m, n, s in zip(x.shape, spans, self.strides, strict=True)]
        for place in places(self.size):
            start = [d * k for d, k in zip(self.dilation, place, strict=True)]
            limit = [a + (n - 1) * s + 1 for a, n, s in zip(start, counts, self.strides, strict=True)]
            yield lax.slice(x, start, limit, self.strides)


def _windows(eqn: Any) -> Windows:
    p, n = eqn.params, len(eqn.invars[-1].aval.shape)
    if not n:
        n = len(p["window_dimensions"])
    ones = (1,) * n
    size, strides, base, dilation = (
        tuple(int(k) for k in p.get(name) or ones) for name in PARAMS if name != "padding"
    )
    return Windows(size, strides, tuple((int(lo), int(hi)) for lo, hi in p["padding"]), base, dilation)


def _check(count: int) -> None:
    if count > LARGEST:
        raise NotNative(f"a window of {count} places")


def identity_of(name: str, dtype: Any) -> Any:
    """What changes nothing: 0, or the least or largest value of a dtype."""
    if name.endswith("sum"):
        return 0
    if dtype == np.dtype(bool):
        return name.endswith("min")
    if jnp.issubdtype(dtype, jnp.floating):
        return np.inf if name.endswith("min") else -np.inf
    limits = jnp.iinfo(dtype)
    return limits.max if name.endswith("min") else limits.min


def _nothing(tracer: Tracer, eqn: Any) -> list[Value] | None:
    """Results without elements."""
    if all(math.prod(shape_of(v.aval)) for v in (*eqn.outvars, *eqn.invars)):
        return None
    if all(math.prod(shape_of(v.aval)) for v in eqn.outvars):
        raise NotNative("windows on nothing")
    return [tracer.full(0, shape_of(v.aval), dtype_of(v.aval)) for v in eqn.outvars]


@rule(*COMBINE, kind="reduction", params=PARAMS, note="small windows")
def reduce_window_known(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Sums and extremes of windows, one axis after the other; sums of half types are added up in float32."""
    windows, name = _windows(eqn), eqn.primitive.name
    combine = COMBINE[name]
    for n in windows.size:
        _check(n)

    def reduce(x: Any) -> Any:
        dtype = x.dtype
        if str(dtype) in HALF and combine is lax.add:
            x = x.astype(jnp.float32)
        for axis in range(x.ndim):
            one = windows.along(axis)
            if not one.does_nothing():
                taps = one.taps(one.padded(x, identity_of(name, x.dtype)))
                x = next(taps)
                for tap in taps:
                    x = combine(x, tap)
        return x.astype(dtype)

    return _nothing(tracer, eqn) or tracer.call(reduce, inputs[0])


def _of_arrays(jaxpr: Any, consts: Any, shape: tuple[int, ...]) -> Callable[..., Any]:
    """A function of numbers as one of arrays."""
    if any(isinstance(c, jax.core.Tracer) for c in consts):
        raise NotNative("its function reads values from around it")
    closed = jaxpr if hasattr(jaxpr, "jaxpr") else ClosedJaxpr(jaxpr, consts)
    function = jaxpr_as_fun(closed)
    for _ in shape:
        function = jax.vmap(function)
    return function


@rule("reduce_window", kind="reduction", params=(*PARAMS, "jaxpr", "consts"), note="small windows, no padding")
def reduce_window(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A reduction of windows by any function of several arrays, in order."""
    windows, n = _windows(eqn), len(inputs) // 2
    _check(math.prod(windows.size))
    if windows.pads():
        raise NotNative("padding for a function of one's own, which versions of XLA leave out or count")
    shape = shape_of(eqn.outvars[0].aval)
    function = _of_arrays(eqn.params["jaxpr"], eqn.params["consts"], shape)

    def reduce(*values: Any) -> Any:
        out = [jnp.broadcast_to(start, shape) for start in values[n:]]
        for row in zip(*map(windows.taps, values[:n]), strict=True):
            out = list(function(*out, *row))
        return out

    return _nothing(tracer, eqn) or tracer.call(reduce, *inputs)


@rule("select_and_scatter_add", kind="reduction", params=(*PARAMS, "select_prim"), note="small windows")
def select_and_scatter_add(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The derivative of max pooling: what belongs to a window is added to the element that was chosen of it."""
    windows, select = _windows(eqn), eqn.params["select_prim"]
    _check(math.prod(windows.size))
    if inputs[0].dtype == "bool":
        raise NotNative("it adds booleans")
    fill = partial(identity_of, "max" if select.name == "ge" else "min")

    def scatter(source: Any, operand: Any) -> Any:
        x = windows.padded(operand, fill(operand.dtype))
        best, chosen = _chosen(windows, select, x)
        del best
        summed = source.astype(jnp.float32) if str(source.dtype) in HALF else source
        out = jnp.zeros(x.size, summed.dtype).at[chosen.reshape(-1)].add(summed.reshape(-1))
        start = [lo for lo, _ in windows.padding]
        stop = [lo + m for lo, m in zip(start, operand.shape, strict=True)]
        return lax.slice(out.reshape(x.shape), start, stop).astype(source.dtype)

    if any(n < 0 for pair in windows.padding for n in pair):
        raise NotNative("negative padding")
    return _nothing(tracer, eqn) or tracer.call(scatter, *inputs)


def _chosen(windows: Windows, select: Any, x: Any) -> tuple[Any, Any]:
    """Of each window the element that is chosen, and where it stands in the padded array; of equal ones the first."""
    index = jnp.arange(x.size, dtype=jnp.int32).reshape(x.shape)
    pairs = zip(windows.taps(x), windows.taps(index), strict=True)
    best, chosen = next(pairs)
    for value, place in pairs:
        stays = select.bind(best, value)
        best, chosen = jnp.where(stays, best, value), jnp.where(stays, chosen, place)
    return best, chosen


@rule("select_and_gather_add", kind="reduction", params=(*PARAMS, "select_prim"), note="small windows")
def select_and_gather_add(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The tangent of max pooling: that of the element that is chosen of each window, 0 where none is."""
    windows, select = _windows(eqn), eqn.params["select_prim"]
    _check(math.prod(windows.size))
    start = -np.inf if select.name == "ge" else np.inf

    def gather(tangents: Any, operand: Any) -> Any:
        shape = shape_of(eqn.outvars[0].aval)
        best, out = jnp.full(shape, start, operand.dtype), jnp.zeros(shape, tangents.dtype)
        inside = windows.padded(jnp.ones(operand.shape, bool), False)
        arrays = (windows.padded(operand, start), windows.padded(tangents, 0), inside)
        for value, tangent, is_inside in zip(*map(windows.taps, arrays), strict=True):
            stays = select.bind(best, value)
            stays = stays | ~is_inside if windows.pads() else stays
            best, out = jnp.where(stays, best, value), jnp.where(stays, out, tangent)
        return out

    return _nothing(tracer, eqn) or tracer.call(gather, *inputs)


@rule("reduce", kind="reduction", params=("computation", "jaxpr", "dimensions"))
def reduce(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A reduction by any function of several arrays, element by element in order."""
    p, n = eqn.params, len(inputs) // 2
    axes, shape = tuple(int(a) for a in p["dimensions"]), shape_of(eqn.outvars[0].aval)
    function = _of_arrays(p["jaxpr"], p["jaxpr"].consts, shape)

    def reduced(*values: Any) -> Any:
        xs, starts = values[:n], values[n:]
        order = (*axes, *(k for k in range(xs[0].ndim) if k not in axes))
        rows = [x.transpose(order).reshape(-1, *shape) for x in xs]
        first = tuple(jnp.broadcast_to(s, shape) for s in starts)
        return lax.scan(lambda carry, row: (tuple(function(*carry, *row)), None), first, rows)[0]

    if math.prod(shape) == 0:
        return [tracer.full(0, shape_of(v.aval), dtype_of(v.aval)) for v in eqn.outvars]
    return tracer.call(reduced, *inputs)
