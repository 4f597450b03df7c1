"""Losses, one value per example, with Optax's names, arguments and semantics.

Nothing broadcasts by accident: elementwise losses want equal shapes, so `[n, 1]` against `[n]` is an error.
All are stable for huge logits, and their gradients are finite. float32, float64 and bfloat16 work; the result has
the dtype of the predictions.
"""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.losses.averages import mean, smooth_labels
from jaxbm.losses.binary import sigmoid_binary_cross_entropy, sigmoid_focal_loss
from jaxbm.losses.deviance import gamma_deviance, poisson_deviance, tweedie_deviance
from jaxbm.losses.distribution import gaussian_crps, gaussian_nll, negative_binomial_nll
from jaxbm.losses.divergence import (
    convex_kl_divergence,
    cross_entropy,
    generalized_kl_divergence,
    kl_divergence,
    kl_divergence_with_log_targets,
)
from jaxbm.losses.linear_softmax import linear_softmax_cross_entropy
from jaxbm.losses.margin import (
    hinge_loss,
    multiclass_hinge_loss,
    multiclass_perceptron_loss,
    multiclass_sparsemax_loss,
    multilabel_margin_loss,
    perceptron_loss,
    sparsemax_loss,
    triplet_margin_loss,
)
from jaxbm.losses.neighbours import triplet_hard_loss
from jaxbm.losses.order import cox_loss, ordinal_cross_entropy
from jaxbm.losses.quantile import pinball_loss
from jaxbm.losses.regression import (
    absolute_error,
    cosine_distance,
    cosine_similarity,
    huber_loss,
    l2_loss,
    log_cosh,
    squared_error,
)
from jaxbm.losses.softmax import (
    poly_loss_cross_entropy,
    safe_softmax_cross_entropy,
    softmax_cross_entropy,
    softmax_cross_entropy_with_integer_labels,
    weighted_logsoftmax,
)
from jaxbm.losses.table import (
    LABELS,
    LOSSES,
    OUTPUTS,
    TABLE,
    KnownLoss,
    LossEntry,
    columns_of,
    entry_of,
    kind_of,
    known,
    loss,
    losses_for,
    takes_weights,
)

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = [
    "LABELS",
    "LOSSES",
    "OUTPUTS",
    "TABLE",
    "KnownLoss",
    "LossEntry",
    "absolute_error",
    "columns_of",
    "convex_kl_divergence",
    "cosine_distance",
    "cosine_similarity",
    "cox_loss",
    "cross_entropy",
    "entry_of",
    "gamma_deviance",
    "gaussian_crps",
    "gaussian_nll",
    "generalized_kl_divergence",
    "hinge_loss",
    "huber_loss",
    "kind_of",
    "kl_divergence",
    "kl_divergence_with_log_targets",
    "known",
    "l2_loss",
    "linear_softmax_cross_entropy",
    "log_cosh",
    "loss",
    "losses_for",
    "mean",
    "multiclass_hinge_loss",
    "multiclass_perceptron_loss",
    "multiclass_sparsemax_loss",
    "multilabel_margin_loss",
    "negative_binomial_nll",
    "ordinal_cross_entropy",
    "perceptron_loss",
    "pinball_loss",
    "poisson_deviance",
    "poly_loss_cross_entropy",
    "safe_softmax_cross_entropy",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal_loss",
    "smooth_labels",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "sparsemax_loss",
    "squared_error",
    "takes_weights",
    "triplet_hard_loss",
    "triplet_margin_loss",
    "tweedie_deviance",
    "weighted_logsoftmax",
]
