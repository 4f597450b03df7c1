"""A sweep's folder: what is finished, so that a run that was killed goes on where it stopped."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from jaxbm.core import files, paths
from jaxbm.members.checkpoint import Checkpoint, check_folder

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
        self.folder, self.fingerprint = None if folder is None else paths.folder_path(folder), fingerprint
        if self.folder is None:
            return
        about = self.folder / "sweep.json"
        if about.is_file():
            found = json.loads(about.read_text()).get("fingerprint")
            if found != fingerprint:
                raise ValueError(
                    f"folder: {self.folder} holds a sweep of other data or options; choose another folder"
                )
        else:
            check_folder(self.folder, ("sweep.json",), "a sweep")
        self.folder.mkdir(parents=True, exist_ok=True)
        files.replace(about, json.dumps({"format": "jaxbm sweep", "version": 3, "fingerprint": fingerprint}).encode())

    def scores(self, rung: int, block: int) -> Scores | None:
        """What a finished block of a rung scored; None where it is not finished."""
        path = self._path(rung, block)
        return json.loads(path.read_text()) if path is not None and path.is_file() else None

    def save(self, rung: int, block: int, scores: Scores) -> None:
        """A block has finished a rung. Its state is kept first, so that scores never stand without it."""
        path = self._path(rung, block)
        if path is not None:
            files.replace(path, json.dumps(scores).encode())

    def checkpoint(self, block: int) -> Checkpoint | None:
        """Where a block's members are kept, from rung to rung and inside of one."""
        return None if self.folder is None else Checkpoint(self.folder / f"block-{block}", lambda: self.fingerprint)

    def _path(self, rung: int, block: int) -> pathlib.Path | None:
        return None if self.folder is None else self.folder / f"rung-{rung}-block-{block}.json"
