"""Which results of a function depend on some of its arguments, as JAX tells what is mapped under `vmap`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxbm.kernels.program.ir import NotNative
from jaxbm.kernels.program.jaxprs import Literal
from jaxbm.kernels.program.primitives.calls import JITTED, WITH_RULES, body_of
from jaxbm.kernels.program.primitives.control import scan_split

Of = Callable[[Any, list[bool]], list[bool]]
"""`depending`, in one of its two senses."""

SOLVES = ("matvec", "vecmat", "solve", "transpose_solve")
"""The functions of a linear solver, as JAX names them and in its order."""


def depending(jaxpr: Any, marked: Sequence[bool], *, smoothly: bool = False) -> list[bool]:
    """Which results of a jaxpr depend on the arguments that are marked.

    Loops and branches count as in JAX's rules for `vmap`: what goes round in a loop depends on what it was made of in
    any pass, and all that a condition decides on the condition. Of other primitives every result depends on every
    operand.

    Args:
      jaxpr: a jaxpr, closed or open.
      marked: of each argument whether it is meant.
      smoothly: whether what is asked for is which results have derivatives: these pass through floating numbers
        only, and not through `stop_gradient`; of functions with derivatives of their own every result has them.
    """
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    passes = _has_tangents if smoothly else lambda v: True
    known = {v for v, is_marked in zip(jaxpr.invars, marked, strict=True) if is_marked and passes(v)}
    is_known = lambda v: not isinstance(v, Literal) and v in known  # noqa: E731
    for eqn in jaxpr.eqns:
        inputs = [is_known(v) for v in eqn.invars]
        if any(inputs):
            outputs = _of_equation(eqn, inputs, smoothly)
            known.update(v for v, is_marked in zip(eqn.outvars, outputs, strict=True) if is_marked and passes(v))
    return [is_known(v) for v in jaxpr.outvars]


def _has_tangents(v: Any) -> bool:
    return jax.dtypes.issubdtype(v.aval.dtype, np.inexact)


def _of_equation(eqn: Any, marked: list[bool], smoothly: bool) -> list[bool]:
    name = eqn.primitive.name
    if smoothly and name == "stop_gradient":
        return [False]
    if smoothly and (name.startswith("custom_") or name == "linear_call"):
        return [True] * len(eqn.outvars)
    try:
        return _by_its_functions(eqn, marked, functools.partial(depending, smoothly=smoothly))
    except NotNative:  # its parameters are those of another version of JAX
        return [True] * len(eqn.outvars)


def _by_its_functions(eqn: Any, marked: list[bool], of: Of) -> list[bool]:
    name, params = eqn.primitive.name, eqn.params
    if name in JITTED or name in WITH_RULES:
        return of(body_of(eqn), marked)
    if name == "jaxbm_program":
        closed = params["native"].closed
        return of(closed, marked[: len(closed.in_avals)])
    if name == "scan":
        return _of_scan(eqn, marked, of)
    if name == "while":
        return _of_while(params, marked, of)
    if name == "custom_linear_solve":
        return _of_solve(params, marked)
    if name == "cond" and not marked[0]:
        of_branches = [of(branch, marked[1:]) for branch in params["branches"]]
        return [any(one) for one in zip(*of_branches, strict=True)]
    return [True] * len(eqn.outvars)


def _of_scan(eqn: Any, marked: list[bool], of: Of) -> list[bool]:
    n_consts, n_carry = scan_split(eqn.params, len(marked))
    consts, carry, rows = marked[:n_consts], marked[n_consts : n_consts + n_carry], marked[n_consts + n_carry :]
    while True:
        outputs = of(eqn.params["jaxpr"], [*consts, *carry, *rows])
        after = [a or b for a, b in zip(carry, outputs[:n_carry], strict=True)]
        if after == carry:
            return [*carry, *outputs[n_carry:]]
        carry = after


def _of_while(params: Any, marked: list[bool], of: Of) -> list[bool]:
    nc, nb = params["cond_nconsts"], params["body_nconsts"]
    for_cond, for_body, carry = marked[:nc], marked[nc : nc + nb], marked[nc + nb :]
    while True:
        if any(of(params["cond_jaxpr"], [*for_cond, *carry])):
            return [True] * len(carry)
        outputs = of(params["body_jaxpr"], [*for_body, *carry])
        after = [a or b for a, b in zip(carry, outputs, strict=True)]
        if after == carry:
            return carry
        carry = after


def _of_solve(params: Any, marked: list[bool]) -> list[bool]:
    """What one of the four functions makes depend, of the solution or the right-hand side, does so for all."""
    functions, lengths, given = params["jaxprs"], params["const_lengths"], iter(marked)
    consts = {name: [next(given) for _ in range(getattr(lengths, name))] for name in SOLVES}
    right = list(given)
    parts = len(functions.matvec.out_avals)
    solution = [False] * len(functions.solve.out_avals)

    def of(name: str, operands: list[bool], otherwise: list[bool]) -> list[bool]:
        function = getattr(functions, name)
        return otherwise if function is None else depending(function, [*consts[name], *operands])

    while True:
        x, b = list(solution), list(right)
        nothing = [False] * len(x)
        backwards = of("vecmat", b, nothing)
        # What a solver gives besides the solution counts as mapped where there is a transpose.
        backwards += [functions.vecmat is not None] * (len(x) - len(backwards))
        solution = [any(k) for k in zip(x, of("solve", b, nothing), backwards, strict=True)]
        operands = solution[:parts]
        forwards, other = of("matvec", operands, b), of("transpose_solve", operands, b)
        right = [any(k) for k in zip(b, forwards, other[: len(b)], strict=True)]
        if (solution, right) == (x, b):
            return solution
