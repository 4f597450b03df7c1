"""Repeated rows as weights: where a batch is all rows, a row that stands there twice is a row that counts twice."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxbm.estimators.jobs import ALL_ROWS, Job
from jaxbm.estimators.rows import block_rows, dense

Rows = tuple[Any, np.ndarray, np.ndarray | None]
"""Features, labels and weights."""


def counted_rows(job: Job, X: Any, labels: np.ndarray, weight: np.ndarray | None) -> Rows:
    """The rows of a job whose every batch is all of them, each different one once, in an order of their own.

    Sums over rows depend in float32 on their order and on whether twice the same is added or doubled. So that neither
    matters, as scikit-learn's checks of estimators ask, rows that are equal become one, and rows without weight none.
    Where batches are drawn, where rows are drawn or units left out row by row, or where some are held out, and where
    no row is repeated or weighted, they are left as they are.
    """
    program = job.program
    if program.batch_size != ALL_ROWS or program.bootstrap or program.dropout or job.held_out is not None:
        return X, labels, weight
    if block_rows(X) is not None:
        return X, labels, weight
    features = dense(X)
    content = np.ascontiguousarray(
        np.concatenate([features.view(np.uint8).reshape(len(features), -1), _bytes(labels)], axis=1)
    )
    rows = content.view([("row", np.void, content.shape[1])])["row"][:, 0]
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    if weight is None and len(first) == len(rows):
        return X, labels, None
    counts = np.bincount(which, weight, len(first))
    kept = first[counts > 0]
    return features[kept], labels[kept], counts[counts > 0]


def _bytes(labels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(labels).view(np.uint8).reshape(len(labels), -1)
