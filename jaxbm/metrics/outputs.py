"""What a metric reads in a model's outputs, which a loss may ask for in the place of the numbers themselves."""

import jax.numpy as jnp
from jax import Array

from jaxbm.core.arrays import joined

#: How a metric reads logits: as decided classes, as probabilities, as an order, or as the numbers they are.
DECIDED, PROBABLE, RANKED, DIRECT = "decided", "probable", "ranked", "direct"

#: And what only some losses ask outputs for: quantiles, a distribution, risks.
QUANTILES, SPREAD, RISKS = "quantiles", "spread", "risks"

#: For what a loss takes outputs for, see `jaxbm.losses.OUTPUTS`, the ways in which they can be read.
READABLE = {
    "scores": (DECIDED, PROBABLE, RANKED, DIRECT, QUANTILES),
    "log mean": (DIRECT, QUANTILES),
    "quantiles": (DIRECT, QUANTILES),
    "gaussian": (DIRECT, QUANTILES, SPREAD),
    "negative binomial": (DIRECT, QUANTILES),
    "steps": (DECIDED, DIRECT),
    "log risk": (RISKS,),
    "embedding": (),
}


def steps_taken(outputs: Array) -> Array:
    """int32 `[n]`: the class that `[n, steps]` log-odds, or `[n]` of one step, lead to: as many steps as are likely.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxbm.metrics.outputs import steps_taken
      >>> steps_taken(jnp.asarray([[2.0, -1.0], [1.0, 3.0]])).tolist()
      [1, 2]
    """
    steps = outputs[:, None] if outputs.ndim == 1 else outputs
    return (steps > 0).sum(axis=1).astype(jnp.int32)


def numbers(outputs: Array, labels: Array, meaning: str | None, quantiles: float | tuple[float, ...]) -> Array:
    """The number that outputs predict for each label: the mean, the quantile nearest to the middle, or the class.

    Args:
      outputs: as the model gives them.
      labels: `[n]` or `[n, k]`.
      meaning: of the outputs, see `jaxbm.losses.OUTPUTS`; None for the numbers themselves.
      quantiles: which ones, where they are quantiles.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxbm.metrics.outputs import numbers
      >>> numbers(jnp.asarray([[1.0, -3.0]]), jnp.zeros(1), "gaussian", 0.5).tolist()
      [1.0]
    """
    if meaning in (None, "scores"):
        return outputs
    wide = outputs.astype(joined(outputs.dtype))
    if meaning == "log mean":
        return jnp.exp(wide)
    if meaning == "steps":
        unknown = jnp.isnan(wide[:, None] if wide.ndim == 1 else wide).any(axis=1)
        return jnp.where(unknown, jnp.nan, steps_taken(wide).astype(wide.dtype))
    if meaning in ("gaussian", "negative binomial"):
        place = wide.reshape((*labels.shape, 2))[..., 0]
        return jnp.exp(place) if meaning == "negative binomial" else place
    if meaning == "quantiles" and isinstance(quantiles, tuple):
        middle = min(range(len(quantiles)), key=lambda i: abs(quantiles[i] - 0.5))
        return wide.reshape((*labels.shape, len(quantiles)))[..., middle]
    return outputs
