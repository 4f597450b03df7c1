"""Saved ensembles and models by group on the command line."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def is_members(folder: str) -> bool:
    """Whether the folder holds an ensemble or models by group."""
    from jaxbm.members.storage import CONFIGURATION

    return (pathlib.Path(folder) / CONFIGURATION).is_file()


def load(folder: str) -> Any:
    """They, saved with their preparation of tables."""
    import jaxbm

    saved = jaxbm.load_members(folder)
    if saved.preparation is None:
        raise ValueError(f"{folder}: expected members saved with their preparation of tables, got them without")
    return saved


def outputs(saved: Any, frame: pd.DataFrame) -> np.ndarray:
    """Logits `[n, out]` of the rows, for an ensemble those of its mean probabilities; NaN where no model is known."""
    import jaxbm
    from jaxbm.cli.groups import labels_of

    x = saved.preparation.features(frame)
    if isinstance(saved.predictor, jaxbm.Ensemble):
        return ensemble_outputs(saved.predictor, saved.preparation.task, x)
    group = saved.metadata["group"]
    if group not in frame.columns:
        raise ValueError(f"group: expected a column {group!r}, got {list(map(str, frame.columns))}")
    return saved.predictor.predict(x, labels_of(frame, group))


def ensemble_outputs(ensemble: Any, task: str, x: np.ndarray) -> np.ndarray:
    """The mean for a quantity; for classes the logits of the members' mean probabilities."""
    import numpy as np

    if task == "regression":
        return ensemble.mean(x)
    logs = np.log(np.maximum(ensemble.probabilities(x), np.finfo(np.float64).tiny))
    return logs[:, 1:] - logs[:, :1] if task == "binary" else logs
