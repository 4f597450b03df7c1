"""A matrix times a single vector, both contiguous along k: vectors along k, whose lanes are added at the end."""

from __future__ import annotations

from jaxbm.kernels.program.control import loop
from jaxbm.kernels.program.dots.arithmetic import multiply_add
from jaxbm.kernels.program.dots.plan import Plan
from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.types import I32, PTR
from jaxbm.kernels.program.values import Index, Value


def write(f: Function, plan: Plan, left: Value, right: Value, out: Value) -> None:
    """The product of one batch entry."""
    spec = plan.spec
    if plan.pack:
        copy, source = f.alloca(spec.type, spec.k), right
        loop(f, spec.k, lambda k, _: f.store(f.load(source, spec.type, f.imul(k, spec.right[2])), copy, k))
        right = copy

    def rows(i: Index, count: int) -> None:
        at = f.offset(left, spec.type, f.imul(i, spec.left[1]))
        to = f.offset(out, spec.type, f.imul(i, spec.out[1]))
        _few(f, plan, at, right, to, count)

    whole = spec.m // plan.rows * plan.rows
    loop(f, whole, lambda i, _: rows(i, plan.rows), step=plan.rows)
    if whole < spec.m:
        rows(whole, spec.m - whole)


def _few(f: Function, plan: Plan, left: Value, right: Value, out: Value, rows: int) -> None:
    """Some rows at once, so that the vector is loaded once for all of them."""
    spec, lanes, chains = plan.spec, plan.lanes, plan.chains
    vector = spec.type.vector(lanes)
    n = rows * chains

    def one(k: Index, sums: list[Value]) -> list[Value]:
        b = f.load(right, vector, k)
        values = [f.load(left, vector, f.iadd(k, r * spec.left[1])) for r in range(rows)]
        return [multiply_add(f, spec.dtype, a, b, s) for a, s in zip(values, sums, strict=True)]

    def several(k: Index, sums: list[Value]) -> list[Value]:
        return [v for q in range(chains) for v in one(f.iadd(k, q * lanes), sums[q * rows : (q + 1) * rows])]

    whole = spec.k // (lanes * chains) * (lanes * chains)
    sums = loop(f, whole, several, [f.constant(vector, 0)] * n, step=lanes * chains)
    at, q = whole, 0
    while at + lanes <= spec.k:
        sums[q * rows : (q + 1) * rows] = one(at, sums[q * rows : (q + 1) * rows])
        at, q = at + lanes, (q + 1) % chains
    if at < spec.k:
        b = _masked(f, right, at, spec.k - at, vector.lanes, plan)
        for r in range(rows):
            a = _masked(f, left, at + r * spec.left[1], spec.k - at, vector.lanes, plan)
            sums[r] = multiply_add(f, spec.dtype, a, b, sums[r])
    for r in range(rows):
        total = sums[r]
        for q in range(1, chains):
            total = _add(plan.spec.dtype, total, sums[q * rows + r])
        f.store(_across(f, spec.dtype, total), out, r * spec.out[1])


def _add(dtype: str, a: Value, b: Value) -> Value:
    return a | b if dtype == "bool" else a + b


def _across(f: Function, dtype: str, value: Value) -> Value:
    """The sum of the lanes, halves first."""
    n = value.type.lanes
    while n > 1:
        n //= 2
        value = _add(dtype, f.shuffle(value, value, list(range(n))), f.shuffle(value, value, list(range(n, 2 * n))))
    return f.lane(value, 0)


def _masked(f: Function, pointer: Value, at: int, count: int, lanes: int, plan: Plan) -> Value:
    """The first `count` lanes from memory, zero in the others; nothing behind them is read."""
    type = plan.spec.type.vector(lanes)
    pointer = f.offset(pointer, plan.spec.type, at)
    mask = "<" + ", ".join(["i1 true" if k < count else "i1 false" for k in range(lanes)]) + ">"
    flags = type.with_kind("i1")
    name = f"llvm.masked.load.{type.suffix}.p0"
    f.module.declare(name, type, [PTR, I32, flags, type], "nounwind")
    size = type.itemsize
    text = (
        f"call {type.text} @{name}(ptr {pointer.text}, i32 {size}, {flags.text} {mask}, {type.text} zeroinitializer)"
    )
    return f.instruction(text, type)
