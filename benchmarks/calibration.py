"""What the cost model of native functions judges, measured: single calls natively and by XLA, small and large.

    python -m jaxbm.benchmarks.calibration [words in names]

prints, for each program, what the model decided and the least time of a call either way, in microseconds, and marks
those that the model sends native although XLA takes less than 0.9 of their time. The constants of
`kernels/program/cost.py` were chosen by these lines. Each is a plain function as users write it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jaxbm

SIZES = (1_000, 30_000, 300_000, 1_500_000)
SIDES = (16, 48, 96, 128, 192, 240)
SLOWER = 0.9
"""The share of native time below which XLA's is told to be less."""
BATCH_SECONDS = 2e-4
"""Calls are timed in batches of about so long."""


class Call(NamedTuple):
    """A function and its arguments."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Measured(NamedTuple):
    """Seconds of a call, and whether all of it is native."""

    native: float
    by_xla: float
    is_native: bool

    @property
    def is_misjudged(self) -> bool:
        """Whether the model chose native code that is slower."""
        return self.is_native and self.by_xla < SLOWER * self.native


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "exp": lambda x: jnp.exp(-x), "tanh": jnp.tanh, "erf": lax.erf, "sin": jnp.sin, "log1p": jnp.log1p,
    "logistic": jax.nn.sigmoid, "cbrt": jnp.cbrt, "power of 0.3": lambda x: x**0.3, "sqrt": jnp.sqrt,
    "quotient": lambda x: 1 / (x + 0.5), "lgamma": lax.lgamma,
}  # fmt: skip


def calls() -> Iterator[Call]:
    """All that is measured."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    def places(most: int, n: int) -> Any:
        return jnp.asarray(rng.integers(0, most, n), jnp.int32)

    for name, f in ELEMENTWISE.items():
        yield Call(f"loop of {name}", _repeated(f), (jnp.float32(0.5),))
        for n in SIZES:
            yield Call(f"{name} of {n:,}", f, (jnp.abs(normal(n)) + 0.1,))
    for n in SIZES:
        x = normal(n)
        yield Call(f"sum of two, {n:,}", jnp.add, (x, x + 1))
        yield Call(f"softmax of rows, {n:,}", lambda x: jax.nn.softmax(x.reshape(-1, 50)), (x,))
        yield Call(f"largest of rows, {n:,}", lambda x: x.reshape(-1, 50).argmax(1), (x,))
        yield Call(f"running sum, {n:,}", jnp.cumsum, (x,))
        yield Call(f"sort, {n:,}", jnp.sort, (x,))
        yield Call(f"ten largest, {n:,}", lambda x: lax.top_k(x, 10), (x,))
        yield Call(f"gather, {n:,}", lambda x, i: x[i], (normal(10_000), places(10_000, n)))
        yield Call(f"scatter-add, {n:,}", lambda i, x: jnp.zeros(10_000).at[i].add(x), (places(10_000, n), x))
    for m in SIDES:
        a, b = normal(m, m), normal(m, m) * 0.1
        yield Call(f"product of {m}", jnp.matmul, (a, b))
        yield Call(f"twenty products of {m}", lambda a, b: _repeated(lambda x: jnp.tanh(x @ b), 20)(a), (a, b))
        yield Call(f"system of {m}", jnp.linalg.solve, (a + 10 * jnp.eye(m), b[0]))
    for n in (1_024, 4_096):
        arguments = normal(n, 32), normal(32, 64), normal(64, 8)
        yield Call(f"layers, batch {n:,}", lambda x, a, b: jnp.tanh(x @ a) @ b, arguments)
    for n, window in ((300, 7), (300, 100), (5_000, 7)):
        yield Call(f"convolution of {n:,} with {window}", _convolved, (normal(n), normal(window)))
    for side, channels in ((8, 3), (16, 8), (28, 16), (32, 32)):
        images, kernel = normal(8, side, side, channels), normal(3, 3, channels, channels)
        yield Call(f"convolution of {side} x {side}, {channels} channels", _convolved_images, (images, kernel))


def _repeated(f: Callable[[Any], Any], times: int = 1_000) -> Callable[[Any], Any]:
    return lambda x: lax.fori_loop(0, times, lambda _, x: f(x) * 0.9 + 0.05, x)


def _convolved(x: Any, window: Any) -> Any:
    return jnp.convolve(x, window, mode="same")


def _convolved_images(images: Any, kernel: Any) -> Any:
    return lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )  # fmt: skip


def measure(call: Call, *, rounds: int = 15) -> Measured:
    """Both ways by turns; the least counts, since other work on the machine only takes away.

    Example:
      >>> measure(Call("one more", lambda x: x + 1, (jnp.arange(3.0),)), rounds=1).native > 0
      True
    """
    ways: list[Callable[..., Any]] = [jaxbm.accelerate(call.function), jax.jit(call.function)]
    for way in ways:
        jax.block_until_ready(way(*call.arguments))
    repeats = max(1, int(BATCH_SECONDS / max(_seconds(ways[1], call.arguments, 1), 1e-6)))
    times = [[_seconds(way, call.arguments, repeats) for way in ways] for _ in range(rounds)]
    native, by_xla = (min(column) for column in zip(*times, strict=True))
    return Measured(native, by_xla, jaxbm.explain(call.function)(*call.arguments).native)


def _seconds(way: Callable[..., Any], arguments: tuple[Any, ...], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        out = way(*arguments)
    jax.block_until_ready(out)
    return (time.perf_counter() - start) / repeats


def main(words: list[str]) -> None:
    """Measure what has one of these words in its name, or all."""
    for call in calls():
        if words and not any(word in call.name for word in words):
            continue
        found = measure(call)
        judged = "native" if found.is_native else "XLA"
        mark = "!" if found.is_misjudged else " "
        times = f"{found.native * 1e6:10.1f} {found.by_xla * 1e6:10.1f} {found.by_xla / found.native:6.2f}"
        print(f"{mark} {call.name:40} {judged:6} {times}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
