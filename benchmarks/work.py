"""How much work a case is: floating-point operations and bytes, by formula.

Matrix products only: activations, losses and optimizers add a few per cent, which the tests bound against what XLA
counts. Bytes are compulsory ones: what must cross the memory bus if everything that can stay in cache does. Both
are therefore lower bounds, and a fraction of the machine's limit computed from them is never flattering.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

FLOAT = 4
"""bytes of a float32"""


class Work(NamedTuple):
    """Of one call."""

    flops: float
    bytes: float


def forward_flops(sizes: Sequence[int], batch: int) -> int:
    """Multiplications and additions of `batch` rows through the network: `2 * batch * sum(in * out)`.

    Example:
      >>> forward_flops((20, 64, 32, 1), 32)
      215040
    """
    return 2 * batch * sum(fan_in * fan_out for fan_in, fan_out in pairwise(sizes))


def step_flops(sizes: Sequence[int], batch: int) -> int:
    """Forward, weight gradients, and input gradients of every layer but the first, whose input needs none.

    Example:
      >>> step_flops((20, 64, 32, 1), 32)
      563200
    """
    return 3 * forward_flops(sizes, batch) - forward_flops(sizes[:2], batch)


def n_params(sizes: Sequence[int]) -> int:
    """Weights and biases.

    Example:
      >>> n_params((20, 64, 32, 1))
      3457
    """
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def train(
    sizes: Sequence[int], batch: int, steps_per_epoch: int, epochs: int, members: int, *, cache: float = 0.0
) -> Work:
    """A whole training run of one call.

    Rows and labels are read once per epoch, by all members together, unless they fit the cache: then once. Each
    member's parameters and two moments go in and out once.

    Args:
      sizes: widths of the network.
      batch: rows per step.
      steps_per_epoch, epochs, members: how many steps, by whom.
      cache: bytes of the last cache level.
    """
    flops = members * epochs * steps_per_epoch * step_flops(sizes, batch)
    table = FLOAT * batch * steps_per_epoch * (sizes[0] + 1)
    state = members * 2 * 3 * FLOAT * n_params(sizes)
    return Work(flops, table * (1 if table <= cache else epochs) + state)


def forward(sizes: Sequence[int], rows: int) -> Work:
    """Prediction: rows in, outputs out, parameters once."""
    return Work(forward_flops(sizes, rows), FLOAT * (rows * (sizes[0] + sizes[-1]) + n_params(sizes)))


def backward(sizes: Sequence[int], rows: int) -> Work:
    """Forward and gradients of the parameters: rows and labels in, parameters in, gradients out."""
    return Work(step_flops(sizes, rows), FLOAT * (rows * (sizes[0] + 1) + 2 * n_params(sizes)))


def adam(parameters: int) -> Work:
    """Adam on donated buffers: gradient, parameter and two moments in, three of them out: seven streams.

    Example:
      >>> adam(1000).bytes
      28000
    """
    return Work(14 * parameters, 7 * FLOAT * parameters)


def elementwise(elements: int, *, reads: int, writes: int, flops: int = 1) -> Work:
    """An operation on arrays of `elements` float32 or int32 numbers."""
    return Work(flops * elements, FLOAT * (reads + writes) * elements)
