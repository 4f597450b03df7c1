"""Short loops whose number of passes is known while compiling: their passes are written out one after another.

What such a loop reads and writes by its counter (the stages of a Runge-Kutta method, say) then stands in registers.
Where a loop starts at one of two numbers, both are written, as branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxbm.kernels.program.ir import Block, Const, Node, Value
from jaxbm.kernels.program.jaxprs import Literal
from jaxbm.kernels.program.registry import rule_for
from jaxbm.kernels.program.trace import Tracer, dtype_of

PASSES, EQUATIONS, LARGEST = 16, 2500, 2048
"""Passes, equations of all of them, and elements of an array, up to which a loop is written out."""
CONTROL = ("scan", "while", "cond")


def unrolled(
    tracer: Tracer, cond: Any, body: Any, consts: tuple[Sequence[Value], Sequence[Value]], carry: Sequence[Value]
) -> list[Value] | None:
    """What a `while` carries in the end, without a loop; None where its passes aren't known or are too many."""
    if cond.out_avals[0].shape or body.effects or max([v.size for v in carry], default=0) > LARGEST:
        return None
    size = _equations(body.jaxpr)
    if size is None or size > EQUATIONS:
        return None
    known = _passes(tracer, cond, body, consts, carry)
    if known is not None:
        return _written(tracer, body, consts[1], carry, known) if known * size <= EQUATIONS else None
    which, starts = _two_starts(tracer, carry)
    if which is None:
        return None
    passes = [_passes(tracer, cond, body, consts, start) for start in starts]
    if any(n is None for n in passes) or sum(n or 0 for n in passes) * size > EQUATIONS:
        return None
    blocks = []
    for n, start in zip(passes, starts, strict=True):
        with tracer.block([], may_not_run=True) as block:
            block.outputs = _written(tracer, body, consts[1], start, n or 0)
        blocks.append(block)
    return _chosen(tracer, which, blocks)


def _written(tracer: Tracer, body: Any, consts: Sequence[Value], carry: Sequence[Value], passes: int) -> list[Value]:
    values = list(carry)
    for _ in range(passes):
        values = tracer.closed(body, [*consts, *values])
    return values


def _two_starts(tracer: Tracer, carry: Sequence[Value]) -> tuple[Value | None, list[list[Value]]]:
    """A condition that chooses between two known numbers at the start, and the carry for either."""
    chosen = [node for node in map(tracer.made.get, carry) if node is not None and _chooses(node)]
    if not chosen:
        return None, []
    which = chosen[0].inputs[0]
    return which, [[_where(tracer, v, which, case) for v in carry] for case in (0, 1)]


def _chooses(node: Node) -> bool:
    if node.op != "select_n":
        return False
    condition, *cases = node.inputs
    return condition.dtype == "bool" and all(_is_number(c) for c in cases)


def _is_number(v: Value) -> bool:
    return isinstance(v, Const) and not v.shape


def _where(tracer: Tracer, v: Value, which: Value, case: int) -> Value:
    """A number that is known where the condition has this value, or v itself."""
    node = tracer.made.get(v)
    if v.shape or node is None or node.blocks or len(node.outputs) > 1:
        return v
    if _chooses(node) and node.inputs[0] is which:
        return node.inputs[1 + case]
    inputs = [u if _is_number(u) else _chosen_number(tracer, u, which, case) for u in node.inputs]
    if not all(map(_is_number, inputs)):
        return v
    out = tracer.add(node.op, inputs, v.shape, v.dtype, **node.params)
    return out if _is_number(out) else v


def _chosen_number(tracer: Tracer, v: Value, which: Value, case: int) -> Value:
    node = tracer.made.get(v)
    return node.inputs[1 + case] if node is not None and _chooses(node) and node.inputs[0] is which else v


def _chosen(tracer: Tracer, which: Value, blocks: list[Block]) -> list[Value]:
    """The results of one of two blocks; those that both put together from the same parts are so once more."""
    outputs = list(zip(*[block.outputs for block in blocks], strict=True))
    parts: list[list[tuple[Value, ...]]] = []
    axes: list[int | None] = []
    for pair in outputs:
        nodes = [tracer.made.get(v) for v in pair]
        found = [(n.params["axis"], [v.shape for v in n.inputs]) for n in nodes if n and n.op == "concatenate"]
        split = len(found) == len(pair) and found[0] == found[1]
        axes.append(found[0][0] if split else None)
        parts.append(list(zip(*[n.inputs for n in nodes if n], strict=True)) if split else [pair])
    flat = [pair for group in parts for pair in group]
    for k, block in enumerate(blocks):
        block.outputs = [pair[k] for pair in flat]
        block.close()
    types = [(pair[0].shape, pair[0].dtype) for pair in flat]
    made = iter(tracer.add_control("switch", [tracer.convert(which, "int32")], types, blocks))
    results = []
    for pair, group, axis in zip(outputs, parts, axes, strict=True):
        values = [next(made) for _ in group]
        if axis is not None:
            values = [tracer.add("concatenate", values, pair[0].shape, pair[0].dtype, axis=axis)]
        results += values
    return results


def _passes(
    tracer: Tracer, cond: Any, body: Any, consts: tuple[Sequence[Value], Sequence[Value]], start: Sequence[Value]
) -> int | None:
    """How often the loop runs, if that is decided by numbers that are known at its start; at most `PASSES` times."""
    deciding, read = _deciding(cond.jaxpr, body.jaxpr, len(consts[0]), len(consts[1]))
    carry = [v if k in deciding else None for k, v in enumerate(start)]
    given = [[v if k in r else None for k, v in enumerate(c)] for r, c in zip(read, consts, strict=True)]
    if not all(v is None or isinstance(v, Const) for v in (*carry, *given[0], *given[1])):
        return None
    for n in range(PASSES + 1):
        going = _known(tracer, cond, [*given[0], *carry], {0})
        if going is None:
            return None
        if not going[0].array.item():
            return n
        new = _known(tracer, body, [*given[1], *carry], deciding)
        if new is None:
            return None
        carry = [new.get(k) for k in range(len(carry))]
    return None


def _deciding(cond: Any, body: Any, nc: int, nb: int) -> tuple[set[int], tuple[set[int], set[int]]]:
    """Which parts of the carry decide how often a loop runs, and which constants of condition and body those need."""
    at_cond = _slice(cond, {0})[1]
    wanted, at_body = {k - nc for k in at_cond if k >= nc}, set[int]()
    while True:
        at_body = _slice(body, wanted)[1]
        more = wanted | {k - nb for k in at_body if k >= nb}
        if more == wanted:
            return wanted, ({k for k in at_cond if k < nc}, {k for k in at_body if k < nb})
        wanted = more


def _slice(jaxpr: Any, wanted: set[int]) -> tuple[list[Any], set[int]]:
    """The equations that some results depend on, and the places of the arguments that they read."""
    needed = {id(v) for k, v in enumerate(jaxpr.outvars) if k in wanted}
    eqns = []
    for eqn in reversed(jaxpr.eqns):
        if any(id(v) in needed for v in eqn.outvars):
            eqns.append(eqn)
            needed.update(map(id, eqn.invars))
    return eqns[::-1], {k for k, v in enumerate(jaxpr.invars) if id(v) in needed}


def _known(tracer: Tracer, closed: Any, args: Sequence[Value | None], wanted: set[int]) -> dict[int, Const] | None:
    """Some results of a jaxpr if they are numbers by what they depend on."""
    jaxpr = closed.jaxpr
    env: dict[Any, Value | None] = dict(zip(jaxpr.invars, args, strict=True))

    def read(v: Any) -> Value | None:
        return tracer.constant(v.val, dtype_of(v.aval)) if isinstance(v, Literal) else env.get(v)

    for eqn in _slice(jaxpr, wanted)[0]:
        inputs = [read(v) for v in eqn.invars]
        if eqn.effects or not all(isinstance(v, Const) and v.size == 1 for v in inputs):
            return None
        env.update(zip(eqn.outvars, rule_for(eqn).apply(tracer, eqn, inputs), strict=True))  # type: ignore[arg-type]
    results = {k: read(jaxpr.outvars[k]) for k in wanted}
    known = {k: v for k, v in results.items() if isinstance(v, Const)}
    return known if len(known) == len(wanted) else None


def _equations(jaxpr: Any) -> int | None:
    """How many equations there are, with those of calls; None where there is a loop or a branch among them."""
    total = 0
    for eqn in jaxpr.eqns:
        if eqn.primitive.name in CONTROL:
            return None
        inner = eqn.params.get("jaxpr") or eqn.params.get("call_jaxpr")
        more = _equations(getattr(inner, "jaxpr", inner)) if inner is not None else 1
        if more is None:
            return None
        total += more
    return total
