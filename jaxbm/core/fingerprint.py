"""A digest of everything that decides a run's results, to know a folder's run again in another process."""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def fingerprint(*parts: Any) -> str:
    """A digest that is the same in another process: of arrays by their bytes, of functions by their code.

    Args:
      parts: arrays, keys, numbers, text, containers and dataclasses of them, and functions. A function counts with
        its code, its defaults and what it closes over (an Optax optimizer keeps its numbers there), not with the
        globals that it reads.

    Example:
      >>> from jaxbm.core.fingerprint import fingerprint
      >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 1) != fingerprint(lambda x: x + 2)
      True
    """
    digest = hashlib.sha256()
    _feed(digest, parts, {})
    return digest.hexdigest()


def _feed(digest: Any, value: Any, seen: dict[int, int]) -> None:
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        _feed_array(digest, value)
        return
    told = value if isinstance(value, str | bytes | int | float | complex | type(None)) else None
    digest.update(f"{type(value).__qualname__}:{told!r};".encode())
    if told is not None or value is None:
        return
    if hasattr(value, "__dict__"):  # may lead back to itself, as a function that closes over itself does
        digest.update(f"{seen.get(id(value))};".encode())
        if id(value) in seen:
            return
        seen[id(value)] = len(seen)
    for part in _parts(value):
        _feed(digest, part, seen)


def _feed_array(digest: Any, array: Any) -> None:
    if isinstance(array, jax.Array) and jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        digest.update(str(jax.random.key_impl(array)).encode())
        array = jax.random.key_data(array)
    host = np.ascontiguousarray(array)
    digest.update(f"{host.dtype}{host.shape};".encode())
    if host.dtype.hasobject:
        digest.update(repr(host.tolist()).encode())
    elif host.size:
        digest.update(host.reshape(-1).view(np.uint8))


def _parts(value: Any) -> tuple[Any, ...]:
    """What an object that is no array, number or text is made of."""
    if isinstance(value, Mapping):
        return tuple(item for pair in value.items() for item in pair)
    if isinstance(value, set | frozenset):
        return tuple(sorted(value, key=repr))
    if isinstance(value, list | tuple):
        return (len(value), *value)
    if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType | np.ufunc):
        return (value.__name__,)
    if isinstance(value, np.dtype):
        return (str(value),)
    if isinstance(value, types.CodeType):
        return (value.co_code, value.co_names, value.co_consts)
    if isinstance(value, types.FunctionType):
        cells = tuple(_content(cell) for cell in value.__closure__ or ())
        return (value.__qualname__, value.__code__, value.__defaults__, value.__kwdefaults__, cells)
    if isinstance(value, types.MethodType):
        return (value.__func__, value.__self__)
    if isinstance(value, functools.partial):
        return (value.func, value.args, value.keywords)
    if hasattr(value, "__wrapped__"):  # a jitted function
        return (value.__wrapped__,)
    if is_dataclass(value):
        return tuple(getattr(value, field.name) for field in fields(value))
    if hasattr(value, "__dict__"):
        return (vars(value),)
    return (repr(value),)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None
