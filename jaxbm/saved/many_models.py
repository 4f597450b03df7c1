"""Save ensembles and models by group to a folder, and load them."""

from __future__ import annotations

import datetime
import decimal
import fractions
import os
import pathlib
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxbm.core.calls import helpful
from jaxbm.core.checks import told
from jaxbm.members.ensemble import Ensemble
from jaxbm.members.result import MembersResult
from jaxbm.models.protocol import Params
from jaxbm.saved import envelope
from jaxbm.saved.arrays import packed, unpacked
from jaxbm.saved.envelope import MANY, UNFINISHED, Content
from jaxbm.studies.fit_groups import GroupsResult
from jaxbm.training.whole_run import FitResult

__all__ = ["UNFINISHED", "SavedMembers", "check_folder", "load_members", "save_members"]

GROUPS = ("labels", "counts", "too_small", "too_small_counts")
POOLED = "pooled."
OBJECTS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "bytes": (bytes, lambda value: value.decode("latin-1"), lambda text: text.encode("latin-1")),
    "datetime": (datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "time": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "Decimal": (decimal.Decimal, str, decimal.Decimal),
    "Fraction": (fractions.Fraction, str, fractions.Fraction),
    "UUID": (uuid.UUID, str, uuid.UUID),
}
"""Python's objects that name groups, each with its text and back; a datetime is a date as well, so it comes first."""


class SavedMembers(NamedTuple):
    """What `load_members` finds in a folder."""

    predictor: Ensemble | GroupsResult
    preparation: Any
    """a `jaxbm.table.Preparation`, or None"""
    metadata: dict[str, Any]


@helpful
def save_members(
    folder: str | os.PathLike[str],
    predictor: Ensemble | GroupsResult,
    *,
    preparation: Any = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write what predicts, and what belongs to it, into `folder`, replacing what was saved there before.

    Args:
      folder: made where it doesn't exist.
      predictor: an `Ensemble` or a `GroupsResult`; of the latter the parameters, labels and counts are kept.
      preparation: a `jaxbm.table.Preparation`, applied again at prediction.
      metadata: JSON values to keep beside them.

    Raises:
      ValueError: `folder` is a file, or holds something that is not saved members.

    Example:
      >>> import jax, jaxbm, numpy as np, tempfile
      >>> x = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
      >>> many = jaxbm.fit_members(jax.random.key(0), jaxbm.MLP((2, 4, 1)), x, x[:, 0], members=3,
      ...     loss="squared_error")
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     jaxbm.save_members(folder, jaxbm.Ensemble.of(many))
      ...     jaxbm.load_members(folder).predictor.members
      3
    """
    arrays: dict[str, np.ndarray] = {}
    described: dict[str, Any]
    if isinstance(predictor, Ensemble):
        arrays |= packed(predictor.params)
        weights = None if predictor.weights is None else np.asarray(predictor.weights).tolist()
        bounds = None if predictor.bounds is None else list(predictor.bounds)
        described = {"kind": "ensemble", "weights": weights, "temperature": predictor.temperature, "bounds": bounds}
        described["meaning"] = predictor.meaning
    else:
        if not isinstance(predictor, GroupsResult):
            hint = "; jaxbm.Ensemble.of makes one of it" if isinstance(predictor, MembersResult) else ""
            raise TypeError(f"predictor: expected an Ensemble or a GroupsResult, got {told(predictor)}{hint}")
        if predictor.result is not None:
            arrays |= packed(predictor.result.params)
        if predictor.pooled is not None:
            arrays |= packed(predictor.pooled.params, POOLED)
        described = {"kind": "groups", **{name: _listed(getattr(predictor, name)) for name in GROUPS}}
    envelope.write(folder, MANY, predictor.model, arrays, described, preparation, metadata)


def check_folder(folder: str | os.PathLike[str]) -> pathlib.Path:
    """`folder` as a path, where `save_members` may write; ValueError if it is a file or holds something else."""
    return envelope.check_folder(folder, MANY)


@helpful
def load_members(folder: str | os.PathLike[str]) -> SavedMembers:
    """Read what `save_members` wrote; predictions are bit-identical to those before.

    Raises:
      FileNotFoundError: there is nothing of the kind in `folder`.
      ValueError: a file is damaged or foreign.

    Example: see `save_members`.
    """
    found = envelope.read(folder, MANY)
    with envelope.fits_together(folder):
        kind = found.described["kind"]
        if kind not in ("ensemble", "groups"):
            raise ValueError(f"kind: expected 'ensemble' or 'groups', got {kind!r}")
        predictor = _ensemble(found) if kind == "ensemble" else _groups(found)
    return SavedMembers(predictor, found.preparation, found.metadata)


def _ensemble(found: Content) -> Ensemble:
    params = unpacked(found.model, found.arrays, members=True)
    bounds = found.described.get("bounds")  # absent from older folders
    return Ensemble(
        found.model,
        params,
        found.described["weights"],
        found.described["temperature"],
        None if bounds is None else (float(bounds[0]), float(bounds[1])),
        found.described.get("meaning", "scores"),
    )


def _groups(found: Content) -> GroupsResult:
    labels, counts, too_small, too_small_counts = (_from_list(found.described[name]) for name in GROUPS)
    own = {name: array for name, array in found.arrays.items() if not name.startswith(POOLED)}
    result = pooled = None
    if len(labels):
        params = unpacked(found.model, own, members=True)
        result = MembersResult(*_bare(params, (len(labels),)), models=(found.model,))
    if len(own) < len(found.arrays):
        pooled = _bare(unpacked(found.model, found.arrays, POOLED), ())
    return GroupsResult(found.model, labels, counts, result, too_small, too_small_counts, pooled)


def _listed(values: np.ndarray) -> Any:
    """JSON values; of dates and bytes, which JSON doesn't know, text and what it stands for."""
    if values.dtype.kind in "mM":
        return {"dtype": values.dtype.str, "values": values.astype(np.int64).tolist()}
    if values.dtype.kind == "S":
        return {"dtype": values.dtype.str, "values": [value.decode("latin-1") for value in values.tolist()]}
    if values.dtype.kind != "O" or not len(values):
        return values.tolist()
    one: Any = values.flat[0]
    if isinstance(one, str | bool | int | float | np.generic) and not isinstance(one, bytes):
        return [value.item() if isinstance(value, np.generic) else value for value in values.tolist()]
    kind = next((name for name, (known, _, _) in OBJECTS.items() if isinstance(one, known)), None)
    if kind is None:
        known = ", ".join(OBJECTS)
        raise TypeError(f"predictor: expected groups that are text, numbers or a {known} to save, got {told(one)}")
    return {"object": kind, "values": [OBJECTS[kind][1](value) for value in values.tolist()]}


def _from_list(listed: Any) -> np.ndarray:
    if not isinstance(listed, dict):
        return np.asarray(listed)
    if "object" in listed:
        made = np.empty(len(listed["values"]), object)
        made[:] = [OBJECTS[listed["object"]][2](value) for value in listed["values"]]
        return made
    dtype, values = np.dtype(listed["dtype"]), listed["values"]
    if dtype.kind == "S":
        return np.asarray([value.encode("latin-1") for value in values], dtype)
    return np.asarray(values, np.int64).astype(dtype)


def _bare(params: Params, shape: tuple[int, ...]) -> FitResult:
    """A result of which only the parameters were kept."""
    zero = jnp.zeros(shape, jnp.int32)
    return FitResult(params, None, {}, zero, zero, jnp.ones(shape, bool))
