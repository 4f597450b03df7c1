"""Elements in registers and in memory: how each dtype is held, read, written and converted.

Half types are floats in registers, rounded to their type already; booleans are one bit there and a byte in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.types import F32, F64, I1, I8, I16, I32, I64, Type, literal
from jaxbm.kernels.program.values import Index, Value

HALF = ("float16", "bfloat16")
_REGISTER = {
    "float16": F32, "bfloat16": F32, "float32": F32, "float64": F64, "bool": I1,
    "int8": I8, "uint8": I8, "int16": I16, "uint16": I16, "int32": I32, "uint32": I32, "int64": I64, "uint64": I64,
}  # fmt: skip


name_of: Callable[[Any], str] = cache(str)
"""The name of a dtype; NumPy puts it together anew each time, which took a fifth of a trace."""


@cache
def register_type(dtype: str) -> Type:
    """The type of one element in a register."""
    return _REGISTER[dtype]


@cache
def itemsize(dtype: str) -> int:
    """Bytes of one element in memory."""
    return 2 if dtype in HALF else max(register_type(dtype).bits // 8, 1)


def is_float(dtype: str) -> bool:
    """Whether it is a floating type."""
    return dtype[0] == "f" or dtype == "bfloat16"


def is_unsigned(dtype: str) -> bool:
    """Whether it is an unsigned integer or a boolean."""
    return dtype[0] == "u" or dtype == "bool"


def constant(f: Function, dtype: str, value: object) -> Value:
    """An element that is known."""
    type = register_type(dtype)
    return Value(f, literal(type, value), type)


def number(value: Value) -> float | int | bool:
    """The number that a constant's text stands for."""
    text = value.text
    if text.startswith("splat"):
        text = text[text.index("(") + 1 : -1].split(" ", 1)[1]
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("0x"):
        return float(np.uint64(int(text, 16)).view(np.float64))
    return int(text)


def from_half_bits(bits: Value, dtype: str) -> Value:
    """The float that sixteen bits of a half type stand for."""
    if dtype == "float16":
        return bits.cast("bitcast", "half").cast("fpext", "float")
    return (bits.cast("zext", "i32") << 16).cast("bitcast", "float")


def half_bits(value: Value, dtype: str) -> Value:
    """The inverse, of a float that is rounded already."""
    if dtype == "float16":
        return value.cast("fptrunc", "half").cast("bitcast", "i16")
    return value.cast("bitcast", "i32").lshr(16).cast("trunc", "i16")


def load(f: Function, pointer: Value, dtype: str, index: Index, lanes: int = 0) -> Value:
    """The element, or the vector that starts there."""
    if dtype in HALF:
        return from_half_bits(f.load(pointer, I16.vector(lanes), index), dtype)
    return f.load(pointer, register_type(dtype).vector(lanes), index)


def store(f: Function, value: Value, pointer: Value, dtype: str, index: Index) -> None:
    """Write an element or a vector; the inverse of `load`."""
    if dtype in HALF:
        value = half_bits(value, dtype)
    f.store(value, pointer, index)


def rounded(f: Function, value: Value, dtype: str) -> Value:
    """A float32 rounded to a half type, still held as a float; other dtypes are left alone."""
    if dtype == "float16":
        return value.cast("fptrunc", "half").cast("fpext", "float")
    if dtype == "bfloat16":
        bits = value.cast("bitcast", "i32")
        up = (bits + ((bits.lshr(16) & 1) + 0x7FFF)) & -0x10000
        # Rounding must not turn a NaN into infinity.
        kept = value.is_nan().select((bits | 0x400000) & -0x10000, up)
        return kept.cast("bitcast", "float")
    return value


def _to_odd(value: Value) -> Value:
    """A float64 as a float32 that rounds to the float16 next to it: what is cut off leaves the last bit set.

    Rounded to nearest twice it could end a place away (Boldo and Melquiond, IEEE Transactions on Computers 57, 2008).
    """
    near = value.cast("fptrunc", "float")
    back, bits = near.cast("fpext", "double"), near.cast("bitcast", "i32")
    bits = back.unary("fabs").compare("ogt", value.unary("fabs")).select(bits - 1, bits)
    return back.compare("one", value).select(bits | 1, bits).cast("bitcast", "float")


def converted(f: Function, value: Value, source: str, target: str) -> Value:
    """As `lax.convert_element_type`: integers wrap around, floats saturate as integers, NaN gives 0."""
    if source == target:
        return value
    kind = register_type(target).kind
    if target == "bool":
        return value.ne(0)
    if is_float(source) and is_float(target):
        if register_type(source) is F64 and register_type(target) is F32:
            value = _to_odd(value) if target == "float16" else value.cast("fptrunc", "float")
        elif register_type(target) is F64 and register_type(source) is F32:
            return value.cast("fpext", "double")
        return rounded(f, value, target)
    if is_float(target):
        op = "uitofp" if is_unsigned(source) else "sitofp"
        return rounded(f, value.cast(op, kind), target)
    if is_float(source):
        to = value.type.with_kind(kind)
        name = f"llvm.fpto{'u' if is_unsigned(target) else 's'}i.sat.{to.suffix}.{value.type.suffix}"
        return f.call(name, to, [value], attributes="nounwind memory(none)", pure=True)
    bits, wanted = value.type.bits, register_type(target).bits
    if bits == wanted:
        return value
    return value.cast("trunc" if wanted < bits else "zext" if is_unsigned(source) else "sext", kind)
