"""Features as training takes them: float32, dense, a bounded part at a time where they are sparse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

DENSE_BYTES = 2**28
"""Sparse features that take more than that as a dense table are trained on and predicted from in blocks of rows."""

WIDE = (np.dtype(np.float64), np.dtype(np.float32))
"""Dtypes in which features stay."""

FAR = 1e38
"""A sum of squares below it has no NaN in it, and nothing that float32 does not hold."""

NON_FINITE = (
    "Solver produced non-finite parameter weights. "
    "The input data may contain large values and need to be preprocessed."
)


def is_plain(x: Any, like: Any) -> bool:
    """Whether scikit-learn's checks of features would find nothing and change nothing, and float32 holds them all.

    Those take longer than a step of a small network, or a prediction for one row.

    Args:
      x: features.
      like: an estimator that was fitted.
    """
    return (
        type(x) is np.ndarray
        and x.ndim == 2
        and x.dtype in WIDE
        and len(x) > 0
        and x.shape[1] == getattr(like, "n_features_in_", None)
        and not hasattr(like, "feature_names_in_")
        and are_near(x)
    )


def are_near(numbers: np.ndarray) -> bool:
    """Whether float32 holds all, and they are finite, which one sum tells; of large ones False may be said, too."""
    return bool(np.vdot(numbers, numbers) < FAR)


def dense(x: Any) -> np.ndarray:
    """float32 `[n, features]`, of an array or a sparse matrix.

    Raises:
      ValueError: a number is beyond float32.
    """
    rows = x.toarray() if sparse.issparse(x) else x
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(rows, np.float32)
    if not np.isfinite(found).all():
        raise ValueError(f"{NON_FINITE} X: expected numbers within the range of float32, in which training computes")
    return found


def block_rows(x: Any) -> int | None:
    """How many rows of `x` are made dense at a time; None for all of them."""
    n, features = x.shape
    if not sparse.issparse(x) or 4 * n * features <= DENSE_BYTES:
        return None
    return max(1, DENSE_BYTES // (4 * features))


def blocks(x: Any, rows: int) -> Iterator[np.ndarray]:
    """`x` in dense blocks of so many rows, the last one smaller."""
    for start in range(0, x.shape[0], rows):
        yield dense(x[start : start + rows])
