"""Decompositions of small matrices and systems with them, as functions of their own."""

from jaxbm.kernels.program.linalg import lapack
from jaxbm.kernels.program.linalg.cholesky import cholesky
from jaxbm.kernels.program.linalg.lapack import eigh, svd
from jaxbm.kernels.program.linalg.lu import lu
from jaxbm.kernels.program.linalg.qr import geqrf, householder_product
from jaxbm.kernels.program.linalg.triangular import triangular_solve

__all__ = ["cholesky", "eigh", "geqrf", "householder_product", "lapack", "lu", "svd", "triangular_solve"]
