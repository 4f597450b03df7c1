"""From a table to arrays: read, clean, split, impute, encode, scale; told to the user, saved, applied again.

Everything here runs on the host. pandas and scikit-learn are imported where they are used, so that importing this
module costs nothing.
"""

from __future__ import annotations

import pathlib
import warnings
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxbm.core.names import unknown

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("binary", "multiclass", "regression")
MAX_CLASSES = 20
"""A numeric target of integers with at most this many different values is taken as classes."""
MAX_CATEGORIES = 200
"""A text column's most frequent categories get a feature each, the others none."""
DEMOS = ("breast_cancer", "diabetes", "digits", "iris", "wine")


def read(source: str | pathlib.Path) -> pd.DataFrame:
    """Read a CSV file with a header line.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is empty, has no rows, or names a column twice.
    """
    import pandas as pd

    path = pathlib.Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        names = pd.read_csv(path, nrows=1, header=None, dtype=str, keep_default_na=False).iloc[0].tolist()
        frame = pd.read_csv(path, low_memory=False)  # one type for each column, however long the file
    except (pd.errors.EmptyDataError, IndexError):
        raise ValueError(f"{path}: expected a CSV file with a header and rows, got an empty file") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a CSV file, could not read it: {str(error).strip()}") from None
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: expected each column once, got {twice} more than once")
    if frame.empty:
        raise ValueError(f"{path}: expected rows below the header, got none")
    return frame


def from_arrays(
    x: Any, y: Any = None, *, feature_names: list[str] | None = None, target: str = "target"
) -> pd.DataFrame:
    """A DataFrame from features `[n, d]` and labels `[n]`, columns named x0, x1, ... unless named.

    Raises:
      ValueError: the shapes don't fit.
    """
    import pandas as pd

    x = np.asarray(x)
    names = feature_names or [f"x{i}" for i in range(x.shape[1] if x.ndim == 2 else 0)]
    if x.ndim != 2 or len(names) != x.shape[1]:
        raise ValueError(f"x: expected shape [n, {len(names)}], got {list(x.shape)}")
    frame = pd.DataFrame(x, columns=names)
    if y is not None:
        if np.shape(y) != (len(x),):
            raise ValueError(f"y: expected shape [{len(x)}], got {list(np.shape(y))}")
        frame[target] = np.asarray(y)
    return frame


def demo(name: str = "breast_cancer") -> tuple[pd.DataFrame, str]:
    """A real data set that scikit-learn carries, and the name of its target column.

    Named classes keep scikit-learn's order, so that splits and figures compare with those of its own users.

    Raises:
      ValueError: `name` is not in `DEMOS`.
    """
    if name not in DEMOS:
        raise unknown("demo", name, DEMOS)
    import pandas as pd
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = bunch.frame
    if name not in ("diabetes", "digits"):
        frame["target"] = pd.Categorical.from_codes(bunch.target, bunch.target_names)
    return frame, "target"


def task_of(frame: pd.DataFrame, target: str, task: str | None = None) -> str:
    """ "binary", "multiclass" or "regression".

    Text and boolean targets are classes; so are integers with at most `MAX_CLASSES` different values; other
    numbers are a quantity. `task` decides instead where given; "classification" leaves the number of classes open.

    Raises:
      ValueError: no such column, `task` is unknown, one class only, or text in the target of a regression.
    """
    import pandas as pd

    if target not in frame.columns:
        raise unknown("target", target, map(str, frame.columns))
    if task not in (None, "classification", *TASKS):
        raise unknown("task", task, ("classification", *TASKS))
    column = frame[target].dropna()
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if task == "regression":
        if not numeric:
            numbers = pd.to_numeric(column, errors="coerce")
            first = numbers.isna().idxmax()
            raise ValueError(
                f"target {target!r}: expected numbers for a regression, got {column[first]!r} in row {first}"
            )
        return task
    values = column.nunique()
    whole = numeric and bool((column == np.floor(column)).all())
    if task is None and numeric and not (whole and values <= MAX_CLASSES):
        return "regression"
    if values < 2:
        shown = "no label at all" if values == 0 else f"only {column.iloc[0]!r}"
        raise ValueError(f"target {target!r}: expected two or more classes, got {shown}")
    if task == "binary" and values > 2:
        raise ValueError(f"target {target!r}: expected two classes for task='binary', got {values}")
    return "multiclass" if task == "multiclass" or values > 2 else "binary"


def split(
    frame: pd.DataFrame, target: str, *, task: str | None = None, test_size: float = 0.2, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shuffle and split into training and test rows, stratified for classes; rows without a label are left out.

    Raises:
      ValueError: as for `task_of`, or no rows are left, or `test_size` leaves one side empty.
    """
    from sklearn.model_selection import train_test_split

    task = task_of(frame, target, task)
    rows = labelled(frame, target)
    if not 0 < test_size < 1:
        raise ValueError(f"test_size: expected a number between 0 and 1, got {test_size}")
    codes = None
    if task != "regression":
        known = _classes(rows[target])
        codes = _numbered(rows[target], known)
        rare = [str(name) for name, count in zip(known, np.bincount(codes), strict=True) if count < 2]
        if rare:
            raise ValueError(
                f"target {target!r}: expected two or more rows of each class to split, got one of {rare}"
            )
    train, test = train_test_split(rows, test_size=test_size, random_state=seed, stratify=codes)
    return train, test


def split_summary(frame: pd.DataFrame, target: str, parts: dict[str, int]) -> list[str]:
    """What happened before `prepare`, a line for each step.

    Args:
      frame: the whole table.
      target: the column to predict.
      parts: `{"training": rows, "test": rows}`; empty when the table was not split.
    """
    rows = labelled(frame, target)
    steps = [f"{len(frame)} rows, {frame.shape[1] - 1} columns and the target {target!r}"]
    if len(rows) < len(frame):
        steps.append(f"dropped {len(frame) - len(rows)} rows without a label")
    twice = int(rows.duplicated().sum())
    if twice:
        steps.append(f"found {twice} duplicate rows, kept" + ("; copies may lie on both sides" if parts else ""))
    if parts:
        told = ", ".join(f"{count} {name}" for name, count in parts.items() if count)
        steps.append(f"split at random: {told}")
    return steps


@dataclass
class Column:
    """How one column of the table becomes features."""

    name: str
    kind: str
    """"number", "boolean" or "category" """
    center: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    """what stands in for a missing number: the median of the training rows"""
    indicator: bool = False
    """whether a feature tells that the value was missing"""
    categories: list[str] = field(default_factory=list)


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
        parts = [part for column in self.columns for part in _encode(column, frame[column.name])]
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
        strange = sorted({str(v) for v in _distinct(column)[1] if v not in number})
        if strange:
            raise ValueError(f"target {self.target!r}: expected one of {self.classes}, got {strange}")
        return _numbered(column, number)

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


def prepare(
    frame: pd.DataFrame,
    target: str,
    *,
    task: str | None = None,
    fit_rows: int | None = None,
    steps: list[str] | None = None,
) -> Preparation:
    """Learn from training rows how the table becomes arrays.

    Args:
      frame: training rows.
      target: the column to predict.
      task: as for `task_of`.
      fit_rows: statistics come from that many rows from the start, None for all; the rest, such as validation
        rows, only have to agree in their columns.
      steps: what was done to the table before, as `split_summary` tells it; kept and told with the rest.

    Raises:
      ValueError: as for `task_of`; a column holds dates; no row or no column is left.

    Example:
      >>> from jaxbm import table
      >>> frame, target = table.demo("iris")
      >>> preparation = table.prepare(frame, target)
      >>> preparation.task, preparation.features(frame).shape
      ('multiclass', (150, 4))
    """
    task = task_of(frame, target, task)
    rows = labelled(frame, target)
    fitted = rows if fit_rows is None else rows.iloc[:fit_rows]
    result = Preparation(target, task, [])
    features = [name for name in frame.columns if name != target]
    result.steps += split_summary(frame, target, {}) if steps is None else steps
    result.steps.append(f"task: {task}")
    if task == "regression":
        numbers = fitted[target].to_numpy(np.float64)
        result.target_center, result.target_scale = float(numbers.mean()), float(numbers.std()) or 1.0
        result.steps.append(
            f"scaled the target by mean {result.target_center:.4g}, deviation {result.target_scale:.4g}"
        )
    else:
        classes = _classes(rows[target])
        result.classes = list(classes)
        counts = np.bincount(_numbered(rows[target], classes))
        result.steps.append("classes: " + ", ".join(f"{name} ({counts[i]})" for name, i in classes.items()))
    dropped = _learn_columns(result, fitted[features])
    if dropped:
        told = ", ".join(dropped)
        result.steps.append(f"dropped columns that are constant, empty or differ in nearly every row: {told}")
    if not result.columns:
        raise ValueError("table: expected at least one column that varies, apart from the target; none is left")
    _tell(result, rows[features])
    return result


def labelled(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """The rows that have a label: neither missing nor infinite.

    Raises:
      ValueError: there is no such column, or no row is left.
    """
    import pandas as pd

    if target not in frame.columns:
        raise unknown("target", target, map(str, frame.columns))
    kept = frame[target].notna()
    if pd.api.types.is_float_dtype(frame[target]):
        kept &= np.isfinite(frame[target].fillna(0))
    if not kept.any():
        raise ValueError(f"target {target!r}: expected rows with a label, none is left of {len(frame)}")
    return frame[kept]


def _classes(labels: pd.Series) -> dict[Any, int]:
    """Class -> number: in the order of a categorical column, else sorted."""
    import pandas as pd

    found = set(_distinct(labels)[1])
    ordered = sorted(found, key=lambda v: (str(type(v)), v))
    if isinstance(labels.dtype, pd.CategoricalDtype):
        ordered = [_plain(v) for v in labels.cat.categories]
    return {name: i for i, name in enumerate(name for name in ordered if name in found)}


def _distinct(labels: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """`(codes, values)`: what stands in each row, as a place in the list of different values."""
    codes, values = labels.factorize()
    return codes, [_plain(v) for v in values]


def _numbered(labels: pd.Series, classes: dict[Any, int]) -> np.ndarray:
    """int32 `[n]`: the number of each row's class."""
    codes, values = _distinct(labels)
    return np.asarray([classes[v] for v in values], np.int32)[codes]


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _learn_columns(result: Preparation, fitted: pd.DataFrame) -> list[str]:
    dropped = []
    for name in fitted.columns:
        column = _learn_column(str(name), fitted[name])
        if column is None:
            dropped.append(str(name))
        else:
            result.columns.append(column)
    return dropped


def _learn_column(name: str, values: pd.Series) -> Column | None:
    import pandas as pd

    kind = _kind(name, values)
    if kind == "category":
        counts = _text(values).dropna().value_counts()
        missing = bool(values.isna().any())
        if len(counts) + missing < 2 or _is_identifier(counts):
            return None
        return Column(name, kind, indicator=missing, categories=sorted(counts.index[:MAX_CATEGORIES]))
    numbers = _numbers(name, pd.Series(values))
    known = numbers[~np.isnan(numbers)]
    missing = len(known) < len(numbers)
    if not len(known) or (known.min() == known.max() and not missing):
        return None
    fill = float(np.median(known))
    filled = np.where(np.isnan(numbers), fill, numbers)
    deviation = float(filled.std())
    return Column(name, kind, float(filled.mean()), deviation if deviation > 0 else 1.0, fill, missing)


def _text(values: pd.Series) -> pd.Series:
    import pandas as pd

    if pd.api.types.infer_dtype(values) == "string":
        return values.astype(object)
    # A column of whole numbers with a gap is read as floats: 1.0 is the category "1" all the same.
    return values.astype(object).map(lambda v: str(_plain(v)), na_action="ignore")


def _is_identifier(counts: pd.Series) -> bool:
    return len(counts) > MAX_CLASSES and len(counts) > 0.9 * counts.sum()


def _kind(name: str, values: pd.Series) -> str:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values):
        raise _date(name)
    if pd.api.types.is_bool_dtype(values):
        return "boolean"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    known = pd.Series(values.dropna().unique())
    if len(known) and {str(v).lower() for v in known} <= {"true", "false"}:
        return "boolean"
    if len(known) and known.astype(str).str.fullmatch(r"\d{4}-\d\d?-\d\d?([ T].*)?|\d\d?[/.]\d\d?[/.]\d{4}").all():
        raise _date(name)
    return "category"


def _date(name: str) -> ValueError:
    return ValueError(
        f"column {name!r}: expected numbers, booleans or categories, got dates; turn them into numbers first "
        "(days since a date, month, weekday) or drop the column"
    )


def _numbers(name: str, values: pd.Series) -> np.ndarray:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(values):
        text = values.map(lambda v: {"true": 1.0, "false": 0.0}.get(str(v).lower(), v))
        values = pd.to_numeric(text, errors="coerce")
        wrong = text.notna() & values.isna()
        if wrong.any():
            row = wrong.idxmax()
            raise ValueError(f"column {name!r}: expected numbers, got {text[row]!r} in row {row}")
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _encode(column: Column, values: pd.Series) -> list[np.ndarray]:
    if column.kind == "category":
        missing = values.isna().to_numpy()
        text = _text(values).to_numpy(dtype=object)
        parts = [(text == c) & ~missing for c in column.categories]
        strange = ~missing & ~np.any(parts or [missing], axis=0)
        if strange.any():
            shown = sorted(set(text[strange]))[:5]
            warnings.warn(
                f"column {column.name!r}: {int(strange.sum())} rows hold categories that training did not see "
                f"({', '.join(shown)}); encoded as none of the known ones",
                stacklevel=4,
            )
        parts = [part.astype(np.float64) for part in parts]
    else:
        numbers = _numbers(column.name, values)
        missing = np.isnan(numbers)
        parts = [(np.where(missing, column.fill, numbers) - column.center) / column.scale]
    return [*parts, missing.astype(np.float64)] if column.indicator else parts


def _tell(result: Preparation, rows: pd.DataFrame) -> None:
    kinds = {kind: [c for c in result.columns if c.kind == kind] for kind in ("number", "boolean", "category")}
    counts = [f"{len(c)} {kind}" for kind, c in kinds.items() if c]
    result.steps.append(f"features: {len(result.feature_names)} from columns: " + ", ".join(counts))
    numeric = kinds["number"]
    infinite = sum(int(np.isinf(rows[c.name].to_numpy(np.float64, na_value=np.nan)).sum()) for c in numeric)
    if infinite:
        result.steps.append(f"took {infinite} infinite values as missing")
    gaps = {c.name: int(rows[c.name].isna().sum()) for c in result.columns}
    gaps = {name: count for name, count in gaps.items() if count}
    if gaps:
        told = ", ".join(f"{name} ({count})" for name, count in gaps.items())
        result.steps.append(f"filled missing values by the median or no category, with an indicator: {told}")
    if numeric:
        result.steps.append("standardised the numbers by mean and deviation of the training rows")
