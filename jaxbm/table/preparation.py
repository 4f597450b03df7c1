"""What was learned from a table, applied to others."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.names import unknown
from jaxbm.table.columns import Column, encode
from jaxbm.table.target import distinct, numbered

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Preparation:
    """Everything that was learned from the training rows; made by `prepare`."""

    target: str
    task: str
    columns: list[Column]
    classes: list[Any] = field(default_factory=list)
    target_center: float = 0.0
    target_scale: float = 1.0
    steps: list[str] = field(default_factory=list)

    @property
    def n_outputs(self) -> int:
        """Width of the network's last layer: 1, or the number of classes when there are three or more."""
        return len(self.classes) if self.task == "multiclass" else 1

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in order."""
        names: list[str] = []
        for column in self.columns:
            many = [f"{column.name}={c}" for c in column.categories]
            names += many if column.kind == "category" else [column.name]
            names += [f"{column.name} is missing"] if column.indicator else []
        return names

    def features(self, frame: pd.DataFrame) -> np.ndarray:
        """float32 `[n, features]`, the same transformation every time; the target is not needed.

        A category not seen in training becomes all zeros, with one warning per column.

        Raises:
          ValueError: a column is missing, or holds text where numbers were.
        """
        absent = [column.name for column in self.columns if column.name not in frame.columns]
        if absent:
            raise ValueError(f"table: expected the columns of the training table, missing {absent}")
        parts = [part for column in self.columns for part in encode(column, frame[column.name])]
        return np.stack(parts, axis=1).astype(np.float32) if parts else np.zeros((len(frame), 0), np.float32)

    def labels(self, frame: pd.DataFrame) -> np.ndarray:
        """int32 class numbers, or the scaled float32 quantity.

        Raises:
          ValueError: the target column is missing, or holds a class that training did not see.
        """
        if self.target not in frame.columns:
            raise unknown("target", self.target, map(str, frame.columns))
        column = frame[self.target]
        if column.isna().any():
            raise ValueError(
                f"target {self.target!r}: expected a label in each row, {int(column.isna().sum())} lack one"
            )
        if self.task == "regression":
            numbers = column.to_numpy(np.float64)
            return ((numbers - self.target_center) / self.target_scale).astype(np.float32)
        number = {name: i for i, name in enumerate(self.classes)}
        strange = sorted({str(v) for v in distinct(column)[1] if v not in number})
        if strange:
            raise ValueError(f"target {self.target!r}: expected one of {self.classes}, got {strange}")
        return numbered(column, number)

    def unscale(self, y: Any) -> np.ndarray:
        """A regression's outputs in the target's own units."""
        return np.asarray(y, np.float64) * self.target_scale + self.target_center

    def summary(self) -> str:
        """What was done, a line for each step."""
        return "\n".join(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; floats come back exactly."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preparation:
        """The inverse of `to_dict`."""
        return cls(**{**values, "columns": [Column(**column) for column in values["columns"]]})
