"""Typed values of a function under construction, with Python's operators for the arithmetic on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxbm.kernels.program.types import Type

if TYPE_CHECKING:
    from jaxbm.kernels.program.text import Function


class Value:
    """What an instruction gave, a parameter or a constant: its text, its type and the function it belongs to.

    `+ - * / & | ^ <<` and unary minus work on values of one type, Python numbers becoming constants. Where signed and
    unsigned integers differ, and for every comparison, the method says which is meant. Comparisons of floats named
    without a "u" are false for NaN.
    """

    __slots__ = ("function", "text", "type")

    function: Function
    text: str
    type: Type

    def __init__(self, function: Function | None, text: str, type: Type) -> None:
        # Only data of the module belong to no function; nothing is computed with those.
        self.function = function  # type: ignore[assignment]
        self.text = text
        self.type = type

    def __repr__(self) -> str:
        return f"{self.type.text} {self.text}"

    @property
    def is_constant(self) -> bool:
        """Whether its text is a literal."""
        return self.text[0] != "%"

    def like(self, other: Operand) -> Value:
        """`other` as a value of this type: itself, or the constant."""
        return other if isinstance(other, Value) else self.function.constant(self.type, other)

    def _arithmetic(self, floating: str, integer: str, other: Operand) -> Value:
        op = floating if self.type.is_float else integer
        return self.function.binary(op, self, self.like(other))

    def __add__(self, other: Operand) -> Value:
        return self._arithmetic("fadd", "add", other)

    def __radd__(self, other: Operand) -> Value:
        return self.like(other) + self

    def __sub__(self, other: Operand) -> Value:
        return self._arithmetic("fsub", "sub", other)

    def __rsub__(self, other: Operand) -> Value:
        return self.like(other) - self

    def __mul__(self, other: Operand) -> Value:
        return self._arithmetic("fmul", "mul", other)

    def __rmul__(self, other: Operand) -> Value:
        return self.like(other) * self

    def __truediv__(self, other: Operand) -> Value:
        return self.function.binary("fdiv", self, self.like(other))

    def __rtruediv__(self, other: Operand) -> Value:
        return self.like(other) / self

    def __neg__(self) -> Value:
        if self.type.is_float:
            return self.function.pure(f"fneg {self.type.text} {self.text}", self.type)
        return self.like(0) - self

    def __and__(self, other: Operand) -> Value:
        return self.function.binary("and", self, self.like(other))

    def __or__(self, other: Operand) -> Value:
        return self.function.binary("or", self, self.like(other))

    def __xor__(self, other: Operand) -> Value:
        return self.function.binary("xor", self, self.like(other))

    def __invert__(self) -> Value:
        return self ^ (1 if self.type.kind == "i1" else -1)

    def __lshift__(self, other: Operand) -> Value:
        return self.function.binary("shl", self, self.like(other))

    def ashr(self, other: Operand) -> Value:
        """Shift to the right that keeps the sign."""
        return self.function.binary("ashr", self, self.like(other))

    def lshr(self, other: Operand) -> Value:
        """Shift to the right that fills with zeros."""
        return self.function.binary("lshr", self, self.like(other))

    def compare(self, predicate: str, other: Operand) -> Value:
        """A comparison by LLVM's name of it."""
        return self.function.compare(predicate, self, self.like(other))

    def lt(self, other: Operand) -> Value:
        """self < other: ordered for floats, signed for integers."""
        return self.compare("olt" if self.type.is_float else "slt", other)

    def le(self, other: Operand) -> Value:
        """self <= other: ordered for floats, signed for integers."""
        return self.compare("ole" if self.type.is_float else "sle", other)

    def gt(self, other: Operand) -> Value:
        """self > other: ordered for floats, signed for integers."""
        return self.compare("ogt" if self.type.is_float else "sgt", other)

    def ge(self, other: Operand) -> Value:
        """self >= other: ordered for floats, signed for integers."""
        return self.compare("oge" if self.type.is_float else "sge", other)

    def eq(self, other: Operand) -> Value:
        """self == other: false for NaN."""
        return self.compare("oeq" if self.type.is_float else "eq", other)

    def ne(self, other: Operand) -> Value:
        """self != other: true for NaN."""
        return self.compare("une" if self.type.is_float else "ne", other)

    def is_nan(self) -> Value:
        """Whether it is NaN."""
        return self.compare("uno", self)

    def select(self, a: Operand, b: Operand) -> Value:
        """a where this condition holds, else b; at least one of them is a value."""
        if isinstance(a, Value):
            return self.function.select(self, a, a.like(b))
        assert isinstance(b, Value)
        return self.function.select(self, b.like(a), b)

    def fma(self, factor: Operand, summand: Operand) -> Value:
        """self * factor + summand, rounded once."""
        return self.function.intrinsic("fma", self, self.like(factor), self.like(summand))

    def unary(self, name: str) -> Value:
        """An intrinsic of one operand: "fabs", "sqrt", "floor", "rint", "ctpop", ..."""
        return self.function.intrinsic(name, self)

    def cast(self, op: str, kind: str) -> Value:
        """Converted to another kind of scalar, with as many lanes."""
        return self.function.cast(op, self, kind)

    def as_bits(self) -> Value:
        """A float's bits as an integer of its width."""
        return self.function.cast("bitcast", self, self.type.integer.kind)

    def as_float(self, kind: str) -> Value:
        """An integer's bits as a float of its width."""
        return self.function.cast("bitcast", self, kind)


Operand = Value | float | int | bool
Index = int | Value


def same_type(what: str, a: Value, b: Value) -> None:
    """Raise where two operands differ in type: LLVM's own message would name a line of text only."""
    if a.type is not b.type:
        raise TypeError(f"{what} of {a!r} and {b!r}: the types differ")
