"""What several commands need."""

from __future__ import annotations

import pathlib
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

    from jaxbm.table import Preparation


class Outputs(NamedTuple):
    """What a saved model of any kind says about a table."""

    model: Any
    preparation: Preparation
    metadata: dict[str, Any]
    frame: pd.DataFrame
    logits: np.ndarray
    """`[n, out]`; NaN for rows of a group without a model"""


def outputs_of(folder: str, data: str, *, labelled: bool = False) -> Outputs:
    """Load a model, an ensemble or models by group, read a table (where asked, only its rows with a label), and apply
    the one to the other."""
    import jaxbm
    from jaxbm import table
    from jaxbm.cli import members

    several = members.load(folder) if members.is_members(folder) else None
    saved = several or load_model(folder)
    frame = whole = table.read(data)
    if labelled:
        frame = table.labelled(whole, saved.preparation.target)
        if len(frame) < len(whole):
            print(f"left out {len(whole) - len(frame)} rows without a label")
    if several is not None:
        logits = members.outputs(several, frame)
        return Outputs(several.predictor.model, several.preparation, several.metadata, frame, logits)
    logits = jaxbm.predict(saved.model, saved.params, saved.preparation.features(frame))
    return Outputs(saved.model, saved.preparation, saved.metadata, frame, logits)


def measure(
    model: Any, params: Any, preparation: Preparation, loss: str, x: np.ndarray, y: np.ndarray
) -> dict[str, float]:
    """The loss and the task's metrics, a regression's in the target's own units."""
    import jaxbm

    return measure_outputs(model, jaxbm.predict(model, params, x), preparation, loss, y)


def measure_outputs(
    model: Any, logits: np.ndarray, preparation: Preparation, loss: str, y: np.ndarray
) -> dict[str, float]:
    """`measure` for logits that are there already."""
    from jaxbm import report
    from jaxbm.inference import score

    values = score(model, logits.astype(model.param_dtype), y, loss=loss)
    if preparation.task == "regression":
        predicted, target = preparation.unscale(logits[:, 0]), preparation.unscale(y)
        return values | report.regression_metrics(predicted, target)
    return values | report.class_metrics(report.probabilities(logits), y)


@contextmanager
def resumable(out: str) -> Iterator[pathlib.Path]:
    """The folder inside `out` that members are kept in until the body is through; Ctrl-C tells what was kept."""
    from jaxbm.members.storage import UNFINISHED

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


def load_model(folder: str) -> Any:
    """A model saved with its preparation of tables."""
    import jaxbm

    saved = jaxbm.load(folder)
    if saved.preparation is None:
        raise ValueError(f"{folder}: expected a model saved with its preparation of tables, got one without")
    return saved
