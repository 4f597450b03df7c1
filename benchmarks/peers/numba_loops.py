"""Programs as loops over numbers, which is how Numba's users write them."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np


@numba.njit
def _slope(y: Any) -> Any:
    return np.array([10.0 * (y[1] - y[0]), y[0] * (28.0 - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]], y.dtype)


@numba.njit
def lorenz_float64(steps: int, y: Any) -> Any:
    """As `mechanics.lorenz_float64`."""
    h, out = 0.005, np.empty((steps, 3), y.dtype)
    for i in range(steps):
        k1 = _slope(y)
        k2 = _slope(y + h / 2 * k1)
        k3 = _slope(y + h / 2 * k2)
        k4 = _slope(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        out[i] = y
    return out


@numba.njit
def kalman(steps: int, observed: Any) -> Any:
    """As `inference.kalman`."""
    one, f32 = np.eye(4, dtype=np.float32), np.float32
    transition = one.copy()
    transition[0, 2] = transition[1, 3] = f32(0.1)
    seen = np.ascontiguousarray(one[:2])
    turned, seen_turned = np.ascontiguousarray(transition.T), np.ascontiguousarray(seen.T)
    noise = np.eye(2, dtype=np.float32) * f32(0.1)
    mean: Any = np.zeros(4, np.float32)
    cov: Any = one.copy()
    means, likelihoods = np.empty((steps, 4), np.float32), np.empty(steps, np.float32)
    inverse = np.empty((2, 2), np.float32)
    for i in range(steps):
        mean, cov = transition @ mean, transition @ cov @ turned + one * f32(0.01)
        s = seen @ cov @ seen_turned + noise
        determinant = s[0, 0] * s[1, 1] - s[0, 1] * s[1, 0]
        inverse[0, 0], inverse[1, 1] = s[1, 1] / determinant, s[0, 0] / determinant
        inverse[0, 1], inverse[1, 0] = -s[0, 1] / determinant, -s[1, 0] / determinant
        gain, error = cov @ seen_turned @ inverse, observed[i] - seen @ mean
        mean, cov = mean + gain @ error, cov - gain @ seen @ cov
        means[i] = mean
        likelihoods[i] = -0.5 * (error @ (inverse @ error) + math.log(determinant))
    return means, likelihoods
