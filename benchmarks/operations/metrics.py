"""Metrics of binary scores, ours and scikit-learn's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxbm.benchmarks.cases import Operation
from jaxbm.benchmarks.method import Job

import jaxbm


def _scores(case: Operation) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal(case.shape, np.float32)
    labels = (scores + rng.standard_normal(case.shape, np.float32) > 0).astype(np.float32)
    return scores, labels


def ours(case: Operation) -> Job:
    """The metric of `jaxbm.metrics` called `case.name`, compiled."""
    scores, labels = (jnp.asarray(a) for a in _scores(case))
    compiled = jax.jit(getattr(jaxbm.metrics, case.name))
    return Job(lambda seed: compiled(scores, labels))


def sklearn(case: Operation) -> Job:
    """The same by scikit-learn."""
    from sklearn import metrics

    scores, labels = _scores(case)
    function = {"roc_auc": metrics.roc_auc_score, "average_precision": metrics.average_precision_score}[case.name]
    return Job(lambda seed: function(labels, scores))
