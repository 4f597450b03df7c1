"""Loops and branches of a function under construction.

Bodies are Python functions that write into it when called; each is called once, so a loop's text doesn't depend on
how often it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxbm.kernels.program.text import Function
from jaxbm.kernels.program.types import I1, I64, Type
from jaxbm.kernels.program.values import Index, Value

Values = Sequence[Value]
RARELY = ", !prof "
_RARELY_WEIGHTS = '!{!"branch_weights", i32 1, i32 4000}'


def loop(
    f: Function,
    stop: Index,
    body: Callable[[Index, list[Value]], Values | None],
    carry: Values = (),
    *,
    start: Index = 0,
    step: int = 1,
    metadata: str = "",
) -> list[Value]:
    """for i in range(start, stop, step): carry = body(i, carry); gives the last carry.

    With known bounds, a loop of no step writes nothing and one of a single step has no branches. With others it is
    guarded, so it may run zero times. `step` is positive.
    """
    if isinstance(start, int) and isinstance(stop, int):
        if start >= stop:
            return list(carry)
        if start + step >= stop:
            return list(body(start, list(carry)) or ())
        return _rotated(f, start, stop, step, body, carry, metadata)
    before, inside, after = f.block, f.label(), f.label()
    f.branch(f.compare("slt", f.index(start), f.index(stop)), inside, after)
    f.start(inside)
    with f.scope():
        out = _rotated(f, start, stop, step, body, carry, metadata)
    last = f.block
    f.jump(after)
    f.start(after)
    return [f.phi([(a, before), (b, last)]) for a, b in zip(carry, out, strict=True)]


def _rotated(
    f: Function,
    start: Index,
    stop: Index,
    step: int,
    body: Callable[[Index, list[Value]], Values | None],
    carry: Values,
    metadata: str,
) -> list[Value]:
    """A loop that runs at least once: the test stands at its end."""
    before, head = f.block, f.label()
    i, phis = f.fresh(I64), [f.fresh(v.type) for v in carry]
    f.jump(head)
    f.start(head)
    place = f.reserve()
    with f.scope():
        out = list(body(i, phis) or ())
        after_step = f.instruction(f"add nsw i64 {i.text}, {step}", I64)
        more = f.instruction(f"icmp slt i64 {after_step.text}, {f.index(stop).text}", I1)
        last, end = f.block, f.label()
        f.branch(more, head, end, metadata)
    f.start(end)
    lines = [_phi(i, before, f.index(start), last, after_step)]
    lines += [_phi(p, before, a, last, b) for p, a, b in zip(phis, carry, out, strict=True)]
    f.fill(place, lines)
    return out


def _phi(name: Value, first: str, a: Value, second: str, b: Value) -> str:
    if a.type is not b.type:
        raise TypeError(f"a loop's carry starts as {a!r} and goes on as {b!r}: the types differ")
    return f"{name.text} = phi {a.type.text} [ {a.text}, %{first} ], [ {b.text}, %{second} ]"


def while_loop(
    f: Function, condition: Callable[[list[Value]], Value], body: Callable[[list[Value]], Values], carry: Values
) -> list[Value]:
    """while condition(carry): carry = body(carry); gives the last carry."""
    before, head, inside, end = f.block, f.label(), f.label(), f.label()
    phis = [f.fresh(v.type) for v in carry]
    f.jump(head)
    f.start(head)
    place = f.reserve()
    with f.scope():
        f.branch(condition(phis), inside, end)
        f.start(inside)
        out = list(body(phis))
        last = f.block
        f.jump(head)
    f.start(end)
    f.fill(place, [_phi(p, before, a, last, b) for p, a, b in zip(phis, carry, out, strict=True)])
    return phis


def when(f: Function, condition: Value, body: Callable[[], object], metadata: str = "") -> None:
    """Run the body where the condition holds."""
    inside, end = f.label(), f.label()
    f.branch(condition, inside, end, metadata)
    f.start(inside)
    with f.scope():
        body()
        f.jump(end)
    f.start(end)


def choose(
    f: Function,
    condition: Value,
    then: Callable[[], Values],
    otherwise: Callable[[], Values],
    *,
    rare: bool = False,
) -> list[Value]:
    """The values of one of two bodies; `rare` says that the condition hardly ever holds."""
    yes, no, end = f.label(), f.label(), f.label()
    f.branch(condition, yes, no, RARELY + f.module.metadata(_RARELY_WEIGHTS) if rare else "")
    return _merge(f, [(yes, then), (no, otherwise)], end)


def switch(f: Function, index: Value, bodies: Sequence[Callable[[], Values]]) -> list[Value]:
    """The values of the body of this number; the last one's where the index is none of the others'."""
    labels, end = [f.label() for _ in bodies], f.label()
    cases = " ".join([f"{index.type.text} {k}, label %{label}" for k, label in enumerate(labels[:-1])])
    f.line(f"switch {index.type.text} {index.text}, label %{labels[-1]} [ {cases} ]")
    return _merge(f, list(zip(labels, bodies, strict=True)), end)


def _merge(f: Function, branches: Sequence[tuple[str, Callable[[], Values]]], end: str) -> list[Value]:
    results: list[tuple[str, list[Value]]] = []
    for label, body in branches:
        f.start(label)
        with f.scope():
            out = list(body())
            results.append((f.block, out))
            f.jump(end)
    f.start(end)
    types: list[Type] = [v.type for v in results[0][1]]
    for _, out in results:
        if [v.type for v in out] != types:
            raise TypeError(f"branches give values of different types: {types} and {[v.type for v in out]}")
    return [f.phi([(out[k], block) for block, out in results]) for k in range(len(types))]


__all__ = ["choose", "loop", "switch", "when", "while_loop"]
