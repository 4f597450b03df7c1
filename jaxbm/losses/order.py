"""Losses of ordered classes and of times until an event."""

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxbm.core.arrays import real
from jaxbm.core.calls import helpful
from jaxbm.core.settings import whole_on_each
from jaxbm.losses.arguments import between, class_labels, floating, row_weights
from jaxbm.losses.binary import sigmoid_binary_cross_entropy


@helpful
def ordinal_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """Sum over the steps between ordered classes of the cross-entropy of "the label is above this step".

    Args:
      logits: floating point `[..., classes - 1]`: for step `k` the log-odds of a label greater than `k`.
      labels: integers `[...]` in `[0, classes)`, in the classes' order.

    Returns:
      `[...]`. Under a transformation, where values can't be looked at, a label that is no class gives NaN.

    Raises:
      ValueError: the shapes don't fit, labels are not integers or no classes, or logits are not floating point.

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> round(float(jaxbm.losses.ordinal_cross_entropy(jnp.zeros(3), jnp.asarray(2))), 4)
      2.0794

    Source: Niu et al., "Ordinal Regression with Multiple Output CNN for Age Estimation" (2016).
    """
    logits = floating("logits", logits)
    if logits.ndim == 0:
        raise ValueError("logits: expected shape [..., classes - 1], got a number")
    steps = logits.shape[-1]
    index, known = class_labels(labels, logits.shape[:-1], steps + 1)
    above = index[..., None] > jnp.arange(steps, dtype=jnp.int32).reshape((1,) * (logits.ndim - 1) + (steps,))
    return jnp.where(known, sigmoid_binary_cross_entropy(logits, above).sum(axis=-1), jnp.nan)


@helpful
def cox_loss(log_risks: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
    """Minus the log of Cox's partial likelihood, row by row: `logsumexp(risks of all still there) - own risk`.

    Rows whose event wasn't seen are compared with, and contribute 0 themselves. Rows with the same time are all still
    there at it (Breslow's way with ties). A row's loss depends on the whole batch, so large batches are the better
    ones.

    Args:
      log_risks: floating point `[n]` or `[n, 1]`: the higher, the sooner the event.
      labels: `[n, 2]`: time, and 1 where the event was seen then, 0 where it wasn't until then.
      weights: nonnegative `[n]`: a row of weight 2 is compared with like two rows, one of weight 0 isn't there. The
        values themselves are not multiplied; a mean of them that heeds weights does that.

    Returns:
      `[n]`.

    Raises:
      ValueError: the shapes don't fit, log_risks are not floating point, or a concrete second label is not in [0, 1].

    Example:
      >>> import jax.numpy as jnp, jaxbm
      >>> labels = jnp.asarray([[1.0, 1.0], [2.0, 0.0], [3.0, 1.0]])
      >>> [round(loss, 4) for loss in jaxbm.losses.cox_loss(jnp.zeros(3), labels).tolist()]
      [1.0986, 0.0, 0.0]

    Source: Cox, "Regression Models and Life-Tables" (1972); Breslow, "Covariance Analysis of Censored Survival Data"
    (1974).
    """
    # Rows are sorted by their times: those of an explicit mesh are on each device whole.
    log_risks, labels = whole_on_each((floating("log_risks", log_risks), real("labels", labels)))
    if log_risks.ndim == 2 and log_risks.shape[1] == 1:
        log_risks = log_risks[:, 0]
    if log_risks.ndim != 1 or labels.shape != (log_risks.shape[0], 2):
        raise ValueError(
            f"labels: expected shape [n, 2] of log_risks [n], got {list(labels.shape)} of {list(log_risks.shape)}"
        )
    between("labels", labels[:, 1], 0, 1)
    # Only differences count. Near 0 the logarithms of sums have the digits that their derivatives need.
    top = lax.stop_gradient(log_risks.max(initial=-jnp.inf))
    counted = log_risks = log_risks - jnp.where(jnp.isfinite(top), top, 0)
    if weights is not None:
        w = whole_on_each(row_weights(weights, log_risks))
        # As good as minus infinity, and with finite derivatives where nobody else is there.
        nobody = jnp.finfo(log_risks.dtype).min / 4
        counted = jnp.where(w > 0, log_risks + jnp.log(jnp.where(w > 0, w, 1)), nobody)
    later_first = -labels[:, 0]
    order = jnp.argsort(later_first)
    still_there = lax.cumlogsumexp(counted[order])
    last = jnp.searchsorted(later_first[order], later_first, side="right") - 1
    return labels[:, 1].astype(log_risks.dtype) * (still_there[last] - log_risks)
