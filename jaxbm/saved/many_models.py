"""Save ensembles and models by group to a folder, and load them: safetensors for the arrays, JSON for the rest."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.core.files import bits, from_bits, replace
from jaxbm.members.ensemble import Ensemble
from jaxbm.members.result import MembersResult
from jaxbm.models.mlp import MLP, Dense, Params
from jaxbm.saved import one_model
from jaxbm.studies.fit_groups import GroupsResult
from jaxbm.training.whole_run import FitResult

FORMAT, VERSION = "jaxbm members", 1
ARRAYS, CONFIGURATION = "members.safetensors", "members.json"
UNFINISHED = "unfinished"
"""Where, in the folder that members will be saved in, the command line keeps those in training."""


class SavedMembers(NamedTuple):
    """What `load_members` finds in a folder."""

    predictor: Ensemble | GroupsResult
    preparation: Any
    """a `jaxbm.table.Preparation`, or None"""
    metadata: dict[str, Any]


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
    from safetensors.numpy import save as pack

    folder = check_folder(folder)
    arrays: dict[str, np.ndarray] = {}
    described: dict[str, Any] = {"model": {n: getattr(predictor.model, n) for n in MLP.__dataclass_fields__}}
    if isinstance(predictor, Ensemble):
        _pack("", predictor.params, arrays)
        weights = None if predictor.weights is None else np.asarray(predictor.weights).tolist()
        described |= {"kind": "ensemble", "weights": weights, "temperature": predictor.temperature}
    else:
        if predictor.result is not None:
            _pack("", predictor.result.params, arrays)
        if predictor.pooled is not None:
            _pack("pooled.", predictor.pooled.params, arrays)
        names = ("labels", "counts", "too_small", "too_small_counts")
        described |= {"kind": "groups", **{name: getattr(predictor, name).tolist() for name in names}}
    data = pack(arrays)
    described |= {
        "format": FORMAT,
        "version": VERSION,
        "sha256": hashlib.sha256(data).hexdigest(),
        "preparation": None if preparation is None else preparation.to_dict(),
        "metadata": metadata or {},
    }
    text = json.dumps(described, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / ARRAYS, data)
    replace(folder / CONFIGURATION, text.encode())


def check_folder(folder: str | os.PathLike[str]) -> pathlib.Path:
    """`folder` as a path, where `save_members` may write; ValueError if it is a file or holds something else."""
    return one_model.check_folder(folder, CONFIGURATION, "saved members", (UNFINISHED,))


def load_members(folder: str | os.PathLike[str]) -> SavedMembers:
    """Read what `save_members` wrote; predictions are bit-identical to those before.

    Raises:
      FileNotFoundError: there is nothing of the kind in `folder`.
      ValueError: a file is damaged or foreign.

    Example: see `save_members`.
    """
    from safetensors.numpy import load as unpack

    folder = pathlib.Path(folder)
    for name in (CONFIGURATION, ARRAYS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name}: no such file; expected a folder that jaxbm saved members in")
    try:
        described = json.loads((folder / CONFIGURATION).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{folder / CONFIGURATION}: damaged, not readable as JSON: {error}") from None
    if described.get("format") != FORMAT or described.get("version") != VERSION:
        raise ValueError(f"{folder / CONFIGURATION}: expected members that jaxbm saved in format version {VERSION}")
    data = (folder / ARRAYS).read_bytes()
    if hashlib.sha256(data).hexdigest() != described["sha256"]:
        raise ValueError(f"{folder / ARRAYS}: damaged, its checksum is not the one in {CONFIGURATION}")
    arrays = unpack(data)
    model = MLP(**described["model"])
    preparation = described["preparation"]
    if preparation is not None:
        from jaxbm.table import Preparation

        preparation = Preparation.from_dict(preparation)
    predictor = (
        _ensemble(model, described, arrays) if described["kind"] == "ensemble" else _groups(model, described, arrays)
    )
    return SavedMembers(predictor, preparation, described["metadata"])


def _ensemble(model: MLP, described: dict[str, Any], arrays: dict[str, np.ndarray]) -> Ensemble:
    return Ensemble(model, _params("", model, arrays), described["weights"], described["temperature"])


def _groups(model: MLP, described: dict[str, Any], arrays: dict[str, np.ndarray]) -> GroupsResult:
    names = ("labels", "counts", "too_small", "too_small_counts")
    labels, counts, too_small, too_small_counts = (np.asarray(described[name]) for name in names)
    result = pooled = None
    if len(labels):
        params = _params("", model, arrays)
        result = MembersResult(*_bare(params, (len(labels),)), models=(model,))
    if "pooled.0.weight" in arrays:
        pooled = _bare(_params("pooled.", model, arrays), ())
    return GroupsResult(model, labels, counts, result, too_small, too_small_counts, pooled)


def _bare(params: Params, shape: tuple[int, ...]) -> FitResult:
    """A result of which only the parameters were kept."""
    zero = jnp.zeros(shape, jnp.int32)
    return FitResult(params, None, {}, zero, zero, jnp.ones(shape, bool))


def _pack(prefix: str, params: Params, arrays: dict[str, np.ndarray]) -> None:
    for i, layer in enumerate(jax.tree.map(bits, params)):
        arrays[f"{prefix}{i}.weight"] = layer.weight
        if layer.bias is not None:
            arrays[f"{prefix}{i}.bias"] = layer.bias


def _params(prefix: str, model: MLP, arrays: dict[str, np.ndarray]) -> Params:
    dtype = jnp.dtype(model.param_dtype)
    layers = []
    for i in range(len(model.sizes) - 1):
        weight, bias = arrays[f"{prefix}{i}.weight"], arrays.get(f"{prefix}{i}.bias")
        layers.append(Dense(from_bits(weight, dtype), None if bias is None else from_bits(bias, dtype)))
    return tuple(layers)
