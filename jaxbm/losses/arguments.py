"""What losses are given: floating-point arrays of fitting shapes."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Axis = int | tuple[int, ...] | None


def floating(name: str, x: ArrayLike) -> Array:
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{name}: expected floating-point values, got dtype {x.dtype}")
    return x


def pair(
    predictions: ArrayLike, targets: Any, first: str = "predictions", second: str = "targets"
) -> tuple[Array, Any]:
    predictions = floating(first, predictions)
    if targets is None:
        return predictions, None
    targets = jnp.asarray(targets)
    if targets.ndim and targets.shape != predictions.shape:
        raise ValueError(
            f"{second}: expected the shape of {first}, {list(predictions.shape)}, got {list(targets.shape)}"
        )
    return predictions, targets.astype(predictions.dtype)


def distributions(first: str, logits: ArrayLike, labels: ArrayLike, second: str = "labels") -> tuple[Array, Array]:
    logits, labels = floating(first, logits), jnp.asarray(labels)
    fits = labels.ndim == logits.ndim and all(
        a == b or 1 in (a, b) for a, b in zip(labels.shape, logits.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{second}: expected the shape of {first}, {list(logits.shape)}, got {list(labels.shape)}")
    return logits, labels.astype(logits.dtype)
