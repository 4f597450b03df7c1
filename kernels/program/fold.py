"""What is known while compiling: operations on constants, computed with NumPy where it does exactly what JAX does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

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


def fold(
    op: str, params: dict[str, Any], arrays: list[np.ndarray], types: list[tuple[tuple[int, ...], str]]
) -> np.ndarray | None:
    """The result of an operation on constants, or None where it is left to the program."""
    (shape, dtype), *more = types
    if more or int(np.prod(shape)) > MOST or dtype in ("float16", "bfloat16"):
        return None
    if any(str(a.dtype) in ("float16", "bfloat16") for a in arrays):
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
            out = _broadcast(shape, params["axes"], arrays[0]) if np.prod(shape) <= 64 else None
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
        elif op == "concatenate":
            out = np.concatenate(arrays, params["axis"])
        else:
            return None
    if out is None or str(out.dtype) != dtype:
        return None
    return np.ascontiguousarray(out).reshape(shape)
