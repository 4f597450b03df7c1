"""Metrics: pure, jit-able, weighted; they agree with scikit-learn.

Predictions are class numbers or scores, labels are class numbers; `weights` are nonnegative and one per example,
and an example of weight zero has no influence. Where scikit-learn has no answer (one class only for ROC AUC) the
result is NaN; where it answers 0 with a warning (precision without positive predictions) the result is 0. Of no rows,
or of rows that all have weight zero, nothing is known, and the result is NaN.
`METRICS` holds the same as functions of `(logits, labels, weights)`, which is what `fit` and `evaluate` take by name.

Source of the definitions: Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning" (2009), and for
the rank form of AUC Hanley and McNeil (1982).
"""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.metrics.checks import check_labels
from jaxbm.metrics.decisions import AVERAGES, accuracy, balanced_accuracy, confusion_matrix, f1, precision, recall
from jaxbm.metrics.forecasts import crps, gamma_deviance, pinball, poisson_deviance
from jaxbm.metrics.probabilities import brier_score, calibration_error, log_loss
from jaxbm.metrics.ranking import average_precision, roc_auc
from jaxbm.metrics.regression import mae, mape, mse, r2, rmse
from jaxbm.metrics.survival import concordance_index
from jaxbm.metrics.table import (
    METRICS,
    TABLE,
    Hook,
    MetricEntry,
    for_labels,
    greater_is_better,
    heading,
    heeds_weights,
    metric,
    metrics_for,
)

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = [
    "AVERAGES",
    "METRICS",
    "TABLE",
    "Hook",
    "MetricEntry",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "brier_score",
    "calibration_error",
    "check_labels",
    "concordance_index",
    "confusion_matrix",
    "crps",
    "f1",
    "for_labels",
    "gamma_deviance",
    "greater_is_better",
    "heading",
    "heeds_weights",
    "log_loss",
    "mae",
    "mape",
    "metric",
    "metrics_for",
    "mse",
    "pinball",
    "poisson_deviance",
    "precision",
    "r2",
    "recall",
    "rmse",
    "roc_auc",
]
