"""What the decompositions share: padded copies of matrices, and loops over rows by vectors.

Matrices are copied to a stack buffer whose rows are padded to whole vectors, so that no loop has a remainder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxbm.kernels.program import dots
from jaxbm.kernels.program.control import loop
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import PTR, Type, from_dtype
from jaxbm.kernels.program.values import Index, Value

ATTRIBUTES = "noinline nounwind"


def define(module: Module, name: str, inputs: int, outputs: int, write: Callable[[Function], None]) -> str:
    """A function of pointers, once."""

    def build() -> None:
        params = [(f"in{k}", PTR, "noalias readonly") for k in range(inputs)]
        params += [(f"out{k}", PTR, "noalias") for k in range(outputs)]
        f = module.function(name, params, internal=True, attributes=ATTRIBUTES)
        write(f)
        f.ret()

    return module.once(name, build)


def lanes_for(type: Type, n: int) -> int:
    """Lanes of a vector for rows of n elements: no wider than 32 bytes, since rows are short."""
    lanes = min(dots.host().vector_bytes, 32) // type.itemsize
    while lanes > 2 and lanes >= 2 * n:
        lanes //= 2
    return lanes


class Padded(NamedTuple):
    """A matrix in a buffer, its rows padded to whole vectors."""

    f: Function
    base: Value
    type: Type
    rows: int
    columns: int
    lanes: int

    @property
    def stride(self) -> int:
        """Elements from row to row."""
        return -(-self.columns // self.lanes) * self.lanes

    def at(self, i: Index, j: Index) -> Index:
        """Where element (i, j) stands."""
        return self.f.iadd(self.f.imul(i, self.stride), j)

    def get(self, i: Index, j: Index) -> Value:
        """An element."""
        return self.f.load(self.base, self.type, self.at(i, j))

    def set(self, i: Index, j: Index, value: Value) -> None:
        """Replace an element."""
        self.f.store(value, self.base, self.at(i, j))

    def vector(self, i: Index, j: Index) -> Value:
        """The vector that starts at (i, j)."""
        return self.f.load(self.base, self.type.vector(self.lanes), self.at(i, j))

    def across(
        self, start: Index, body: Callable[[Index, list[Value]], list[Value] | None], carry: list[Value]
    ) -> list[Value]:
        """A loop over the row's vectors, from that which holds column `start`."""
        if isinstance(start, int):
            first: Index = start // self.lanes * self.lanes
        else:
            first = start & -self.lanes
        return loop(self.f, self.stride, body, carry, start=first, step=self.lanes)


def padded(f: Function, dtype: str, rows: int, columns: int) -> Padded:
    """A buffer of zeros."""
    type = from_dtype(dtype)
    lanes = lanes_for(type, columns)
    stride = -(-columns // lanes) * lanes
    out = Padded(f, f.alloca(type, rows * stride), type, rows, columns, lanes)
    zero = f.constant(type.vector(lanes), 0)
    loop(f, rows * stride, lambda i, _: f.store(zero, out.base, i), step=lanes)
    return out


def each(
    f: Function, rows: Index, columns: Callable[[Index], Index] | int, body: Callable[[Index, Index], object]
) -> None:
    """body(i, j) for all rows and as many columns as there are of that row."""

    def row(i: Index, _: list[Value]) -> None:
        stop = columns(i) if callable(columns) else columns

        def element(j: Index, _: list[Value]) -> None:
            body(i, j)

        loop(f, stop, element)

    loop(f, rows, row)


def negated_multiply_add(f: Function, a: Value, b: Value, c: Value) -> Value:
    """c - a * b, rounded once where the processor can."""
    return f.intrinsic("fmuladd", -a, b, c)
