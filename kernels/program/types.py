"""LLVM's first-class types as far as compiled programs need them: scalars, pointers and vectors of scalars."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

FLOATS = {"half": 16, "bfloat": 16, "float": 32, "double": 64}


class Type:
    """A scalar kind ("float", "i32", "ptr", ...) and number of lanes, 0 for a scalar. Interned: compare by `is`."""

    __slots__ = ("bits", "is_float", "kind", "lanes", "text")

    kind: str
    lanes: int
    text: str
    is_float: bool
    bits: int

    def __init__(self, kind: str, lanes: int) -> None:
        self.kind = kind
        self.lanes = lanes
        self.text = f"<{lanes} x {kind}>" if lanes else kind
        self.is_float = kind in FLOATS
        self.bits = FLOATS[kind] if self.is_float else 64 if kind == "ptr" else int(kind[1:]) if kind[0] == "i" else 0

    def __repr__(self) -> str:
        return self.text

    @property
    def scalar(self) -> Type:
        """The type of one lane."""
        return type_of(self.kind)

    @property
    def itemsize(self) -> int:
        """Bytes of one lane in memory; a boolean takes a byte."""
        return max(self.bits // 8, 1)

    @property
    def suffix(self) -> str:
        """The type as intrinsics spell it: "f32", "v8f64", "i64"."""
        name = {"float": "f32", "double": "f64", "half": "f16", "bfloat": "bf16"}.get(self.kind, self.kind)
        return f"v{self.lanes}{name}" if self.lanes else name

    def vector(self, lanes: int) -> Type:
        """This kind with so many lanes; 0 gives the scalar."""
        return type_of(self.kind, lanes)

    def with_kind(self, kind: str) -> Type:
        """Another kind with as many lanes."""
        return type_of(kind, self.lanes)

    @property
    def integer(self) -> Type:
        """Integers of the same width and number of lanes."""
        return type_of(f"i{self.bits}", self.lanes)


_interned: dict[tuple[str, int], Type] = {}


def type_of(kind: str, lanes: int = 0) -> Type:
    """The type of this kind, always the same object."""
    type = _interned.get((kind, lanes))
    return type if type is not None else _interned.setdefault((kind, lanes), Type(kind, lanes))


F16, BF16, F32, F64 = (type_of(k) for k in ("half", "bfloat", "float", "double"))
I1, I8, I16, I32, I64 = (type_of(f"i{n}") for n in (1, 8, 16, 32, 64))
PTR, VOID = type_of("ptr"), type_of("void")

_OF_DTYPE = {
    "float16": F16, "bfloat16": BF16, "float32": F32, "float64": F64, "bool": I1,
    "int8": I8, "int16": I16, "int32": I32, "int64": I64,
    "uint8": I8, "uint16": I16, "uint32": I32, "uint64": I64,
}  # fmt: skip


def from_dtype(dtype: object) -> Type:
    """The scalar type that holds values of a NumPy dtype, given by object or name; KeyError where there is none."""
    return _OF_DTYPE[str(dtype)]


def literal(type: Type, value: Any) -> str:
    """An exact constant of a scalar type. Integers wrap around, as they do in memory."""
    if type is I1:
        return "true" if value else "false"
    if not type.is_float:
        bits = type.bits
        return str((int(value) + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1)))
    if type is F64 or type is F32:
        # Hexadecimal constants of both are written as the double of the same value.
        number = float(value) if type is F64 else float(_rounded(value, np.float32))
        return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
    if type is F16:
        return f"0xH{int(_rounded(value, np.float16).view(np.uint16)):04X}"
    bits32 = int(_rounded(value, np.float32).view(np.uint32))
    if bits32 & 0x7FFFFFFF > 0x7F800000:
        return f"0xR{bits32 >> 16 | 0x40:04X}"  # rounding must not turn a NaN into infinity
    return f"0xR{(bits32 + 0x7FFF + (bits32 >> 16 & 1)) >> 16:04X}"


def _rounded(value: Any, dtype: type[np.generic]) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(value).astype(dtype)
