"""What metrics are given: predictions, labels and weights of the same rows."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


def row_weights(weights: ArrayLike | None, like: Array) -> Array:
    if weights is None:
        return jnp.ones(like.shape[0], jnp.float32)
    w = jnp.asarray(weights)
    w = w if jnp.issubdtype(w.dtype, jnp.floating) else w.astype(jnp.float32)
    if w.shape != like.shape[:1]:
        raise ValueError(f"weights: expected shape [{like.shape[0]}], got {list(w.shape)}")
    return w


def weighted_mean(values: Array, weights: ArrayLike | None) -> Array:
    w = row_weights(weights, values)
    return jnp.where(w == 0, 0, values * w).sum() / w.sum()


def divide(a: Array, b: Array) -> Array:
    return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))


def classes_of(predictions: ArrayLike, labels: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array, Array]:
    predictions, labels = jnp.asarray(predictions), jnp.asarray(labels)
    if predictions.ndim != 1 or predictions.shape != labels.shape:
        raise ValueError(
            f"labels: expected shape [n] like the predictions, got {list(labels.shape)} "
            f"against {list(predictions.shape)}"
        )
    return predictions.astype(jnp.int32), labels.astype(jnp.int32), row_weights(weights, predictions)


def same_rows(name: str, scores: Array, labels: ArrayLike) -> None:
    shape = jnp.shape(labels)
    if scores.ndim not in (1, 2) or shape != scores.shape[:1]:
        raise ValueError(f"labels: expected shape [n] like the {name} {list(scores.shape)}, got {list(shape)}")


def error_of(predictions: ArrayLike, targets: ArrayLike) -> Array:
    predictions, targets = jnp.asarray(predictions), jnp.asarray(targets)
    if predictions.shape != targets.shape or predictions.ndim not in (1, 2):
        raise ValueError(
            f"targets: expected the predictions' shape {list(predictions.shape)}, [n] or [n, k], "
            f"got {list(targets.shape)}"
        )
    return predictions - targets


def per_row(values: Array) -> Array:
    return values.mean(axis=1) if values.ndim == 2 else values
