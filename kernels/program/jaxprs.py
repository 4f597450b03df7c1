"""JAX's classes of jaxprs and primitives, which are public in `jax.extend.core`, as the classes of what JAX gives.

To import `jax.extend` takes 25 to 50 ms, a fourth of what else the first call of a small program takes: it loads all
of JAX's extensions, Pallas among them. Here it is loaded where a function runs by XLA after all, or a version of
JAX has these classes under other names.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import jax


def _class(example: Any, *names: str) -> Any:
    kind = type(example)
    return kind if kind.__name__ in names else getattr(importlib.import_module("jax.extend.core"), names[0])


_EMPTY, _NUMBER = jax.make_jaxpr(lambda: None)(), jax.make_jaxpr(lambda: 1)()
ClosedJaxpr: Any = _class(_EMPTY, "ClosedJaxpr", "Jaxpr")
Literal: Any = _class(_NUMBER.jaxpr.outvars[0], "Literal")
Primitive: Any = _class(jax.lax.add_p, "Primitive")


def jaxpr_as_fun(closed: Any) -> Callable[..., list[Any]]:
    """A closed jaxpr as a function of its arguments."""
    function: Callable[..., list[Any]] = importlib.import_module("jax.extend.core").jaxpr_as_fun(closed)
    return function
