"""Loops and branches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxbm.kernels.program.ir import Block, NotNative, Value
from jaxbm.kernels.program.primitives.reductions import reduced
from jaxbm.kernels.program.primitives.unroll import unrolled
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, shape_of


def _types(avals: Sequence[Any]) -> list[tuple[tuple[int, ...], str]]:
    return [(shape_of(a), dtype_of(a)) for a in avals]


def _in_avals(jaxpr: Any) -> list[Any]:
    return [v.aval for v in getattr(jaxpr, "jaxpr", jaxpr).invars]


def scan_split(params: dict[str, Any], count: int) -> tuple[int, int]:
    """How many constants a scan has and how many arrays it carries; each release says so in its own way."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    try:
        consts, carry, _ = params["ft_in"].update(list(range(count))).unpack()
        return len(list(consts)), len(list(carry))
    except (KeyError, AttributeError, TypeError, ValueError):
        raise NotNative("its parameters are those of a version of JAX that isn't known here") from None


@rule(
    "scan",
    kind="control flow",
    params=(
        "jaxpr", "length", "reverse", "unroll", "num_consts", "num_carry", "linear", "_split_transpose", "ft_in",
        "ft_out",
    ),
)  # fmt: skip
def scan(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A loop of known length."""
    p = eqn.params
    n_consts, n_carry = scan_split(p, len(inputs))
    consts, operands = inputs[:n_consts], inputs[n_consts:]
    body = p["jaxpr"]
    outs = _types([v.aval for v in eqn.outvars])
    if p["length"] == 0:
        return [*operands[:n_carry], *(tracer.full(0, s, d) for s, d in outs[n_carry:])]
    with tracer.block(_types(_in_avals(body)[n_consts:]), may_not_run=False) as block:
        block.outputs = tracer.closed(body, [*consts, *block.inputs])
    return tracer.add_control(
        "scan", operands, outs, [block], length=int(p["length"]), reverse=bool(p["reverse"]), n_carry=n_carry
    )


@rule(
    "while",
    kind="control flow",
    params=("cond_jaxpr", "body_jaxpr", "cond_nconsts", "body_nconsts", "cond_consts", "body_consts"),
)
def while_(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """A loop that asks a condition before each pass."""
    p = eqn.params
    nc, nb = p["cond_nconsts"], p["body_nconsts"]
    for_cond, for_body, carry = inputs[:nc], inputs[nc : nc + nb], inputs[nc + nb :]
    types = _types(_in_avals(p["body_jaxpr"])[nb:])
    few = unrolled(tracer, p["cond_jaxpr"], p["body_jaxpr"], (for_cond, for_body), carry)
    if few is not None:
        return few
    members = len(p["cond_jaxpr"].out_avals[0].shape)
    # What a pass needs may be computed before the loop although no pass may come: it has no effects.
    with tracer.block(types, may_not_run=False) as cond:
        (going,) = tracer.closed(p["cond_jaxpr"], [*for_cond, *cond.inputs])
        cond.outputs = [reduced(tracer, going, tuple(range(members)), "or")]
    with tracer.block(types, may_not_run=False) as body:
        body.outputs = tracer.closed(p["body_jaxpr"], [*for_body, *body.inputs])
        if members:
            # A batch goes on while any member does; those that are done stay as they are.
            (going,) = tracer.closed(p["cond_jaxpr"], [*for_cond, *body.inputs])
            pairs = list(zip(body.inputs, body.outputs, strict=True))
            body.outputs = [_chosen(tracer, going, new, old) for old, new in pairs]
    return tracer.add_control("while", carry, types, [cond, body])


def _chosen(tracer: Tracer, which: Value, new: Value, old: Value) -> Value:
    wide = tracer.broadcast(which, new.shape, range(len(which.shape)))
    return tracer.add("select_n", [wide, old, new], new.shape, new.dtype)


@rule("cond", kind="control flow", params=("branches", "branches_platforms"))
def cond(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """One of several branches."""
    which, *operands = inputs
    branches = eqn.params["branches"]
    if hasattr(which, "array"):
        known = min(max(int(which.array), 0), len(branches) - 1)
        return tracer.closed(branches[known], operands)
    types = _types([v.aval for v in eqn.outvars])
    blocks: list[Block] = []
    reasons: list[NotNative] = []
    for branch in branches:
        try:
            with tracer.block([], may_not_run=True) as block:
                block.outputs = tracer.closed(branch, operands)
        except NotNative as reason:
            reasons.append(reason)
            block = _bail_out(tracer, branch, types, reason)
        blocks.append(block)
    if len(reasons) == len(branches):
        raise reasons[0]
    return tracer.add_control("switch", [tracer.convert(which, "int32")], types, blocks)


def _bail_out(tracer: Tracer, branch: Any, types: Sequence[tuple[tuple[int, ...], str]], reason: NotNative) -> Block:
    """A branch that isn't native: the program gives up where it would run."""
    with tracer.block([], may_not_run=True) as block:
        block.outputs = tracer.add_control("bail", [], types, [], reason=str(reason), effects=bool(branch.effects))
    return block
