"""What JAX compiles, counted."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax.monitoring

COMPILED = "/jax/core/compile/backend_compile_duration"


@contextmanager
def compilations() -> Iterator[list[str]]:
    """A list that grows by one entry for each program that is compiled meanwhile."""
    found: list[str] = []

    def listen(event: str, seconds: float, **details: object) -> None:
        if event == COMPILED:
            found.append(f"{seconds:.3f} s {details or ''}")

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
