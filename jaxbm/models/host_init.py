"""Fresh parameters of networks, drawn on the host: bit for bit `MLP.init`, without a program to compile."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxbm.core import counter
from jaxbm.models.dense import Dense, Params
from jaxbm.models.mlp import MLP

UNIFORM = {
    "glorot_uniform": (1.0, True),
    "xavier_uniform": (1.0, True),
    "he_uniform": (2.0, False),
    "kaiming_uniform": (2.0, False),
    "lecun_uniform": (1.0, False),
}
"""Scale of the variance, and whether it is by the mean of inputs and outputs or by the inputs alone."""


MOST_NUMBERS = 1 << 22
"""Numbers in all parameters together beyond which a compiled program draws them sooner."""


def unsupported(model: Any) -> str | None:
    """Why the host can't draw this network's parameters; None where it can."""
    if type(model) is not MLP:
        return f"the host knows jaxbm.MLP only, not {type(model).__name__}"
    if model.weight_init not in UNIFORM:
        return f"the host draws uniform weights only, not {model.weight_init!r}"
    return None if model.param_dtype == "float32" else "the host draws float32"


def host_init(model: MLP, words: np.ndarray) -> Params:
    """`[M, ...]`: what `model.init` gives for each of M keys, as NumPy's arrays.

    Args:
      model: one that is not `unsupported`.
      words: uint32 `[M, 2]`, of the keys.
    """
    scale, by_mean = UNIFORM[model.weight_init]
    stream, layers = derive((words[:, 0], words[:, 1]), counter.INIT), []
    for i, (fan_in, fan_out) in enumerate(zip(model.sizes[:-1], model.sizes[1:], strict=True)):
        k0, k1 = (word[:, None] for word in derive(stream, i))
        bits = mix(mix(np.arange(fan_in * fan_out, dtype=np.uint32) ^ k0) + k1)
        uniform = ((bits >> np.uint32(9)) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)  # 23 bits
        variance = np.float32(scale / ((fan_in + fan_out) / 2 if by_mean else fan_in))
        weight = (uniform * np.float32(2) - np.float32(1)) * np.sqrt(np.float32(3) * variance)
        bias: Any = np.zeros((len(words), fan_out), np.float32) if model.use_bias else None
        layers.append(Dense(weight.reshape(-1, fan_in, fan_out), bias))
    return tuple(layers)


def mix(x: np.ndarray) -> np.ndarray:
    """`counter.mix` of uint32 arrays."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def derive(stream: tuple[np.ndarray, np.ndarray], number: int) -> tuple[np.ndarray, np.ndarray]:
    """`counter.derive` of uint32 arrays."""
    w0, w1 = stream
    a = mix(w0 ^ mix(np.asarray([(number + 0x9E3779B9) % 2**32], np.uint32)))
    b = mix(w1 + a)
    return a ^ mix(b), b
