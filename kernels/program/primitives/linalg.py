"""Decompositions of small matrices and what solves with them."""

from __future__ import annotations

from typing import Any

from jaxbm.kernels.program.ir import NotNative, Value
from jaxbm.kernels.program.registry import rule
from jaxbm.kernels.program.trace import Tracer, dtype_of, shape_of

LARGEST = 128
"""Rows and columns up to which the loops here are ahead of LAPACK."""


def _check(x: Value) -> None:
    if x.dtype not in ("float32", "float64"):
        raise NotNative(f"matrices of {x.dtype}")
    if max(x.shape[-2:]) > LARGEST:
        raise NotNative(f"a matrix of {x.shape[-2]} x {x.shape[-1]} is better left to LAPACK")
    if x.size == 0:
        raise NotNative("an empty matrix")


def _node(tracer: Tracer, eqn: Any, inputs: list[Value], op: str, **params: Any) -> list[Value]:
    types = [(shape_of(v.aval), dtype_of(v.aval)) for v in eqn.outvars]
    return tracer.add_many(op, inputs, types, **params)


@rule("cholesky", kind="linear algebra", params=("symmetrize_input",))
def cholesky(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Lower triangular factor; NaN where the matrix isn't positive definite."""
    _check(inputs[0])
    return _node(tracer, eqn, inputs, "cholesky")


@rule(
    "triangular_solve",
    kind="linear algebra",
    params=("left_side", "lower", "transpose_a", "conjugate_a", "unit_diagonal"),
)
def triangular_solve(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Solve with a triangular matrix."""
    _check(inputs[0])
    p = eqn.params
    names = ("left_side", "lower", "transpose_a", "unit_diagonal")
    return _node(tracer, eqn, inputs, "triangular_solve", **{n: bool(p[n]) for n in names})
