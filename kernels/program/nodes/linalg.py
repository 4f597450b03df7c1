"""Decompositions and solves, matrix by matrix."""

from __future__ import annotations

from jaxbm.kernels.program import linalg
from jaxbm.kernels.program.emit import Work, emits
from jaxbm.kernels.program.lazy import Array
from jaxbm.kernels.program.nodes.rows import call_rows


def _run(work: Work, name: str, order: tuple[int, ...] | None = None) -> list[Array]:
    outputs = [(v.shape, v.dtype) for v in work.node.outputs]
    lead = len(work.inputs[0].shape) - 2
    return call_rows(work.e, name, work.inputs, outputs, lead, order=order)


@emits("cholesky")
def cholesky(work: Work) -> list[Array]:
    """The lower factor."""
    (x,) = work.inputs
    return _run(work, linalg.cholesky(work.e.f.module, x.dtype, x.shape[-1]))


@emits("triangular_solve")
def triangular_solve(work: Work) -> list[Array]:
    """A solve with a triangular matrix."""
    a, b = work.inputs
    n = a.shape[-1]
    m = b.shape[-1] if work.node.params["left_side"] else b.shape[-2]
    return _run(work, linalg.triangular_solve(work.e.f.module, a.dtype, n, m, **work.node.params))


@emits("lu")
def lu(work: Work) -> list[Array]:
    """Lower and upper factor, pivots and permutation."""
    (x,) = work.inputs
    return _run(work, linalg.lu(work.e.f.module, x.dtype, *x.shape[-2:]))


@emits("geqrf")
def geqrf(work: Work) -> list[Array]:
    """Upper factor and reflections."""
    (x,) = work.inputs
    return _run(work, linalg.geqrf(work.e.f.module, x.dtype, *x.shape[-2:]))


@emits("householder_product")
def householder_product(work: Work) -> list[Array]:
    """The product of reflections."""
    a, taus = work.inputs
    m, n = a.shape[-2:]
    return _run(work, linalg.householder_product(work.e.f.module, a.dtype, m, n, taus.shape[-1]))


@emits("eigh")
def eigh(work: Work) -> list[Array]:
    """Eigenvectors and ascending eigenvalues of a symmetric matrix."""
    (x,) = work.inputs
    name = linalg.eigh(work.e.f.module, x.dtype, x.shape[-1], lower=work.node.params["lower"])
    return _run(work, name)


@emits("svd")
def svd(work: Work) -> list[Array]:
    """Singular values, and vectors where they are wanted."""
    (x,), p = work.inputs, work.node.params
    full, vectors = p["full_matrices"], p["compute_uv"]
    name = linalg.svd(work.e.f.module, x.dtype, *x.shape[-2:], full_matrices=full, compute_uv=vectors)
    return _run(work, name)
