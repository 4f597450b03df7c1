"""Save a model to a folder and load it again: safetensors for the arrays, JSON for the rest, no pickle."""

import hashlib
import json
import os
import pathlib
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxbm.core.files import bits, from_bits, replace
from jaxbm.models.mlp import MLP, Dense, Params

FORMAT, VERSION = "jaxbm", 1
ARRAYS, CONFIGURATION = "arrays.safetensors", "model.json"


class Saved(NamedTuple):
    """What `load` finds in a folder."""

    model: MLP
    params: Params
    preparation: Any
    """a `jaxbm.table.Preparation`, or None"""
    metadata: dict[str, Any]


def save(
    folder: str | os.PathLike[str],
    model: MLP,
    params: Params,
    *,
    preparation: Any = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write a model, its parameters and what belongs to them into `folder`, replacing a model saved there before.

    Args:
      folder: made where it doesn't exist.
      model, params: the network.
      preparation: a `jaxbm.table.Preparation`, applied again at prediction.
      metadata: JSON values to keep beside them.

    Raises:
      ValueError: `folder` is a file, or holds something that is not a saved model.

    Example:
      >>> import jax, jaxbm, tempfile
      >>> model = jaxbm.MLP((4, 8, 1))
      >>> params = model.init(jax.random.key(0))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     jaxbm.save(folder, model, params)
      ...     jaxbm.load(folder).model == model
      True
    """
    from safetensors.numpy import save as pack

    folder = check_folder(folder)
    arrays = {}
    for i, layer in enumerate(params):
        arrays[f"{i}.weight"] = bits(layer.weight)
        if layer.bias is not None:
            arrays[f"{i}.bias"] = bits(layer.bias)
    data = pack(arrays)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "sha256": hashlib.sha256(data).hexdigest(),
        "model": {name: getattr(model, name) for name in model.__dataclass_fields__},
        "preparation": None if preparation is None else preparation.to_dict(),
        "metadata": metadata or {},
    }
    text = json.dumps(description, indent=1)  # before anything is written: it may raise
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / ARRAYS, data)
    replace(folder / CONFIGURATION, text.encode())


def check_folder(
    folder: str | os.PathLike[str],
    configuration: str = CONFIGURATION,
    kind: str = "a saved model",
    besides: tuple[str, ...] = (),
) -> pathlib.Path:
    """`folder` as a path, where `save` may write; ValueError if it is a file or holds something else than `kind`.

    Entries named in `besides` do not count, nor does what an interrupted writing left behind.
    """
    folder = pathlib.Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder: expected a folder, {folder} is a file")
    if not folder.exists() or (folder / configuration).exists():
        return folder
    if any(entry.name not in besides and entry.suffix != ".partial" for entry in folder.iterdir()):
        raise ValueError(f"folder: {folder} holds something that is not {kind}; choose another folder")
    return folder


def load(folder: str | os.PathLike[str]) -> Saved:
    """Read what `save` wrote; predictions are bit-identical to those before.

    Raises:
      FileNotFoundError: there is no saved model in `folder`.
      ValueError: a file is damaged or foreign; says which and how.

    Example: see `save`.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    folder = pathlib.Path(folder)
    for name in (CONFIGURATION, ARRAYS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name}: no such file; expected a folder that jaxbm saved")
    description = _description(folder / CONFIGURATION)
    data = (folder / ARRAYS).read_bytes()
    if hashlib.sha256(data).hexdigest() != description["sha256"]:
        raise ValueError(f"{folder / ARRAYS}: damaged, its checksum is not the one in {CONFIGURATION}")
    try:
        arrays = unpack(data)
        model = MLP(**description["model"])
        params = _params(model, arrays)
        preparation = description["preparation"]
        if preparation is not None:
            from jaxbm.table import Preparation

            preparation = Preparation.from_dict(preparation)
        return Saved(model, params, preparation, description["metadata"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder}: damaged, its parts do not fit together: {error}") from error


def _description(path: pathlib.Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged, not readable as JSON: {error}") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise ValueError(f"{path}: expected a model that jaxbm saved, got some other JSON file")
    if description.get("version") != VERSION:
        raise ValueError(f"{path}: expected format version {VERSION}, got {description.get('version')}")
    absent = {"sha256", "model", "preparation", "metadata"} - set(description)
    if absent:
        raise ValueError(f"{path}: damaged, lacks {sorted(absent)}")
    return description


def _params(model: MLP, arrays: dict[str, np.ndarray]) -> Params:
    dtype = jnp.dtype(model.param_dtype)
    layers = []
    for i in range(len(model.sizes) - 1):
        weight, bias = arrays[f"{i}.weight"], arrays[f"{i}.bias"] if model.use_bias else None
        if weight.shape != model.sizes[i : i + 2]:
            raise ValueError(f"layer {i}: expected a weight of shape {model.sizes[i : i + 2]}, got {weight.shape}")
        layers.append(Dense(from_bits(weight, dtype), None if bias is None else from_bits(bias, dtype)))
    return tuple(layers)
