"""How long JAX was compiling, beside what it was asked to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

EVENTS = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)


@contextmanager
def compilation() -> Iterator[list[tuple[float, float]]]:
    """Collects when JAX was compiling (start, end): tracing, lowering and XLA's own work."""
    import jax

    intervals: list[tuple[float, float]] = []

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        if event in EVENTS:
            now = time.perf_counter()
            intervals.append((now - duration_secs, now))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield intervals
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def total(intervals: list[tuple[float, float]]) -> float:
    """Length of the union: functions are traced within functions, and must not count twice.

    Example:
      >>> from jaxbm.cli.compiling import total
      >>> total([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0)])
      4.0
    """
    length, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        length += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return length
