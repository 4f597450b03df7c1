"""QR decomposition by Householder reflections (Golub and Van Loan, section 5.2), with the signs of LAPACK.

The matrix is held transposed, so that its columns, to which the reflections apply, are contiguous.
"""

from __future__ import annotations

import math

from jaxbm.kernels.program.control import choose, loop
from jaxbm.kernels.program.linalg.common import Padded, define, each, negated_multiply_add, padded
from jaxbm.kernels.program.text import Function, Module
from jaxbm.kernels.program.types import F64, I64, Type, from_dtype
from jaxbm.kernels.program.values import Index, Value


def geqrf(module: Module, dtype: str, m: int, n: int) -> str:
    """Define `void name(a, out, taus)` for a row-major m by n matrix.

    out holds the upper factor and below its diagonal the vectors v, v[j] = 1 being implied, of the reflections
    I - tau v v^T; taus has min(m, n) elements.
    """

    def write(f: Function) -> None:
        a, out, taus = f.params
        type = from_dtype(dtype)
        x = padded(f, dtype, n, m)
        each(f, m, n, lambda i, j: x.set(j, i, f.load(a, type, f.iadd(f.imul(i, n), j))))

        def step(j: Index, _: list[Value]) -> None:
            tau = _reflection(x, j)
            f.store(tau, taus, j)
            diagonal = x.get(j, j)
            x.set(j, j, f.constant(type, 1))
            loop(f, n, lambda k, _: _reflect(x, j, x, k, tau), start=f.iadd(j, 1))
            x.set(j, j, diagonal)

        loop(f, min(m, n), step)
        each(f, m, n, lambda i, j: f.store(x.get(j, i), out, f.iadd(f.imul(i, n), j)))

    return define(module, f"geqrf.{dtype}.{m}.{n}", 1, 2, write)


def _inside(x: Padded, k: Index, first: Index) -> Value:
    """Which lanes of the vector at k are elements from `first` on."""
    f = x.f
    places = f.splat(f.index(k), x.lanes) + f.pack([f.constant(I64, q) for q in range(x.lanes)])
    return f.compare("sge", places, f.splat(f.index(first), x.lanes))


def _sum(f: Function, value: Value) -> Value:
    lanes = f.unpack(value)
    while len(lanes) > 1:
        lanes = [a + b for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
    return lanes[0]


def _norm(x: Padded, row: Index, first: Index) -> Value:
    """The length of what follows from `first` on; scaled, so that no square overflows or vanishes."""
    f, vector = x.f, x.type.vector(x.lanes)
    zero = f.constant(vector, 0)

    def here(k: Index) -> Value:
        # What pads the row was multiplied by what may have been infinite.
        inside = _inside(x, k, first)
        return inside if x.columns == x.stride else inside & ~_inside(x, k, x.columns)

    def largest(k: Index, carry: list[Value]) -> list[Value]:
        size = f.select(here(k), x.vector(row, k).unary("fabs"), zero)
        # NaN wins: a matrix that holds one has no decomposition.
        return [f.select(size.compare("ugt", carry[0]), size, carry[0])]

    sizes = f.unpack(x.across(first, largest, [zero])[0])
    scale = sizes[0]
    for size in sizes[1:]:
        scale = f.select(size.compare("ugt", scale), size, scale)
    # Of larger numbers the reciprocal is subnormal, which may count as zero.
    most = _largest_with_reciprocal(x.type)
    scale = f.select(scale.gt(most) & scale.ne(math.inf), f.constant(x.type, most), scale)
    inverse = f.splat(f.select(scale.eq(0.0) | scale.eq(math.inf), f.constant(x.type, 1), 1.0 / scale), x.lanes)

    def squares(k: Index, carry: list[Value]) -> list[Value]:
        value = f.select(here(k), x.vector(row, k) * inverse, zero)
        return [f.intrinsic("fmuladd", value, value, carry[0])]

    return _sum(f, x.across(first, squares, [zero])[0]).unary("sqrt") * scale


def _largest_with_reciprocal(type: Type) -> float:
    """The largest power of two whose reciprocal is a normal number."""
    return 2.0**1022 if type is F64 else 2.0**126


def _reflection(x: Padded, j: Index) -> Value:
    """Make row j, from its diagonal on, the vector of the reflection that leaves only its diagonal; gives tau."""
    f = x.f
    rest = f.iadd(j, 1)
    below, alpha = _norm(x, j, rest), x.get(j, j)
    zero, one = f.constant(x.type, 0), f.constant(x.type, 1)

    def reflect() -> list[Value]:
        larger = f.select(below.gt(alpha.unary("fabs")), below, alpha.unary("fabs"))
        a, b = alpha / larger, below / larger
        length = f.intrinsic("fmuladd", a, a, b * b).unary("sqrt") * larger
        length = f.select(larger.eq(math.inf), larger, length)
        beta = -f.intrinsic("copysign", length, alpha)
        # Of the largest numbers a part: their difference may be infinite, its reciprocal subnormal.
        part = f.select(larger.gt(_largest_with_reciprocal(x.type) / 4), f.constant(x.type, 1 / 16), one)
        difference = alpha * part - beta * part
        factor, parts = f.splat(1.0 / difference, x.lanes), f.splat(part, x.lanes)

        def scale(k: Index, _: list[Value]) -> None:
            value = x.vector(j, k)
            f.store(f.select(_inside(x, k, rest), value * parts * factor, value), x.base, x.at(j, k))

        x.across(rest, scale, [])
        x.set(j, j, beta)
        return [-difference / (beta * part)]

    return choose(f, below.ne(0.0), reflect, lambda: [zero])[0]


def _reflect(v: Padded, j: Index, x: Padded, k: Index, tau: Value) -> None:
    """Row k of x less tau (v . row) v, from column j on; v is row j of its matrix."""
    f, vector = x.f, x.type.vector(x.lanes)
    zero = f.constant(vector, 0)

    def product(q: Index, carry: list[Value]) -> list[Value]:
        return [f.intrinsic("fmuladd", f.select(_inside(x, q, j), v.vector(j, q), zero), x.vector(k, q), carry[0])]

    factor = f.splat(_sum(f, x.across(j, product, [zero])[0]) * tau, x.lanes)

    def less(q: Index, _: list[Value]) -> None:
        row = x.vector(k, q)
        value = negated_multiply_add(f, factor, v.vector(j, q), row)
        f.store(f.select(_inside(x, q, j), value, row), x.base, x.at(k, q))

    x.across(j, less, [])


def householder_product(module: Module, dtype: str, m: int, n: int, k: int) -> str:
    """Define `void name(a, taus, out)`: the first n columns of the product of k reflections, in the form of `geqrf`.

    a and out are row-major m by n matrices, m >= n >= k.
    """

    def write(f: Function) -> None:
        a, taus, out = f.params
        type: Type = from_dtype(dtype)
        v, x = padded(f, dtype, n, m), padded(f, dtype, n, m)
        each(f, m, n, lambda i, j: v.set(j, i, f.load(a, type, f.iadd(f.imul(i, n), j))))
        one = f.constant(type, 1)
        loop(f, n, lambda j, _: x.set(j, j, one))

        def step(q: Index, _: list[Value]) -> None:
            j = f.iadd(f.imul(q, -1), k - 1)
            v.set(j, j, one)
            tau = f.load(taus, type, j)
            loop(f, n, lambda c, _: _reflect(v, j, x, c, tau), start=j)

        loop(f, k, step)
        each(f, m, n, lambda i, j: f.store(x.get(j, i), out, f.iadd(f.imul(i, n), j)))

    return define(module, f"householder_product.{dtype}.{m}.{n}.{k}", 2, 1, write)
