"""What a model's outputs mean to a loss: the number they predict, and how those of several members are averaged.

A mean of logarithms is no logarithm of a mean. So members' outputs become `moments`, whose mean over members is that
of the mixture of what they predict, and the mean becomes outputs again. Every function takes NumPy's arrays or, with
`xp=jax.numpy`, JAX's. What outputs mean is named as in `jaxbm.losses.OUTPUTS`.
"""

from typing import Any

import numpy as np

MEAN_AND_SPREAD = ("gaussian", "negative binomial")
LEAST_DISPERSION = -16.0
"""As of `negative_binomial_nll`."""


def moments(outputs: Any, meaning: str, xp: Any = np) -> Any:
    """`[..., k]`: what may be averaged over members: means, first and second moments; scores and quantiles as they
    are.

    Args:
      outputs: floating point `[..., out]` of one number.
      meaning: of them.
      xp: whose arrays.

    Example:
      >>> import numpy as np
      >>> from jaxbm.losses import meaning
      >>> two = np.log(np.asarray([[[1.0]], [[3.0]]]))  # members [2, 1, 1] that predict means of 1 and 3
      >>> mean = meaning.outputs_of(meaning.moments(two, "log mean").mean(axis=0), "log mean")
      >>> round(float(np.exp(mean[0, 0])), 6)
      2.0
    """
    if meaning == "log mean":
        return xp.exp(outputs)
    if meaning == "gaussian":
        mean, variance = outputs[..., 0], xp.exp(outputs[..., 1])
        return xp.stack([mean, variance + mean * mean], axis=-1)
    if meaning == "negative binomial":
        mean, dispersion = xp.exp(outputs[..., 0]), xp.exp(xp.maximum(outputs[..., 1], LEAST_DISPERSION))
        return xp.stack([mean, (1 + dispersion) * mean * mean], axis=-1)  # the latter without the counts' own noise
    return outputs


def outputs_of(averaged: Any, meaning: str, xp: Any = np) -> Any:
    """The inverse of `moments`: outputs of a member that would predict such moments."""
    tiny = float(np.finfo(np.dtype(averaged.dtype)).tiny)
    if meaning == "log mean":
        return xp.log(xp.maximum(averaged, tiny))
    if meaning == "gaussian":
        mean, second = averaged[..., 0], averaged[..., 1]
        return xp.stack([mean, xp.log(xp.maximum(second - mean * mean, tiny))], axis=-1)
    if meaning == "negative binomial":
        mean = xp.maximum(averaged[..., 0], tiny)
        dispersion = averaged[..., 1] / mean / mean - 1
        return xp.stack([xp.log(mean), xp.log(xp.maximum(dispersion, float(np.exp(LEAST_DISPERSION))))], axis=-1)
    return averaged


def predicted(outputs: Any, meaning: str, quantiles: Any = 0.5, xp: Any = np) -> Any:
    """`[...]`: the number that outputs `[..., out]` predict: the mean, or the quantile nearest to the middle."""
    if meaning in ("log mean", "negative binomial"):
        return xp.exp(outputs[..., 0])
    return outputs[..., middle(quantiles) if meaning == "quantiles" else 0]


def middle(quantiles: Any) -> int:
    """The place of the quantile that is nearest to a half; 0 of a single one."""
    return int(np.argmin(np.abs(np.reshape(quantiles, -1) - 0.5)))


def deviation(outputs: Any, meaning: str) -> Any:
    """`[...]`: the standard deviation of what outputs of a mean and a spread predict."""
    if meaning == "gaussian":
        return np.exp(0.5 * outputs[..., 1])
    mean, dispersion = np.exp(outputs[..., 0]), np.exp(np.maximum(outputs[..., 1], LEAST_DISPERSION))
    return np.sqrt(mean + dispersion * mean * mean)


def class_probabilities(outputs: Any, meaning: str = "scores", xp: Any = np) -> Any:
    """`[..., classes]` from logits of classes, from one logit of the second class, or from the log-odds of steps.

    A class above a step that is the less likely to be taken can't be the more likely to be reached: of steps, each
    counts as at most as likely as the ones before it.
    """
    if meaning == "steps":
        above = xp.minimum.accumulate(1 / (1 + xp.exp(-xp.clip(outputs, -80, 80))), axis=-1)
        edges = xp.concatenate([xp.ones_like(above[..., :1]), above, xp.zeros_like(above[..., :1])], axis=-1)
        return edges[..., :-1] - edges[..., 1:]
    if outputs.shape[-1] == 1:
        outputs = xp.concatenate([xp.zeros_like(outputs), outputs], axis=-1)
    p = xp.exp(outputs - outputs.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def class_outputs(probabilities: Any, meaning: str = "scores", *, one: bool = False, xp: Any = np) -> Any:
    """Outputs that give such probabilities `[..., classes]`: log-odds of steps, those of the second of two classes
    (with `one`), or logarithms."""
    tiny = float(np.finfo(np.dtype(probabilities.dtype)).tiny)
    if meaning == "steps":
        below = xp.cumsum(probabilities, axis=-1)[..., :-1]
        above = xp.flip(xp.cumsum(xp.flip(probabilities, -1), axis=-1), -1)[..., 1:]
        return xp.log(xp.maximum(above, tiny)) - xp.log(xp.maximum(below, tiny))
    logs = xp.log(xp.maximum(probabilities, tiny))
    return logs[..., 1:] - logs[..., :1] if one else logs
