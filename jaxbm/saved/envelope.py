"""A folder that holds a model, whatever its kind: safetensors for the arrays, JSON for the rest, no pickle.

The JSON file names the file of arrays that belongs to it, and is written last: its renaming is the one moment in
which an old model gives way to a new one. So a kill between the two, or a full disk, leaves the old one whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import Any, NamedTuple

import numpy as np

from jaxbm.core import files, paths
from jaxbm.core.checks import told
from jaxbm.core.extras import needs
from jaxbm.models import registry
from jaxbm.models.protocol import Model

VERSION = 2
"""Of the format; folders of version 1, whose arrays have a fixed name, are read as well."""
UNFINISHED = "unfinished"
"""Where, in the folder that members will be saved in, the command line keeps those in training."""


class Kind(NamedTuple):
    """What a folder holds, and what its files are called."""

    format: str
    configuration: str
    arrays: str
    """name and ending of the file of arrays; its digest stands between them"""
    what: str
    title: str
    besides: tuple[str, ...] = ()
    """what else may lie in the folder"""


ONE = Kind("jaxbm", "model.json", "arrays.safetensors", "a model", "a saved model")
MANY = Kind("jaxbm members", "members.json", "members.safetensors", "members", "saved members", (UNFINISHED,))


class Content(NamedTuple):
    """What was read from a folder."""

    model: Model
    arrays: dict[str, np.ndarray]
    described: dict[str, Any]
    preparation: Any
    metadata: dict[str, Any]


def check_folder(folder: str | os.PathLike[str], kind: Kind) -> pathlib.Path:
    """`folder` as a path, where a model may be written; ValueError if it is a file or holds something else.

    What an interrupted writing left behind does not count.
    """
    folder = paths.folder_path(folder)
    paths.check_format("folder", folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder: expected a folder, {folder} is a file")
    if not folder.exists() or (folder / kind.configuration).exists():
        return folder
    foreign = [
        entry.name
        for entry in folder.iterdir()
        if not (entry.name in kind.besides or entry.suffix == ".partial" or _is_of_arrays(entry, kind))
    ]
    if foreign:
        raise ValueError(f"folder: {folder} holds {_holds(folder, kind, foreign)}")
    return folder


def _holds(folder: pathlib.Path, kind: Kind, foreign: list[str]) -> str:
    """What lies in a folder instead of `kind`, and what to do."""
    other = MANY if kind is ONE else ONE
    if (folder / other.configuration).exists():
        return f"{_told(folder, other)}, and not {kind.title}; choose another folder, or delete this one"
    if UNFINISHED in foreign:
        choices = "start that command again to go on, choose another folder, or delete this one"
        return f"a run of many members that was stopped ({UNFINISHED}), and not {kind.title}; {choices}"
    return f"something that is not {kind.title}; choose another folder"


def _told(folder: pathlib.Path, kind: Kind) -> str:
    """What of the kind lies in the folder."""
    if kind is ONE:
        return kind.title
    try:
        inner = json.loads((folder / kind.configuration).read_text())["kind"]
    except (ValueError, KeyError, TypeError, OSError):
        inner = None
    return {"ensemble": "a saved ensemble", "groups": "saved models by group"}.get(inner, kind.title)


@needs("saving a model")
def write(
    folder: str | os.PathLike[str],
    kind: Kind,
    model: Model,
    arrays: dict[str, np.ndarray],
    described: dict[str, Any],
    preparation: Any,
    metadata: dict[str, Any] | None,
) -> None:
    """Write a model into `folder`, in place of the one saved there before.

    Raises:
      ValueError: `folder` is a file or holds something else, or the model's class is not registered.
    """
    from safetensors.numpy import save as pack

    folder = check_folder(folder, kind)
    _check_metadata(metadata)
    data = pack(arrays)
    digest = hashlib.sha256(data).hexdigest()
    name = _arrays_name(kind, digest)
    written = json.dumps(  # before anything is written: it may raise
        {
            "format": kind.format,
            "version": VERSION,
            "arrays": name,
            "sha256": digest,
            "model": registry.describe(model),
            "preparation": None if preparation is None else preparation.to_dict(),
            "metadata": metadata or {},
            **described,
        }
    )
    read_again = json.loads(written)
    text = json.dumps(read_again | {"checksum": _checksum(read_again)}, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    with files.exclusive(folder):  # or one would take away another's arrays
        files.replace(folder / name, data)
        files.replace(folder / kind.configuration, text.encode())
        for entry in folder.iterdir():  # the arrays of the model before, or of one that was never finished
            if _is_of_arrays(entry, kind) and entry.name != name:
                entry.unlink(missing_ok=True)


@needs("loading a model")
def read(folder: str | os.PathLike[str], kind: Kind) -> Content:
    """What `write` wrote, whole.

    Raises:
      FileNotFoundError: there is nothing of the kind in `folder`.
      ValueError: a file is damaged or foreign; says which, and what to do.
    """
    folder = paths.folder_path(folder)
    if not (folder / kind.configuration).is_file():
        inside = folder / "model"  # a sweep keeps its best one there
        is_file = "; a file came, and the model's folder comes first" if folder.is_file() else ""
        there = f"; there is one in {inside}" if (inside / kind.configuration).is_file() else ""
        raise FileNotFoundError(
            f"{folder / kind.configuration}: no such file; expected a folder that jaxbm saved {kind.what} in"
            f"{is_file or there}"
        )
    stamp = None
    while (found := _stamp(folder / kind.configuration)) != stamp:  # again where another was saved meanwhile
        stamp = found
        described = _described(folder / kind.configuration, kind)
        path = folder / pathlib.Path(str(described.get("arrays", kind.arrays))).name
        data = _bytes(path)
        if data is not None and hashlib.sha256(data).hexdigest() == described["sha256"]:
            return _checked(folder / kind.configuration, _content(folder, data, described))
    if data is None:
        raise FileNotFoundError(f"{path}: no such file; copy it from where it was saved, or save {kind.what} again")
    raise ValueError(
        f"{path}: damaged, its checksum is not the one in {kind.configuration}; copy or save the model again"
    )


def _checksum(described: dict[str, Any]) -> str:
    """Of what the configuration says, however it is laid out."""
    said = {name: value for name, value in described.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _checked(path: pathlib.Path, content: Content) -> Content:
    """ValueError where every part fits and a number or a name isn't the one that was saved."""
    told_sum = content.described.get("checksum")  # none in older files
    if told_sum is not None and told_sum != _checksum(content.described):
        raise ValueError(
            f"{path}: damaged, its checksum is not that of what it says; copy it from where it was saved, or "
            "save the model again"
        )
    return content


def _stamp(path: pathlib.Path) -> tuple[int, int]:
    """What changes whenever the file is written anew."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def _bytes(path: pathlib.Path) -> bytes | None:
    """A file's content; None where there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None


def _content(folder: pathlib.Path, data: bytes, described: dict[str, Any]) -> Content:
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    with fits_together(folder, SafetensorError):
        arrays = unpack(data)
        model = registry.restore(described["model"])
        preparation = described["preparation"]
        if preparation is not None:
            from jaxbm.table import Preparation

            preparation = Preparation.from_dict(preparation)
        return Content(model, arrays, described, preparation, described["metadata"])


def _check_metadata(metadata: Any) -> None:
    """TypeError where it can't be written as JSON."""
    if metadata is not None and not isinstance(metadata, dict):
        raise TypeError(f"metadata: expected a dictionary of JSON values, got {told(metadata)}")
    try:
        json.dumps(metadata)
    except (TypeError, ValueError) as error:
        raise TypeError(f"metadata: expected a dictionary of JSON values: {error}") from None


class fits_together:
    """Errors of the body mean that a folder's parts are damaged: they become one ValueError that says so."""

    def __init__(self, folder: str | os.PathLike[str], *more: type[Exception]):
        self.folder = folder
        self.errors: tuple[type[Exception], ...] = (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            IndexError,
            *more,
        )

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, self.errors):
            told = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(
                f"{self.folder}: damaged, its parts do not fit together; save the model again: {told}"
            ) from error


def _described(path: pathlib.Path, kind: Kind) -> dict[str, Any]:
    try:
        described = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:  # of decoding, of a number too long, of one bracket in another
        raise ValueError(f"{path}: damaged, not readable as JSON; save the model again: {error}") from None
    if not isinstance(described, dict) or described.get("format") != kind.format:
        raise ValueError(
            f"{path}: expected {kind.what} that jaxbm saved, got some other JSON file; choose another folder"
        )
    version = described.get("version")
    if type(version) is not int or version not in range(1, VERSION + 1):
        raise ValueError(
            f"{path}: expected format version 1 to {VERSION}, got {told(version)}; install the version of jaxbm that "
            "wrote it, or save the model again"
        )
    absent = {"sha256", "model", "preparation", "metadata"} - set(described)
    if absent:
        raise ValueError(f"{path}: damaged, lacks {sorted(absent)}; save the model again")
    if not isinstance(described["metadata"], dict):
        raise ValueError(f"{path}: damaged, its metadata are no dictionary; save the model again")
    kind_of_model = described["model"].get("kind", "MLP") if isinstance(described["model"], dict) else "MLP"
    if not isinstance(kind_of_model, str) or kind_of_model not in registry.KINDS:
        raise ValueError(
            f"{path}: holds a model of the class {kind_of_model!r}; import the module that registers it first "
            "(jaxbm.models.register)"
        )
    return described


def _arrays_name(kind: Kind, digest: str) -> str:
    stem, ending = kind.arrays.split(".")
    return f"{stem}-{digest[:12]}.{ending}"


def _is_of_arrays(path: pathlib.Path, kind: Kind) -> bool:
    stem, ending = kind.arrays.split(".")
    return path.name == kind.arrays or (path.name.startswith(f"{stem}-") and path.suffix == f".{ending}")
