"""Where a run of many members keeps its state, so that one that was killed goes on where it stopped."""

from __future__ import annotations

import os
import pathlib
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxbm.core import files, paths
from jaxbm.run.contract import RunState

FILE = "members.npz"
CHECKPOINT_SECONDS = 30.0
"""Training that may be lost: the state is written when so much has come since the last time, between two chunks."""
LARGEST_SHARE = 0.05
"""Of the time at most that much goes into writing: a large state on a slow disk is written more rarely."""


def save_tree(path: pathlib.Path, tree: Any, **more: Any) -> None:
    """Write a tree's arrays to a file, whole or not at all, one after another: the tree is never held twice.

    Args:
      path: the file.
      tree: arrays; typed random keys among them are kept as such.
      more: text and numbers, written beside them.
    """
    named: dict[str, Any] = {name: np.asarray(value) for name, value in more.items()}
    for i, leaf in enumerate(jax.tree.leaves(tree)):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            named[f"key{i}"] = np.asarray(str(jax.random.key_impl(leaf)))
            leaf = jax.random.key_data(leaf)
        named[str(i)] = files.bits(leaf)
    files.write(path, lambda file: np.savez(file, **named))


def load_tree(path: pathlib.Path, like: Any) -> tuple[Any, dict[str, Any]]:
    """`(tree, more)` as `save_tree` wrote them; each array on the device has its memory to itself.

    Args:
      path: the file.
      like: the tree's structure, shapes and dtypes.

    Raises:
      ValueError: the file is damaged, or holds another tree.
    """
    expected, structure = jax.tree.flatten(like)
    leaves: list[Any] = []
    with _reading(path) as stored:
        for i, one in enumerate(expected):
            host = stored[str(i)]
            if f"key{i}" in stored:
                leaf = jax.random.wrap_key_data(jnp.array(host), impl=str(stored[f"key{i}"]))
            else:  # a copy, since a run donates its state; there before the next array is read
                host = host.view(one.dtype) if one.dtype == jnp.bfloat16 else host
                leaf = jax.block_until_ready(jax.device_put(host, may_alias=False))
            if leaf.shape != one.shape or leaf.dtype != one.dtype:
                raise ValueError(f"expected {one.dtype}{list(one.shape)}, got {leaf.dtype}{list(leaf.shape)}")
            leaves.append(leaf)
            del host
        more = {name: stored[name].item() for name in stored.files if not name.removeprefix("key").isdigit()}
    return jax.tree.unflatten(structure, leaves), more


@contextmanager
def _reading(path: pathlib.Path) -> Iterator[Any]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            yield stored
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: damaged or of another version; remove it to begin anew: {error}") from None


def check_folder(folder: str | os.PathLike[str], known: Sequence[str], kind: str) -> pathlib.Path:
    """`folder` as a path; ValueError where it is a file, or holds something else than `known` (endings count)."""
    folder = paths.folder_path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder: expected a folder, {folder} is a file")
    for entry in folder.iterdir() if folder.exists() else ():
        if not entry.name.removesuffix(".partial").startswith(tuple(known)):
            raise ValueError(f"folder: {folder} holds something that is not {kind}; choose another folder")
    return folder


class Checkpoint:
    """The file that one run's state is kept in.

    Args:
      folder: made when something is kept.
      fingerprint: gives that of everything that decides the results; asked when there is something to compare it
        with or to write, since it reads all data, which takes longer than a short run has.

    Raises:
      ValueError: the folder holds a run of other data or options, or something else.
    """

    def __init__(self, folder: str | os.PathLike[str], fingerprint: Callable[[], str]):
        self.path = check_folder(folder, (FILE,), "a run of members") / FILE
        self._fingerprint = fingerprint
        self._kept, self._pause = 0.0, CHECKPOINT_SECONDS
        if self.path.exists() and _told(self.path) != self.fingerprint:
            raise ValueError(
                f"folder: {self.path.parent} holds a run of other data or options; go on with the ones it was "
                "started with, choose another folder, or remove it"
            )

    @cached_property
    def fingerprint(self) -> str:
        """Of the run."""
        return self._fingerprint()

    def load(self, like: Callable[[], RunState]) -> tuple[RunState, float] | None:
        """The state that was kept, of the shapes that `like` gives, and the seconds of training behind it; None where
        nothing was."""
        if not self.path.exists():
            return None
        state, more = load_tree(self.path, like())
        self._kept = float(more["seconds"])
        return state, self._kept

    def is_due(self, seconds: float) -> bool:
        """Whether a state with so many seconds of training behind it is to be kept."""
        return self.unkept(seconds) >= self._pause

    def unkept(self, seconds: float) -> float:
        """How many of these seconds of training the file does not hold."""
        return seconds - self._kept

    def save(self, state: RunState, seconds: float) -> None:
        """Keep the state, with so many seconds of training behind it, instead of the one before."""
        began = time.perf_counter()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save_tree(self.path, state, fingerprint=self.fingerprint, seconds=seconds)
        self._kept, self._pause = seconds, max(CHECKPOINT_SECONDS, (time.perf_counter() - began) / LARGEST_SHARE)

    def remove(self) -> None:
        """Nothing is kept any more."""
        if self.path.parent.exists():
            for path in self.path.parent.glob(f"{FILE}*"):  # half of one, too, that a kill left
                path.unlink()
            self.path.parent.rmdir()


def _told(path: pathlib.Path) -> str:
    with _reading(path) as stored:
        return str(stored["fingerprint"])
