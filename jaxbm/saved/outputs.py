"""What a saved model of any kind says about a table: one model, an ensemble, or models by group."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxbm.members.ensemble import Ensemble
from jaxbm.saved.envelope import MANY
from jaxbm.saved.many_models import load_members
from jaxbm.saved.one_model import load as load_one
from jaxbm.training.predict import predict

if TYPE_CHECKING:
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
    left_out: int = 0
    """rows of the table without a label, where only labelled ones were asked for"""

    @property
    def loss(self) -> str:
        """What the model was trained with; ValueError where nobody noted it."""
        return _noted(self.metadata, "loss")


def outputs_of(folder: str, data: str, *, labelled: bool = False, **reading: Any) -> Outputs:
    """Load a model, an ensemble or models by group, read a table (where asked, only its rows with a label), and apply
    the one to the other. `reading` goes to `table.read`; each column is read as in training."""
    from jaxbm import table

    saved = load_any(folder)
    several = saved if is_members(folder) else None
    frame = whole = table.read(data, like=saved.preparation, **reading)
    if labelled:
        frame = saved.preparation.labelled(whole)
    if several is not None:
        logits = _outputs(several, frame)
        model = several.predictor.model
    else:
        logits = predict(saved.model, saved.params, saved.preparation.features(frame))
        model = saved.model
    return Outputs(model, saved.preparation, saved.metadata, frame, logits, len(whole) - len(frame))


def load_any(folder: str) -> Any:
    """What `load` or `load_members` gives of a folder, saved with its preparation of tables."""
    return _load_members(folder) if is_members(folder) else _load_model(folder)


def _noted(metadata: dict[str, Any], name: str) -> str:
    if name not in metadata:
        raise ValueError(
            f"{name}: expected it in the saved model's metadata, got none; save it with metadata={{{name!r}: ...}}"
        )
    return metadata[name]


def _load_model(folder: str) -> Any:
    """A model saved with its preparation of tables."""
    saved = load_one(folder)
    if saved.preparation is None:
        raise ValueError(f"{folder}: expected a model saved with its preparation of tables, got one without")
    return saved


def is_members(folder: str) -> bool:
    """Whether the folder holds an ensemble or models by group."""
    return (pathlib.Path(folder) / MANY.configuration).is_file()


def _load_members(folder: str) -> Any:
    """They, saved with their preparation of tables."""
    saved = load_members(folder)
    if saved.preparation is None:
        raise ValueError(f"{folder}: expected members saved with their preparation of tables, got them without")
    return saved


def _outputs(saved: Any, frame: pd.DataFrame) -> np.ndarray:
    """Logits `[n, out]` of the rows, for an ensemble those of its mean probabilities; NaN where no model is known."""
    x = saved.preparation.features(frame)
    if isinstance(saved.predictor, Ensemble):
        return ensemble_outputs(saved.predictor, saved.preparation, x)
    group = _noted(saved.metadata, "group")
    if group not in frame.columns:
        raise ValueError(f"group: expected a column {group!r}, got {list(map(str, frame.columns))}")
    return saved.predictor.predict(x, labels_of(frame, group))


def ensemble_outputs(ensemble: Any, preparation: Preparation, x: np.ndarray) -> np.ndarray:
    """The mean for a quantity; for classes the outputs of the members' mean probabilities."""
    if preparation.task == "regression":
        return ensemble.mean(x)
    return preparation.outputs_of(ensemble.probabilities(x))


def labels_of(frame: Any, group: str) -> Any:
    """Each row's group as text, so that a file of another type of column still fits."""
    from jaxbm.table.cells import cells

    found = cells(frame[group])
    return found.spread(np.asarray(found.texts, dtype=str), "nan")
