"""Products with powers of two beyond the range of normal numbers, rounded once.

AVX-512 has an instruction for it, which gives the same bits as the two products that do it elsewhere.
"""

from __future__ import annotations

from jaxbm.kernels.program.function import Function
from jaxbm.kernels.program.maths.common import is_float32, power_of_two, round_to_int, two_to
from jaxbm.kernels.program.types import I8, I32, Type, type_of
from jaxbm.kernels.program.values import Value

REGISTERS = (16, 32, 64)
"""Bytes of vectors that the instruction takes."""
AS_SET = 4
"""The rounding mode that the processor is in."""


def scale_by_power(x: Value, n: Value) -> Value:
    """x * 2**n, rounded once, for any x near 1 and an integer n that may lie outside the range of normal numbers."""
    if x.function.module.scales and max(x.type.lanes, 1) * x.type.itemsize <= REGISTERS[-1]:
        return _by_instruction(x, n)
    half, shifted = round_to_int(n, 0.5)
    return x * two_to(shifted) * power_of_two(n - half)


def _by_instruction(x: Value, n: Value) -> Value:
    f, lanes, size = x.function, x.type.lanes, x.type.itemsize
    width = next(b for b in REGISTERS if b >= size * max(lanes, 1))
    vector = x.type.vector(width // size)
    a, b = (_widened(f, v, vector) for v in (x, n))
    kind = ("p" if lanes else "s") + ("s" if is_float32(x) else "d")
    name = f"llvm.x86.avx512.mask.scalef.{kind}" + (f".{8 * width}" if lanes else "")
    every = f.constant(type_of(f"i{max(vector.lanes, 8)}") if lanes else I8, -1)
    rounding = [f.constant(I32, AS_SET)] if width == REGISTERS[-1] or not lanes else []
    out = f.call(name, vector, [a, b, a, every, *rounding], attributes="nounwind memory(none)", pure=True)
    if not lanes:
        return f.lane(out, 0)
    return out if lanes == vector.lanes else f.shuffle(out, out, range(lanes))


def _widened(f: Function, value: Value, vector: Type) -> Value:
    """The value in the lowest lanes of a vector."""
    lanes = value.type.lanes
    if not lanes:
        return f.with_lane(Value(f, "poison", vector), 0, value)
    if lanes == vector.lanes:
        return value
    return f.shuffle(value, value, [min(k, lanes - 1) for k in range(vector.lanes)])
