"""A sweep's folder: what is finished, so that a run that was killed goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.kernels.train_mlp.contract import RunState
from jaxbm.persistence import _replace

Scores = dict[str, list[Any]]


class Store:
    """The folder of one sweep; without a folder it keeps nothing.

    Args:
      folder: made where it doesn't exist; None keeps nothing.
      fingerprint: of everything that decides the results.

    Raises:
      ValueError: the folder holds another sweep, or something else.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, fingerprint: str):
        self.folder = None if folder is None else pathlib.Path(folder)
        if self.folder is None:
            return
        about = self.folder / "sweep.json"
        if about.is_file():
            found = json.loads(about.read_text()).get("fingerprint")
            if found != fingerprint:
                raise ValueError(
                    f"folder: {self.folder} holds a sweep of other data or options; choose another folder"
                )
        elif self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise ValueError(f"folder: {self.folder} holds something that is not a sweep; choose another folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        _replace(about, json.dumps({"format": "jaxbm sweep", "version": 1, "fingerprint": fingerprint}).encode())

    def scores(self, rung: int, block: int) -> Scores | None:
        """What a finished block of a rung scored; None where it is not finished."""
        path = self._path(rung, block, "json")
        return json.loads(path.read_text()) if path is not None and path.is_file() else None

    def save(self, rung: int, block: int, scores: Scores, state: RunState | None) -> None:
        """A block has finished a rung; the state comes first, so that scores never stand without it."""
        path = self._path(rung, block, "json")
        if path is None:
            return
        if state is not None:
            from safetensors.numpy import save as pack

            leaves = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
            _replace(path.with_suffix(".safetensors"), pack(leaves))
        _replace(path, json.dumps(scores).encode())

    def state(self, rung: int, block: int, like: RunState) -> RunState:
        """The members' state as it was after a rung."""
        from safetensors.numpy import load as unpack

        path = self._path(rung, block, "safetensors")
        if path is None:
            raise FileNotFoundError("a sweep without a folder keeps no state")
        arrays = unpack(path.read_bytes())
        leaves = [jnp.asarray(arrays[str(i)]) for i in range(len(arrays))]
        return jax.tree.unflatten(jax.tree.structure(like), leaves)

    def _path(self, rung: int, block: int, ending: str) -> pathlib.Path | None:
        return None if self.folder is None else self.folder / f"rung-{rung}-block-{block}.{ending}"


def fingerprint(*parts: Any) -> str:
    """A digest of arrays, and of everything else as text."""
    digest = hashlib.sha256()
    for part in parts:
        for leaf in jax.tree.leaves(part):
            if isinstance(leaf, np.ndarray | jax.Array):
                array = np.ascontiguousarray(leaf)
                digest.update(f"{array.dtype}{array.shape}".encode())
                digest.update(array.tobytes())
            else:
                name = getattr(leaf, "__qualname__", None) if callable(leaf) else None
                digest.update(repr(leaf if name is None else name).encode())
        digest.update(str(jax.tree.structure(part)).encode())
    return digest.hexdigest()
