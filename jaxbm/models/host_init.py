"""Fresh parameters of networks, drawn on the host: bit for bit `MLP.init`, without a program to compile."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxbm.core import counter
from jaxbm.core.device import host_memory
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


BLOCK = 1 << 15
"""Numbers drawn at once: they stay in a core's own cache from one operation to the next."""
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
        variance = np.float32(scale / ((fan_in + fan_out) / 2 if by_mean else fan_in))
        weight: Any = _drawn(derive(stream, i), fan_in * fan_out, np.sqrt(np.float32(3) * variance))
        bias: Any = host_memory((len(words), fan_out), np.float32, zeros=True) if model.use_bias else None
        layers.append(Dense(weight.reshape(-1, fan_in, fan_out), bias))
    return tuple(layers)


def _drawn(stream: tuple[np.ndarray, np.ndarray], size: int, most: np.float32) -> np.ndarray:
    """float32 `[M, size]`, uniform from `-most` to `most`; some members at a time, so that they stay in the cache."""
    members, at_once = len(stream[0]), max(1, BLOCK // size)
    out, index = host_memory((members, size), np.float32), np.arange(size, dtype=np.uint32)
    for a in range(0, members, at_once):
        k0, k1 = (word[a : a + at_once, None] for word in stream)
        bits = mix(index ^ k0)
        bits += k1
        bits = mix(bits)
        bits >>= np.uint32(9)  # 23 bits
        bits |= np.uint32(0x3F800000)
        uniform, block = bits.view(np.float32), out[a : a + at_once]
        uniform -= np.float32(1)
        uniform *= np.float32(2)
        uniform -= np.float32(1)
        np.multiply(uniform, most, out=block)
    return out


def mix(x: np.ndarray) -> np.ndarray:
    """`counter.mix` of uint32 arrays."""
    shifted = x >> np.uint32(16)
    mixed = np.bitwise_xor(x, shifted)
    mixed *= np.uint32(0x7FEB352D)
    mixed ^= np.right_shift(mixed, np.uint32(15), out=shifted)
    mixed *= np.uint32(0x846CA68B)
    mixed ^= np.right_shift(mixed, np.uint32(16), out=shifted)
    return mixed


def derive(stream: tuple[np.ndarray, np.ndarray], number: int) -> tuple[np.ndarray, np.ndarray]:
    """`counter.derive` of uint32 arrays."""
    w0, w1 = stream
    a = mix(w0 ^ mix(np.asarray([(number + 0x9E3779B9) % 2**32], np.uint32)))
    b = mix(w1 + a)
    return a ^ mix(b), b
