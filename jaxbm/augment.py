"""Augmentation for tables: pure functions `(key, x, y) -> (x, y)`, applied to each batch in compiled code.

They are frozen dataclasses, so two equal ones compile once.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from jaxbm.core import checks


@dataclass(frozen=True)
class GaussianNoise:
    """Adds independent normal noise of standard deviation `std` to each feature.

    Raises:
      ValueError: `std` is negative.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxbm.augment import GaussianNoise
      >>> x, y = GaussianNoise(0.1)(jax.random.key(0), jnp.zeros((4, 2)), jnp.zeros(4))
      >>> x.shape
      (4, 2)

    Source: Bishop, "Training with Noise is Equivalent to Tikhonov Regularization" (1995).
    """

    std: float

    def __post_init__(self) -> None:
        checks.one_number("std", self.std)
        if not self.std >= 0:
            raise ValueError(f"std: expected a nonnegative number, got {self.std}")

    def __call__(self, key: Array, x: Array, y: Array) -> tuple[Array, Array]:
        return x + self.std * jax.random.normal(key, x.shape, x.dtype), y


@dataclass(frozen=True)
class FeatureMasking:
    """Sets each feature to zero (the mean, once standardised) with probability `rate`, without rescaling.

    Raises:
      ValueError: `rate` is not in `[0, 1]`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxbm.augment import FeatureMasking
      >>> x, y = FeatureMasking(1.0)(jax.random.key(0), jnp.ones((1, 2)), jnp.zeros(1))
      >>> x.tolist()
      [[0.0, 0.0]]

    Source: Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders" (2008).
    """

    rate: float

    def __post_init__(self) -> None:
        checks.one_number("rate", self.rate)
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate: expected 0 to 1, got {self.rate}")

    def __call__(self, key: Array, x: Array, y: Array) -> tuple[Array, Array]:
        return jnp.where(jax.random.bernoulli(key, self.rate, x.shape), 0, x), y


@dataclass(frozen=True)
class Mixup:
    """Replaces each example by `m * it + (1 - m) * another` of its batch, labels too, `m` from Beta(alpha, alpha).

    One `m` is drawn per batch, as in the paper; the larger of `m` and `1 - m` stays with the example itself.

    Raises:
      ValueError: `alpha` is not positive, or (when called) labels are integers: mix one-hot labels instead.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxbm.augment import Mixup
      >>> x, y = Mixup(0.2)(jax.random.key(0), jnp.ones((4, 2)), jnp.ones(4))
      >>> bool(jnp.allclose(x, 1)) and bool(jnp.allclose(y, 1))
      True

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2018).
    """

    alpha: float

    def __post_init__(self) -> None:
        checks.one_number("alpha", self.alpha)
        if not self.alpha > 0:
            raise ValueError(f"alpha: expected a positive number, got {self.alpha}")

    def __call__(self, key: Array, x: Array, y: Array) -> tuple[Array, Array]:
        if not jnp.issubdtype(y.dtype, jnp.floating):
            raise ValueError(
                f"y: expected floating-point labels for Mixup, got {y.dtype}; use jax.nn.one_hot and "
                "loss='softmax_cross_entropy'"
            )
        draw, order = jax.random.split(key)
        m = jax.random.beta(draw, self.alpha, self.alpha, dtype=x.dtype)
        m = jnp.maximum(m, 1 - m)
        other = jax.random.permutation(order, x.shape[0])
        return m * x + (1 - m) * x[other], (m * y + (1 - m) * y[other]).astype(y.dtype)


@dataclass(frozen=True)
class Compose:
    """Applies augmentations one after the other, each with a key of its own.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxbm.augment import Compose, FeatureMasking, GaussianNoise
      >>> both = Compose((GaussianNoise(0.1), FeatureMasking(0.2)))
      >>> both(jax.random.key(0), jnp.zeros((4, 2)), jnp.zeros(4))[0].shape
      (4, 2)
    """

    steps: tuple["GaussianNoise | FeatureMasking | Mixup | Compose", ...]

    def __call__(self, key: Array, x: Array, y: Array) -> tuple[Array, Array]:
        for step, k in zip(self.steps, jax.random.split(key, max(1, len(self.steps))), strict=False):
            x, y = step(k, x, y)
        return x, y
