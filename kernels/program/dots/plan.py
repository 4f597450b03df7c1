"""What a product is, and how it is to be computed: decided from shapes, strides and the processor alone.

    out[b, m, n] = sum over k of left[b, m, k] * right[b, n, k]

Every element is one chain of multiply-adds with k ascending, so that its bits depend neither on how rows and columns
are shared out among tiles nor on how many there are. Only where one side is a single vector may the chain be split,
and then in a way that depends on nothing but the length of the other sides.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

from jaxbm.kernels.program.types import I8, Type, from_dtype


class Spec(NamedTuple):
    """A product of given shape and layout. Strides count elements: (batch, row, k) of the operands, (batch, m, n)."""

    dtype: str
    batch: int
    m: int
    n: int
    k: int
    left: tuple[int, int, int]
    right: tuple[int, int, int]
    out: tuple[int, int, int]

    @property
    def swapped(self) -> Spec:
        """The same product with the operands exchanged."""
        b, m, n = self.out
        return self._replace(m=self.n, n=self.m, left=self.right, right=self.left, out=(b, n, m))

    @property
    def type(self) -> Type:
        """An element in memory; a boolean is a byte."""
        type = from_dtype(self.dtype)
        return I8 if type.bits == 1 else type


def contiguous(dtype: str, batch: int, m: int, n: int, k: int) -> Spec:
    """The product of row-major (batch, m, k) and (batch, n, k), giving row-major (batch, m, n)."""
    return Spec(dtype, batch, m, n, k, (m * k, k, 1), (n * k, k, 1), (m * n, n, 1))


class Target(NamedTuple):
    """What of the processor matters to products."""

    vector_bytes: int
    registers: int
    """vector registers"""


@cache
def host() -> Target:
    """This machine."""
    import platform

    from jaxbm.kernels.program import machine

    features = machine.features().split(",")
    if "+avx512f" in features:
        return Target(64, 32)
    if "+avx" in features:
        return Target(32, 16)
    return Target(16, 32 if platform.machine().lower() in ("aarch64", "arm64") else 16)


class Plan(NamedTuple):
    """How a product is computed."""

    spec: Spec
    """with the operands exchanged where vectors lie along m"""
    kind: str
    """"tiles": vectors along n, "lines": vectors along k, for a single vector on the right"""
    lanes: int
    rows: int
    vectors: int
    """a tile's rows, and its vectors of columns"""
    chains: int
    """partial sums of an element; more than one only where a side is a single vector"""
    pack: bool
    """whether columns of the right operand are copied, k by k, before they are used"""
    depth: int
    """how many k are done before the next columns"""


PANEL_BYTES = 16 * 1024  # half of the smallest first-level caches
DIRECT_BYTES = 48 * 1024  # a right operand to this size is used where it lies
SUMS = 0.75  # the share of registers that hold sums; with more, LLVM's code generator spills some in each pass
LINE_BYTES = 32 * 1024  # a vector that is copied, to be contiguous, goes to the stack


def _floor_power(n: int) -> int:
    return 1 << (n.bit_length() - 1)


def _even(k: int, most: int) -> int:
    """A depth up to `most`: if one of at least half of it divides k, that one, which saves the code of a rest."""
    return min(k, next((d for d in range(min(k, most), most // 2, -1) if k % d == 0), most))


def tile_cycles(rows: int, vectors: int) -> float:
    """Of one k of a tile: two multiply-adds or two loads a cycle, four cycles until a sum can be added to again."""
    return max(rows * vectors / 2, (rows + vectors) / 2, 4.0) + 0.25


@cache
def tile(m: int, vectors: int, registers: int) -> tuple[int, int, float]:
    """(rows, vectors, cycles for one k of everything) of the cheapest register tile."""
    best = (1, 1, math.inf)
    for rows in range(1, min(m, registers) + 1):
        for width in range(1, min(vectors, 8) + 1):
            if rows * width > SUMS * registers or rows * width + width + 1 > registers:
                break
            full, rest = divmod(m, rows)
            wide, narrow = divmod(vectors, width)
            cost = full * wide * tile_cycles(rows, width)
            cost += wide * tile_cycles(rest, width) if rest else 0
            cost += full * tile_cycles(rows, narrow) if narrow else 0
            cost += tile_cycles(rest, narrow) if rest and narrow else 0
            if cost < best[2] - 1e-9:
                best = (rows, width, cost)
    return best


def is_large(spec: Spec, rows: int) -> bool:
    """Whether columns that are adjacent are worth a copy, by tiles of so many rows."""
    return spec.n * spec.k * spec.type.itemsize > DIRECT_BYTES and spec.m >= 4 * rows


def _tiles(spec: Spec, target: Target) -> tuple[float, Plan]:
    """Vectors along n, and what that would cost in cycles."""
    size = spec.type.itemsize
    lanes = min(target.vector_bytes // size, _floor_power(spec.n))
    count = -(-spec.n // lanes)
    rows, vectors, cycles = tile(spec.m, count, target.registers)
    adjacent = spec.right[1] == 1 or spec.n == 1
    pack = (lanes > 1 and not adjacent) or is_large(spec, rows)
    width = min(vectors * lanes, spec.n)
    depth = _even(spec.k, max(PANEL_BYTES // (width * size), 16)) if pack else spec.k
    chains = 1
    if spec.m == 1 and spec.k >= 16:
        # A single row: few sums are in flight, unless each is computed in several parts.
        chains = max(1, min(4, 8 // min(vectors, count)))
    cost = cycles * spec.k / (chains if spec.m == 1 else 1)
    if pack:
        cost += spec.n * spec.k * (0.15 if adjacent else 0.6 if spec.right[2] == 1 else 1.5)
    stored = spec.m * spec.n * (1.0 if spec.out[2] != 1 and spec.n > 1 else 1 / lanes)
    return spec.batch * (cost + stored), Plan(spec, "tiles", lanes, rows, vectors, chains, pack, depth)


def _lines(spec: Spec, target: Target) -> tuple[float, Plan] | None:
    """Vectors along k for a single vector on the right; None where the matrix isn't contiguous there."""
    size = spec.type.itemsize
    lanes = min(target.vector_bytes // size, _floor_power(spec.k))
    strided = spec.right[2] != 1
    if spec.n != 1 or spec.left[2] != 1 or lanes < 2 or (strided and spec.k * size > LINE_BYTES):
        return None
    rows = min(spec.m, 4)
    steps = -(-spec.k // lanes)
    cost = spec.m * (steps * 0.75 + 4.0) + 8.0 + (spec.k if strided else 0)
    return spec.batch * cost, Plan(spec, "lines", lanes, rows, 1, 2 if steps >= 4 else 1, strided, spec.k)


def plan(spec: Spec, target: Target) -> Plan:
    """The cheapest way by the estimates above."""
    return _cheapest(spec, target)[1]


def cycles(spec: Spec, target: Target) -> float:
    """An estimate of what that takes."""
    return _cheapest(spec, target)[0]


@cache
def _cheapest(spec: Spec, target: Target) -> tuple[float, Plan]:
    options = []
    for candidate in (spec, spec.swapped):
        options.append(_tiles(candidate, target))
        lines = _lines(candidate, target)
        if lines is not None:
            options.append(lines)
    return min(options, key=lambda option: option[0])
