"""Reduction of huge arguments modulo pi/2 with as much of 2/pi as they need (Payne and Hanek, SIGNUM 1983).

x is an integer m of 53 bits times 2**e. Of the binary digits of 2/pi only a window of 192 matters: those before it
give whole multiples of four, those behind it less than 2**-130. The product modulo 2**192 is x * 2/pi modulo 4.
"""

from __future__ import annotations

from jaxbm.kernels.program.maths.common import PI, quick_two_sum, split, two_product
from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.types import F64, I64, type_of
from jaxbm.kernels.program.values import Value

_DIGITS = 1280
_NAME = "maths.reduce_huge"
_STRUCT = "{double, double, i64}"


def _two_over_pi() -> bytes:
    """floor(2/pi * 2**1280), little endian, with zeros above (Machin's formula for pi)."""
    guard = _DIGITS + 64

    def arctan_inverse(k: int) -> int:
        total = term = (1 << guard) // k
        n, sign = 1, 1
        while term:
            term //= k * k
            n, sign = n + 2, -sign
            total += sign * (term // n)
        return total

    pi = 4 * (4 * arctan_inverse(5) - arctan_inverse(239))
    return (((2 << guard) << _DIGITS) // pi).to_bytes(_DIGITS // 8 + 40, "little")


def _write(f: Function) -> None:
    """One scalar in double precision: r, what it lacks, and the quadrant."""
    (x,) = f.params
    wide, window = type_of("i256"), type_of("i192")
    bits = x.unary("fabs").as_bits()
    e = bits.lshr(52) - (1023 + 52)
    m = (bits & ((1 << 52) - 1)) | (1 << 52)
    lowest = (_DIGITS + 2 - 192) - e
    data = f.module.constant_bytes(_two_over_pi())
    at = f.pure(f"getelementptr inbounds i8, ptr {data.text}, i64 {lowest.lshr(3).text}", data.type)
    digits = f.instruction(f"load i256, ptr {at.text}, align 1", wide).lshr((lowest & 7).cast("zext", "i256"))
    product = digits.cast("trunc", "i192") * m.cast("zext", "i192")
    rounded = product + (1 << 189)
    quadrant = rounded.lshr(190).cast("trunc", "i64")
    signed = (rounded << 2).lshr(2) - (1 << 189)  # the fraction of a quarter turn, times 2**190
    negative = signed.lt(0)
    size = negative.select(-signed, signed)
    zeros = f.call("llvm.ctlz.i192", window, [size, f.constant(type_of("i1"), False)], pure=True)
    shifted = size << zeros
    high = (shifted.lshr(192 - 53)).cast("trunc", "i64").cast("uitofp", "double")
    low = (shifted.lshr(192 - 106)).cast("trunc", "i64") & ((1 << 53) - 1)
    low = low.cast("uitofp", "double") * 2.0**-53
    # high * 2**(53 - zeros + 86) / 2**190: a power of two between 2**-52 and 2**-200
    scale = ((zeros.cast("trunc", "i64") * -1 + (1023 + 192 - 53 - 190)) << 52).as_float("double")
    scale = negative.select(-scale, scale)
    half_pi, rest = split(PI / 2, x)
    r, lost = two_product(high, x.like(half_pi))
    lost = lost + (high * rest + low * half_pi)
    r, lost = quick_two_sum(r, lost)
    flip = x.as_bits().lt(0)
    r, lost = r * scale, lost * scale
    fields = [flip.select(-r, r), flip.select(-lost, lost), flip.select(-quadrant, quadrant)]
    f.ret(f.struct(fields))


def reduce_huge(x: Value) -> tuple[Value, Value, Value]:
    """r, what it lacks and the quadrant of every lane; zero stays zero."""
    f = x.function

    def define() -> None:
        attributes = "noinline cold nounwind memory(none)"
        _write(f.module.function(_NAME, [("x", F64)], _STRUCT, internal=True, attributes=attributes))

    f.module.once(_NAME, define)
    columns: list[list[Value]] = [[], [], []]
    for lane in f.unpack(x):
        wide = f.cast("fpext", lane, "double") if x.type.kind == "float" else lane
        # Zero would read before the digits; any moderate number may be reduced in its place.
        idle = wide.eq(0.0)
        fields = f.call(_NAME, _STRUCT, [idle.select(2.0**60, wide)], pure=True)
        r, lost = f.extract(fields, 0, F64), f.extract(fields, 1, F64)
        n = f.extract(fields, 2, I64)
        if x.type.kind == "float":
            single = r.cast("fptrunc", "float")
            lost = (r - single.cast("fpext", "double")).cast("fptrunc", "float")
            r, n = single, n.cast("trunc", "i32")
        for column, value in zip(columns, (r, lost, n), strict=True):
            column.append(value)
    parts = [f.pack(c) if x.type.lanes else c[0] for c in columns]
    return parts[0], parts[1], parts[2]
