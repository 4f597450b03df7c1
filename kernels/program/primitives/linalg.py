"""Decompositions of small matrices and what solves with them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

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


@rule("lu", kind="linear algebra")
def lu(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Factors, pivots and permutation, with partial pivoting."""
    _check(inputs[0])
    return _node(tracer, eqn, inputs, "lu")


@rule("lu_pivots_to_permutation", kind="linear algebra", params=("permutation_size",))
def lu_pivots_to_permutation(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The permutation that exchanges of rows make."""
    (pivots,) = inputs
    size = int(eqn.params["permutation_size"])

    def one(exchanged: Any) -> Any:
        def step(k: Any, order: Any) -> Any:
            a, b = order[k], order[exchanged[k]]
            return order.at[k].set(b).at[exchanged[k]].set(a)

        return lax.fori_loop(0, exchanged.shape[0], step, lax.iota(jnp.int32, size))

    function = one
    for _ in pivots.shape[:-1]:
        function = jax.vmap(function)
    return tracer.call(function, pivots)


@rule("geqrf", kind="linear algebra")
def geqrf(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """QR as reflections."""
    _check(inputs[0])
    return _node(tracer, eqn, inputs, "geqrf")


@rule("householder_product", kind="linear algebra")
def householder_product(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The orthogonal factor of reflections."""
    _check(inputs[0])
    if inputs[1].shape[-1] > inputs[0].shape[-1]:
        raise NotNative("more reflections than columns")
    return _node(tracer, eqn, inputs, "householder_product")


@rule("qr", kind="linear algebra", params=("full_matrices", "pivoting", "use_magma"))
def qr(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """QR by way of reflections."""
    (a,), p = inputs, eqn.params
    _check(a)
    if p.get("pivoting") or p.get("use_magma"):
        raise NotNative("with pivoting")
    q, r = (v.aval for v in eqn.outvars)
    m, n = a.shape[-2:]
    k = min(m, n)
    taus = (*a.shape[:-2], k)
    out, tau = tracer.add_many("geqrf", [a], [(a.shape, a.dtype), (taus, a.dtype)])
    columns = q.shape[-1]

    def upper(x: Any) -> Any:
        return jnp.triu(x[..., : r.shape[-2], :])

    def widened(x: Any) -> Any:
        if columns <= n:
            return x[..., :columns]
        return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, columns - n)])

    (r_factor,) = tracer.call(upper, out)
    (v,) = tracer.call(widened, out)
    return [tracer.add("householder_product", [v, tau], q.shape, a.dtype), r_factor]


@rule(
    "eigh",
    kind="linear algebra",
    params=("lower", "sort_eigenvalues", "subset_by_index", "algorithm", "implementation"),
    note="by LAPACK",
)
def eigh(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Eigenvectors and values of symmetric matrices."""
    _check(inputs[0])
    p = eqn.params
    for name in ("subset_by_index", "algorithm", "implementation"):
        if p.get(name) is not None:
            raise NotNative(f"{name}={p[name]}")
    return _node(tracer, eqn, inputs, "eigh", lower=bool(p["lower"]))


@rule(
    "svd",
    kind="linear algebra",
    params=("full_matrices", "compute_uv", "subset_by_index", "algorithm"),
    note="by LAPACK",
)
def svd(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Singular values and vectors."""
    _check(inputs[0])
    p = eqn.params
    if p.get("subset_by_index") is not None or str(p.get("algorithm") or "DEFAULT").split(".")[-1] != "DEFAULT":
        raise NotNative("another algorithm, or a part of the values")
    full, vectors = bool(p["full_matrices"]), bool(p["compute_uv"])
    return _node(tracer, eqn, inputs, "svd", full_matrices=full, compute_uv=vectors)


@rule("tridiagonal_solve", kind="linear algebra", params=("perturb_singular",))
def tridiagonal_solve(tracer: Tracer, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Solve with a tridiagonal matrix; NaN where it is singular."""
    b = inputs[-1]
    if eqn.params.get("perturb_singular"):
        raise NotNative("perturb_singular=True")
    if b.size == 0:
        return [tracer.full(0, b.shape, b.dtype)]
    function = _solve_tridiagonal
    for _ in b.shape[:-2]:
        function = jax.vmap(function)
    return tracer.call(function, *inputs)


def _solve_tridiagonal(low: Any, middle: Any, up: Any, b: Any) -> Any:
    """Elimination with partial pivoting (Golub and Van Loan, section 3.4), which fills one more diagonal above."""

    def eliminate(carry: Any, row: Any) -> Any:
        (d, u, right), ok = carry
        l, next_d, next_u, next_right = row
        swap = jnp.abs(l) > jnp.abs(d)
        top, factor = jnp.where(swap, l, d), jnp.where(swap, d, l) / jnp.where(swap, l, d)
        first, second = jnp.where(swap, next_d, u), jnp.where(swap, next_u, 0)
        left = jnp.where(swap, u, next_d) - factor * first
        beside = jnp.where(swap, -factor * next_u, next_u)
        kept = jnp.where(swap, next_right, right)
        below = jnp.where(swap, right, next_right) - factor * kept
        return ((left, beside, below), ok & (top != 0)), (top, first, second, kept)

    start = ((middle[0], up[0], b[0]), jnp.asarray(True))
    ((d, _, right), ok), rows = lax.scan(eliminate, start, (low[1:], middle[1:], up[1:], b[1:]))

    def substitute(carry: Any, row: Any) -> Any:
        after, later = carry
        top, first, second, kept = row
        x = (kept - first * after - second * later) / top
        return (x, after), x

    last = right / d
    _, x = lax.scan(substitute, (last, jnp.zeros_like(last)), rows, reverse=True)
    return jnp.where(ok & (d != 0), jnp.concatenate([x, last[None]]), jnp.nan)
