"""What several commands need."""

from __future__ import annotations

import pathlib
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jaxbm.core import paths
from jaxbm.core.extras import needs
from jaxbm.core.names import MOST
from jaxbm.core.words import some
from jaxbm.tabular.measuring import measure_outputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

    from jaxbm.table import Preparation


def measure(
    model: Any, params: Any, preparation: Preparation, loss: str, x: np.ndarray, y: np.ndarray
) -> dict[str, float]:
    """The loss and the task's metrics, a regression's in the target's own units."""
    import jaxbm

    return measure_outputs(model, jaxbm.predict(model, params, x), preparation, loss, y)


def told_interval(logits: np.ndarray, preparation: Preparation, y: np.ndarray, name: str) -> str:
    """How far the metrics of these rows can be trusted, in a sentence.

    Args:
      logits: `[n, outputs]`.
      preparation: of the table.
      y: labels as `preparation.labels` gives them.
      name: what the rows are called.
    """
    from jaxbm.report import intervals

    if preparation.task == "regression":
        return intervals.regression_line(preparation.predicted(logits), preparation.unscale(y), name)
    return intervals.class_line(preparation.probabilities(logits), y, name, list(preparation.class_array))


def refuse(arguments: Any, beside: str, *names: str) -> None:
    """ValueError naming the first of these options that was given, though it does nothing here.

    Args:
      arguments: of a command.
      beside: what makes them useless, after "expected none".
      *names: the options.
    """
    for name in names:
        if name in arguments.given:
            flag, value = f"--{name.replace('_', '-')}", getattr(arguments, name)
            got = "it" if isinstance(value, bool) else " ".join(map(str, value)) if isinstance(value, list) else value
            raise ValueError(f"{flag}: expected none {beside}, got {got}")


def no_target(columns: Iterable[object]) -> ValueError:
    """What is told where nobody named the target, of these columns."""
    names = some([str(name) for name in columns], MOST)
    return ValueError(f"--target: expected the column to predict, got none; the file has: {names}")


def check_writable(out: str | pathlib.Path, flag: str = "--out") -> None:
    """ValueError naming `flag` where a folder can't be made or written to: before the work, not after it."""
    import tempfile

    paths.check_local(flag, out)
    folder = pathlib.Path(out).absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise ValueError(f"{flag}: expected a folder, {folder} is a file")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"{flag}: cannot write to {folder}: {error.strerror}; choose another folder") from None


def check_can_save(out: str | pathlib.Path) -> None:
    """ValueError, or an error that names a package, where a model can't be kept: before the work, not after it."""
    paths.check_format("--out", pathlib.Path(out))
    check_writable(out)
    needs("saving a model").require("safetensors")


def check_file(path: str | pathlib.Path, flag: str) -> None:
    """ValueError naming `flag` where a file can't be written: before the work, not after it."""
    paths.check_local(flag, path)
    if pathlib.Path(path).is_dir():
        raise ValueError(f"{flag}: expected a file, {path} is a folder")
    check_writable(pathlib.Path(path).absolute().parent, flag)


@contextmanager
def resumable(out: str) -> Iterator[pathlib.Path]:
    """The folder inside `out` that members are kept in until the body is through; Ctrl-C tells what was kept."""
    from jaxbm.saved.many_models import UNFINISHED

    folder = pathlib.Path(out) / UNFINISHED
    if folder.exists():
        print(f"going on with the run that is kept in {folder}")
    try:
        yield folder
    except KeyboardInterrupt as stop:
        print(_kept(folder, getattr(stop, "told", None)), flush=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _kept(folder: pathlib.Path, told: Any) -> str:
    if not folder.exists():
        return "nothing was kept, since training had not begun"
    kept = f"kept in {folder}; start the same command again to go on"
    if told is None:
        return kept
    return f"{told.members_done} of {told.members} members done, epoch {told.epochs_done} of {told.epochs}; {kept}"
