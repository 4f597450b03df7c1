"""Metrics, ours and scikit-learn's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import jaxbm
from jaxbm.benchmarks.cases import Operation
from jaxbm.benchmarks.method import Job

PEERS = {
    "roc_auc": "roc_auc_score",
    "average_precision": "average_precision_score",
    "f1": "f1_score",
    "log_loss": "log_loss",
    "r2": "r2_score",
}
"""scikit-learn's names"""


def _rows(case: Operation) -> tuple[np.ndarray, np.ndarray]:
    """What the metric takes: scores, class numbers, probabilities or numbers; and labels."""
    rng = np.random.default_rng(0)
    scores = rng.standard_normal(case.shape, np.float32)
    noisy = scores + rng.standard_normal(case.shape, np.float32)
    if case.name == "r2":
        return scores, noisy
    labels = (noisy > 0).astype(np.int32)
    if case.name == "f1":
        return (scores > 0).astype(np.int32), labels
    return (1 / (1 + np.exp(-scores)) if case.name == "log_loss" else scores), labels


def ours(case: Operation) -> Job:
    """The metric of `jaxbm.metrics` called `case.name`, compiled."""
    predictions, labels = (jnp.asarray(a) for a in _rows(case))
    compiled = jax.jit(getattr(jaxbm.metrics, case.name))
    return Job(lambda seed: compiled(predictions, labels))


def sklearn(case: Operation) -> Job:
    """The same by scikit-learn."""
    from sklearn import metrics

    predictions, labels = _rows(case)
    function = getattr(metrics, PEERS[case.name])
    return Job(lambda seed: function(labels, predictions))
