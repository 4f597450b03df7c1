"""What each elementwise node computes, on scalars and vectors alike: a table from its name to instructions.

Floating point operations are exactly those written: nothing is reordered or contracted here. Half types are computed
in float32 and rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxbm.kernels.program import maths, threefry
from jaxbm.kernels.program.elements import (
    HALF,
    converted,
    from_half_bits,
    half_bits,
    is_float,
    is_unsigned,
    number,
    register_type,
    rounded,
)
from jaxbm.kernels.program.ir import NotNative
from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.types import I1
from jaxbm.kernels.program.values import Value

COST = {
    "exp": 20, "exp2": 20, "expm1": 22, "log": 20, "log1p": 25, "logistic": 22, "tanh": 15, "sin": 25, "cos": 25,
    "tan": 35, "erf": 15, "erfc": 30, "erf_inv": 40, "pow": 60, "cbrt": 25, "atan2": 40, "lgamma": 80, "digamma": 60,
    "asin": 25, "acos": 25, "atan": 25, "sinh": 30, "cosh": 30, "asinh": 40, "acosh": 40, "atanh": 40,
    "div": 5, "sqrt": 6, "rsqrt": 8, "rem": 20, "threefry_0": 80, "threefry_1": 80,
}  # fmt: skip
"""Roughly how many additions an operation takes; those that aren't named take one."""
PACKED = frozenset({
    "exp", "exp2", "expm1", "log", "log1p", "logistic", "tanh", "sin", "cos", "tan", "erf", "erf_inv", "erfc",
    "threefry_0", "threefry_1",
})  # fmt: skip
"""Operations whose scalars are worth packing into a vector."""
PACKED_FROM = {"sin": 3, "cos": 3}
"""From how many scalars on, where that isn't two: near zero a scalar takes few steps by itself."""


class Context(NamedTuple):
    """What an operation may need to know besides its operands' values."""

    f: Function
    op: str
    params: dict[str, Any]
    dtype: str
    inputs: Sequence[str]


Compute = Callable[..., Value]
TABLE: dict[str, Compute] = {}


def compute(
    f: Function, op: str, params: dict[str, Any], dtype: str, inputs: Sequence[str], args: Sequence[Value]
) -> Value:
    """One operation on values of these dtypes.

    Raises:
      NotNative: the operation has no instructions for these types.
    """
    found = TABLE.get(op, _function)
    out = found(Context(f, op, params, dtype, inputs), *args)
    return rounded(f, out, dtype) if dtype in HALF and op not in _EXACT else out


_EXACT = frozenset({"convert_element_type", "select_n", "max", "min", "neg", "abs", "sign", "bitcast_convert_type"})


def _register(*names: str) -> Callable[[Compute], Compute]:
    def add(function: Compute) -> Compute:
        TABLE.update(dict.fromkeys(names, function))
        return function

    return add


def _function(c: Context, *args: Value) -> Value:
    if not is_float(c.inputs[0]) or c.op not in maths.names():
        raise NotNative(f"of {c.inputs[0]} there is no native version", c.op)
    return maths.call(c.f, c.op, *args)


@_register("add", "sub", "mul")
def _arithmetic(c: Context, a: Value, b: Value) -> Value:
    if c.dtype == "bool":
        return {"add": a | b, "mul": a & b, "sub": a ^ b}[c.op]
    return a + b if c.op == "add" else a - b if c.op == "sub" else a * b


@_register("multiply_for_sum")
def _multiply_for_sum(c: Context, a: Value, b: Value) -> Value:
    """A product that a sum may take into a fused multiply-add."""
    return c.f.fmul(a, b, contract=True)


@_register("add_to_sum")
def _add_to_sum(c: Context, a: Value, b: Value) -> Value:
    """A term of a sum, whose order is free."""
    return c.f.fadd(a, b, contract=True) if is_float(c.dtype) else a + b


@_register("div")
def _div(c: Context, a: Value, b: Value) -> Value:
    if is_float(c.dtype):
        return a / b
    if is_unsigned(c.dtype):
        return b.eq(0).select(-1, c.f.binary("udiv", a, b.eq(0).select(1, b)))
    safe, negated = (b.eq(0) | b.eq(-1)).select(1, b), 0 - a
    # The smallest integer divided by -1 would trap.
    return b.eq(0).select(-1, b.eq(-1).select(negated, c.f.binary("sdiv", a, safe)))


@_register("rem")
def _rem(c: Context, a: Value, b: Value) -> Value:
    if is_float(c.dtype):
        return c.f.binary("frem", a, b)
    if is_unsigned(c.dtype):
        return b.eq(0).select(a, c.f.binary("urem", a, b.eq(0).select(1, b)))
    safe = (b.eq(0) | b.eq(-1)).select(1, b)
    return b.eq(0).select(a, b.eq(-1).select(0, c.f.binary("srem", a, safe)))


@_register("max", "min")
def _extreme(c: Context, a: Value, b: Value) -> Value:
    if is_float(c.dtype):
        return c.f.intrinsic(f"{c.op}imum", a, b)
    if c.dtype == "bool":
        return a | b if c.op == "max" else a & b
    return c.f.intrinsic(("u" if is_unsigned(c.dtype) else "s") + c.op, a, b)


@_register("neg")
def _neg(c: Context, a: Value) -> Value:
    return -a


@_register("abs")
def _abs(c: Context, a: Value) -> Value:
    if is_float(c.dtype):
        return a.unary("fabs")
    return a if is_unsigned(c.dtype) else a.lt(0).select(0 - a, a)


@_register("sign")
def _sign(c: Context, a: Value) -> Value:
    if is_float(c.dtype):
        # Times zero, since a subnormal number may count as zero in the comparison.
        return c.f.compare("one", a, a.like(0)).select(c.f.intrinsic("copysign", a.like(1), a), a * 0.0)
    if is_unsigned(c.dtype):
        return a.ne(0).cast("zext", a.type.kind) if c.dtype != "bool" else a
    return a.lt(0).select(-1, a.gt(0).cast("zext", a.type.kind))


@_register("square")
def _square(c: Context, a: Value) -> Value:
    return a * a if c.dtype != "bool" else a


@_register("integer_pow")
def _integer_pow(c: Context, a: Value) -> Value:
    n, out, power = abs(c.params["y"]), None, a
    while n:
        if n & 1:
            out = power if out is None else out * power
        n >>= 1
        if n:
            power = power * power
    out = a.like(1) if out is None else out
    return 1 / out if c.params["y"] < 0 else out


@_register("pow")
def _pow(c: Context, a: Value, b: Value) -> Value:
    if not is_float(c.dtype):
        raise NotNative(f"of {c.dtype} there is no native version", "pow")
    if is_float(c.inputs[1]) and b.is_constant:
        y = float(number(b))
        if y in (-1, 1, 2):
            return 1 / a if y < 0 else a if y == 1 else a * a
        if abs(y) == 0.5:
            # Unlike the square root, a power of -inf is inf and of -0.0 is 0.0.
            root = a.eq(float("-inf")).select(float("inf"), (a + 0.0).unary("sqrt"))
            return root if y > 0 else 1 / root
        if 2 < abs(2 * y) <= maths.HALVES and (2 * y).is_integer():
            return maths.constant_power(a, int(2 * y))
    if not is_float(c.inputs[1]):
        b = converted(c.f, b, c.inputs[1], c.dtype)
    return maths.call(c.f, "pow", a, b)


@_register("floor", "ceil", "sqrt")
def _same_intrinsic(c: Context, a: Value) -> Value:
    return a.unary(c.op)


@_register("round", "round_even")
def _round(c: Context, a: Value) -> Value:
    return a.unary("roundeven" if c.op == "round_even" else "round")


@_register("rsqrt")
def _rsqrt(c: Context, a: Value) -> Value:
    return 1 / a.unary("sqrt")


@_register("is_finite")
def _is_finite(c: Context, a: Value) -> Value:
    return a.unary("fabs").lt(float("inf"))


@_register("nextafter")
def _nextafter(c: Context, a: Value, b: Value) -> Value:
    # Half types are floats in registers: the step is one of their own sixteen bits.
    is_half = c.dtype in HALF
    bits, towards = (half_bits(v, c.dtype) if is_half else v.cast("bitcast", v.type.integer.kind) for v in (a, b))
    top = 1 << (bits.type.bits - 1)
    # All on bits: where subnormal numbers count as zero, comparisons of floats would see the smallest ones as equal.
    size, goal = bits & (top - 1), towards & (top - 1)
    shrinks = size.compare("ugt", goal) | ((bits ^ towards) & top).ne(0)
    step = bits + shrinks.select(bits.like(-1), bits.like(1))
    moved = size.eq(0).select((towards & top) | 1, step)
    moved = bits.eq(towards).select(towards, (size | goal).eq(0).select(towards, moved))
    moved = from_half_bits(moved, c.dtype) if is_half else moved.cast("bitcast", a.type.kind)
    return (a.is_nan() | b.is_nan()).select(float("nan"), moved)


@_register("not")
def _not(c: Context, a: Value) -> Value:
    return ~a


@_register("and", "or", "xor")
def _bitwise(c: Context, a: Value, b: Value) -> Value:
    return c.f.binary(c.op, a, b)


@_register("eq", "ne", "lt", "le", "gt", "ge")
def _compare(c: Context, a: Value, b: Value) -> Value:
    if is_float(c.inputs[0]):
        return a.compare("une" if c.op == "ne" else f"o{c.op}", b)
    signless = c.op in ("eq", "ne")
    return a.compare(c.op if signless else ("u" if is_unsigned(c.inputs[0]) else "s") + c.op, b)


@_register("eq_to", "le_to", "lt_to")
def _compare_total(c: Context, a: Value, b: Value) -> Value:
    """In the total order of IEEE 754: -NaN, -inf, ..., -0.0, 0.0, ..., inf, NaN."""
    op = c.op[:2]
    if is_float(c.inputs[0]):
        a, b = _total_key(a), _total_key(b)
        return a.compare(op if op == "eq" else "s" + op, b)
    return a.compare(op if op == "eq" else ("u" if is_unsigned(c.inputs[0]) else "s") + op, b)


def _total_key(a: Value) -> Value:
    """A signed integer in the total order of a float."""
    bits = a.cast("bitcast", a.type.integer.kind)
    return bits ^ (bits.ashr(a.type.bits - 1).lshr(1))


@_register("select_n")
def _select_n(c: Context, which: Value, *cases: Value) -> Value:
    if len(cases) == 1:
        return cases[0]
    if len(cases) == 2:
        chosen = which if c.inputs[0] == "bool" else which.ne(0)
        return chosen.select(cases[1], cases[0])
    out = cases[-1]
    for k in range(len(cases) - 2, -1, -1):
        out = which.le(k).select(cases[k], out)
    return out


@_register("convert_element_type")
def _convert(c: Context, a: Value) -> Value:
    return converted(c.f, a, c.inputs[0], c.dtype)


@_register("bitcast_convert_type")
def _bitcast(c: Context, a: Value) -> Value:
    if "bool" in (c.dtype, c.inputs[0]):
        raise NotNative(f"from {c.inputs[0]} to {c.dtype} there is no native version", c.op)
    # Half types are floats in registers: by way of their sixteen bits.
    bits = half_bits(a, c.inputs[0]) if c.inputs[0] in HALF else a
    return from_half_bits(bits, c.dtype) if c.dtype in HALF else bits.cast("bitcast", register_type(c.dtype).kind)


@_register("shift_left", "shift_right_logical", "shift_right_arithmetic")
def _shift(c: Context, a: Value, b: Value) -> Value:
    bits = a.type.bits
    op = {"shift_left": "shl", "shift_right_logical": "lshr", "shift_right_arithmetic": "ashr"}[c.op]
    if b.is_constant and 0 <= number(b) < bits:
        return c.f.binary(op, a, b)
    fits = b.compare("ult", bits)
    if op == "ashr":
        return c.f.binary(op, a, fits.select(b, b.like(bits - 1)))
    return fits.select(c.f.binary(op, a, fits.select(b, b.like(0))), a.like(0))


@_register("population_count")
def _population_count(c: Context, a: Value) -> Value:
    return a.unary("ctpop")


@_register("clz")
def _clz(c: Context, a: Value) -> Value:
    return c.f.intrinsic("ctlz", a, extra=[Value(c.f, "false", I1)])


@_register("threefry_0", "threefry_1")
def _threefry(c: Context, *words: Value) -> Value:
    return threefry.call(c.f, *words)[int(c.op[-1])]


def identity(kind: str, dtype: str) -> object:
    """The neutral element of a reduction."""
    if kind in ("add", "or", "xor"):
        return 0
    if kind == "mul":
        return 1
    if kind == "and":
        return -1 if dtype != "bool" else True
    if kind == "logaddexp":
        return -np.inf
    if is_float(dtype):
        return -np.inf if kind == "max" else np.inf
    if dtype == "bool":
        return kind == "min"
    limits = np.iinfo(dtype)
    return limits.min if kind == "max" else limits.max
