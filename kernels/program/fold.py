"""What is known while compiling: operations on constants, computed with NumPy where it does exactly what JAX does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxbm.kernels.program.elements import HALF, name_of

MOST = 1 << 16
"""Elements up to which a constant is worth keeping as such."""


def _broadcast(shape: tuple[int, ...], axes: tuple[int, ...], a: np.ndarray) -> np.ndarray:
    full = [1] * len(shape)
    for n, axis in zip(a.shape, axes, strict=True):
        full[axis] = n
    return np.broadcast_to(a.reshape(full), shape)


_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "neg": np.negative,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert,
    "nextafter": np.nextafter,
    "select_n": lambda which, *cases: np.choose(which.astype(int), cases, mode="clip") if len(cases) <= 16 else None,
}  # fmt: skip


_OTHERS = frozenset({
    "convert_element_type", "broadcast", "reshape", "transpose", "slice", "dynamic_slice", "concatenate",
})  # fmt: skip


def fold(
    op: str, params: dict[str, Any], arrays: list[np.ndarray], types: list[tuple[tuple[int, ...], str]]
) -> np.ndarray | None:
    """The result of an operation on constants, or None where it is left to the program."""
    (shape, dtype), *more = types
    if more or math.prod(shape) > MOST or dtype in HALF or (op not in _ELEMENTWISE and op not in _OTHERS):
        return None
    if any(name_of(a.dtype) in HALF for a in arrays):
        return None
    with np.errstate(all="ignore"):
        if op in _ELEMENTWISE:
            if arrays[0].dtype == bool and op in ("add", "sub", "mul", "neg"):
                return None
            out = _ELEMENTWISE[op](*arrays)
        elif op == "convert_element_type":
            (a,) = arrays
            if a.dtype.kind == "f" and np.dtype(dtype).kind in "iu":
                return None  # it saturates, which NumPy doesn't
            out = (a != 0) if dtype == "bool" else a.astype(dtype)
        elif op == "broadcast":
            # A large uniform array stays a broadcast, so that nothing of it is ever stored.
            out = _broadcast(shape, params["axes"], arrays[0]) if math.prod(shape) <= 64 else None
        elif op == "reshape":
            out = arrays[0].reshape(shape)
        elif op == "transpose":
            out = arrays[0].transpose(params["permutation"])
        elif op == "slice":
            parts = zip(params["start"], params["limit"], params["stride"], strict=True)
            out = arrays[0][tuple(slice(*p) for p in parts)]
        elif op == "dynamic_slice":
            first = [min(max(int(a), 0), n - m) for a, n, m in zip(arrays[1:], arrays[0].shape, shape, strict=True)]
            out = arrays[0][tuple(slice(a, a + m) for a, m in zip(first, shape, strict=True))]
        else:
            out = np.concatenate(arrays, params["axis"])
    if out is None or name_of(out.dtype) != dtype:
        return None
    return np.ascontiguousarray(out).reshape(shape)
