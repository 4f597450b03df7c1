"""Decompositions of small matrices and systems with them, as functions of their own."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.kernels.program.linalg import lapack
from jaxbm.kernels.program.linalg.cholesky import cholesky
from jaxbm.kernels.program.linalg.lapack import eigh, svd
from jaxbm.kernels.program.linalg.lu import lu
from jaxbm.kernels.program.linalg.qr import geqrf, householder_product
from jaxbm.kernels.program.linalg.triangular import triangular_solve

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = ["cholesky", "eigh", "geqrf", "householder_product", "lapack", "lu", "svd", "triangular_solve"]
