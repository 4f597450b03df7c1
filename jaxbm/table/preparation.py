"""What was learned from a table, applied to others."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.brief import shown
from jaxbm.core.names import suggestion
from jaxbm.losses import KnownLoss, known, meaning
from jaxbm.table.cells import distinct
from jaxbm.table.columns import Column
from jaxbm.table.encoding import encode, numbers_of, row_groups
from jaxbm.table.frames import as_pandas, named, without
from jaxbm.table.target import check_range, has_label, meant, quantity, unlabelled_told

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
    dropped: list[Column] = field(default_factory=list)
    """columns that were left out, each with its reason"""
    missing: list[str] = field(default_factory=list)
    """spellings that stand for missing values in every column, as somebody said"""
    target_decimal: str = "."
    """the decimal mark of a quantity spelled as text"""
    text: list[str] = field(default_factory=list)
    """further columns that are read as text, such as the one that names groups"""
    loss: str | None = None
    """the loss that is trained, where its labels or outputs are others than those of the task's usual losses"""

    @property
    def known_loss(self) -> KnownLoss | None:
        """What is known of `loss`."""
        return None if self.loss is None else known(self.loss)

    @property
    def meaning(self) -> str:
        """What outputs mean, as `jaxbm.losses.OUTPUTS` has it."""
        found = self.known_loss
        return "scores" if found is None else found.entry.outputs

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Those that outputs are, where they are quantiles."""
        found = self.known_loss
        if found is None or self.meaning != "quantiles":
            return ()
        return tuple(float(q) for q in np.reshape(found.numbers["quantiles"], -1))

    @property
    def n_outputs(self) -> int:
        """Width of the network's last layer: the number of classes when there are three or more, of steps between
        ordered ones, of outputs that the loss compares a quantity with; else 1."""
        if self.task == "multiclass":
            return len(self.classes) - (self.meaning == "steps")
        found = self.known_loss
        return 1 if found is None or self.task != "regression" else found.outputs_per_label

    @property
    def n_averaged(self) -> int:
        """How many numbers `averaged` makes of a row's outputs."""
        return self.n_outputs if self.task == "regression" else len(self.classes)

    @property
    def class_array(self) -> np.ndarray:
        """`[classes]`: the classes as an array; of objects where their kinds are mixed, so that 1 stays a number
        beside text."""
        kinds = {"number" if type(name) in (int, float) else type(name) for name in self.classes}
        if len(kinds) <= 1:
            return np.asarray(self.classes)
        found = np.empty(len(self.classes), object)
        found[:] = self.classes
        return found

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in order."""
        return [name for column in self.columns for name in column.feature_names]

    def groups(self) -> dict[str, list[int]]:
        """Column -> places of its features, in order."""
        result, at = {}, 0
        for column in self.columns:
            width = len(column.feature_names)
            result[column.name] = list(range(at, at + width))
            at += width
        return result

    @property
    def text_columns(self) -> list[str]:
        """Columns whose cells a file must hand over as they are spelled: `012` stays `012`."""
        names = [c.name for c in self.columns if c.kind == "category" or c.decimal != "."]
        if any(isinstance(name, str) for name in self.classes) or self.target_decimal != ".":
            names.append(self.target)
        return [*names, *self.text]

    def features(self, frame: pd.DataFrame) -> np.ndarray:
        """float32 `[n, features]`, the same transformation every time; the target is not needed.

        A category not seen in training becomes all zeros, with one warning per column; a few cells that aren't
        numbers, or dates, where training saw such are taken as missing, with one warning.

        Raises:
          ValueError: a column is missing, or holds something else than in training.
        """
        frame = without(named(frame), self.missing)
        absent = [column.name for column in self.columns if column.name not in frame.columns]
        if absent:
            near = suggestion(absent[0], [name for name in frame.columns if name != self.target])
            raise ValueError(f"table: expected the columns of the training table, missing {absent}{near}")
        widths = [len(column.feature_names) for column in self.columns]
        out = np.empty((len(frame), sum(widths)), np.float32)
        at = 0
        for column, width in zip(self.columns, widths, strict=True):
            encode(column, frame[column.name], out[:, at : at + width])
            at += width
        return out

    def column_features(self, name: str, frame: pd.DataFrame) -> np.ndarray:
        """float32 `[n, features of the column]`: what `features` has at the places of that column, which is all that
        `frame` needs.

        Raises:
          ValueError: as for `features`.
        """
        column = next(column for column in self.columns if column.name == name)
        out = np.empty((len(frame), len(column.feature_names)), np.float32)
        encode(column, without(named(frame), self.missing)[name], out)
        return out

    def column_numbers(self, name: str, frame: pd.DataFrame) -> np.ndarray:
        """float64 `[n]`: the cells of a column of numbers, dates (seconds since 1970) or times of day (seconds), as
        training understands them; NaN where one is missing.

        Raises:
          ValueError: as for `features`.
        """
        column = next(column for column in self.columns if column.name == name)
        return numbers_of(column, without(named(frame), self.missing)[name])

    def training_features(self, frame: pd.DataFrame, weight: Any = None, *, seed: int = 0) -> np.ndarray:
        """float32 `[n, features]` to train on: as `features`, but target statistics of a row's category are those of
        other rows, in five parts, since those of `features` know the row's own label.

        Args:
          frame: rows with labels.
          weight: nonnegative `[n]`: how much each row counts; None for all the same.
          seed: of the parts.

        Raises:
          ValueError: as for `features` and `labels`.
        """
        from jaxbm.table.category_statistics import Target, copy_groups, inner_parts, statistic_features

        frame = without(named(frame), self.missing)
        out, groups = self.features(frame), self.groups()
        if any(column.outcomes for column in self.columns):
            target = Target.of(self, self.labels(frame), None if weight is None else np.asarray(weight, np.float64))
            seen, parts = np.ones(len(frame), bool), inner_parts(copy_groups(frame), seed)
            for column in self.columns:
                if column.outcomes:
                    codes = row_groups(column, frame[column.name])
                    places = groups[column.name][column.statistic_places]
                    out[:, places] = statistic_features(codes, len(column.known) + 1, target, seen, parts)
        return out

    def labels(self, frame: pd.DataFrame) -> np.ndarray:
        """int32 class numbers, or the scaled float32 quantity.

        Raises:
          ValueError: the target column is missing, or holds a class that training did not see.
        """
        frame = without(named(frame), self.missing)
        self._check_target(frame)
        kept = has_label(frame, self.target, self.task)
        if not kept.all():
            told = unlabelled_told(frame, self.target, self.task)
            raise ValueError(
                f"target {self.target!r}: expected a label in each row, {int((~kept).sum())} lack one: {told}"
            )
        column = frame[self.target]
        if self.task == "regression":
            numbers = quantity(column, self.target_decimal)
            if self.known_loss is not None:
                check_range(self.target, column, numbers, self.known_loss)
            return ((numbers - self.target_center) / self.target_scale).astype(np.float32)
        number = {name: i for i, name in enumerate(self.classes)}
        codes, values = distinct(column)
        known = [meant(value, number) for value in values]
        strange = sorted({str(v) for v, name in zip(values, known, strict=True) if name is None})
        if strange:
            shown = f"{strange[:5]}" + (f" and {len(strange) - 5} more" if len(strange) > 5 else "")
            raise ValueError(f"target {self.target!r}: expected one of {self.classes}, got {shown}")
        return np.asarray([number[name] for name in known], np.int32)[codes]

    def _check_target(self, frame: pd.DataFrame) -> None:
        if self.target not in frame.columns:
            used = {column.name for column in (*self.columns, *self.dropped)}
            near = suggestion(self.target, [name for name in frame.columns if name not in used])
            raise ValueError(
                f"table: expected labels in a column {self.target!r}, there is none{near}; predictions need none"
            )

    def labelled(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows whose label can be read.

        Raises:
          ValueError: the target column is missing, or no row is left.
        """
        frame = as_pandas(frame)
        self._check_target(named(frame))
        kept = has_label(without(named(frame), self.missing), self.target, self.task)
        if not kept.any():
            raise ValueError(f"target {self.target!r}: expected rows with a label, none is left of {len(frame)}")
        return frame if kept.all() else frame[kept]

    def unscale(self, y: Any) -> np.ndarray:
        """A regression's labels in the target's own units; and its outputs, where they are such numbers."""
        return np.asarray(y, np.float64) * self.target_scale + self.target_center

    def predicted(self, outputs: Any) -> np.ndarray:
        """float64 `[...]`: the quantity that outputs `[..., n_outputs]` predict, in the target's own units: the mean,
        or the quantile nearest to the middle."""
        wide = np.asarray(outputs, np.float64)
        return self.unscale(meaning.predicted(wide, self.meaning, self.quantiles or 0.5))

    def further(self, outputs: Any) -> dict[str, np.ndarray]:
        """What else outputs `[n, n_outputs]` of a quantity say of it, by name and in its units: each quantile, or the
        standard deviation."""
        wide = np.asarray(outputs, np.float64)
        if self.meaning in meaning.MEAN_AND_SPREAD:
            return {f"{self.target} deviation": meaning.deviation(wide, self.meaning) * self.target_scale}
        if len(self.quantiles) > 1:
            return {f"{self.target} quantile {q:g}": self.unscale(wide[:, i]) for i, q in enumerate(self.quantiles)}
        return {}

    def probabilities(self, outputs: Any) -> np.ndarray:
        """float64 `[..., classes]` of outputs `[..., n_outputs]`."""
        return meaning.class_probabilities(np.asarray(outputs, np.float64), self.meaning)

    def averaged(self, outputs: Any) -> np.ndarray:
        """float64 `[..., k]`: what of outputs may be averaged over networks: probabilities of classes, moments of a
        quantity."""
        if self.task != "regression":
            return self.probabilities(outputs)
        return meaning.moments(np.asarray(outputs, np.float64), self.meaning)

    def outputs_of(self, averaged: Any) -> np.ndarray:
        """The inverse of `averaged`."""
        wide = np.asarray(averaged, np.float64)
        if self.task == "regression":
            return meaning.outputs_of(wide, self.meaning)
        return meaning.class_outputs(wide, self.meaning, one=self.task == "binary")

    def summary(self) -> str:
        """What was done, a line for each step."""
        return "\n".join(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; floats come back exactly."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preparation:
        """The inverse of `to_dict`; what an older version didn't write has its default."""
        columns = {name: [Column(**column) for column in values.get(name, ())] for name in ("columns", "dropped")}
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known} | columns)

    def __repr__(self) -> str:
        return shown(self)
