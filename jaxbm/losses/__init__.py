"""Losses, one value per example, with Optax's names, arguments and semantics.

Nothing broadcasts by accident: elementwise losses want equal shapes, so `[n, 1]` against `[n]` is an error.
All are stable for huge logits, and their gradients are finite. float32, float64 and bfloat16 work; the result has
the dtype of the predictions.
"""

from jaxbm.losses.averages import mean, smooth_labels
from jaxbm.losses.binary import sigmoid_binary_cross_entropy, sigmoid_focal_loss
from jaxbm.losses.divergence import cross_entropy, kl_divergence
from jaxbm.losses.margin import hinge_loss
from jaxbm.losses.regression import huber_loss, l2_loss, log_cosh, squared_error
from jaxbm.losses.softmax import (
    safe_softmax_cross_entropy,
    softmax_cross_entropy,
    softmax_cross_entropy_with_integer_labels,
)
from jaxbm.losses.table import LABELS, LOSSES, TABLE, LossEntry, entry_of, kind_of, loss, losses_for

__all__ = [
    "LABELS",
    "LOSSES",
    "TABLE",
    "LossEntry",
    "cross_entropy",
    "entry_of",
    "hinge_loss",
    "huber_loss",
    "kind_of",
    "kl_divergence",
    "l2_loss",
    "log_cosh",
    "loss",
    "losses_for",
    "mean",
    "safe_softmax_cross_entropy",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal_loss",
    "smooth_labels",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "squared_error",
]
