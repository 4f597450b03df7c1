"""Preparation of a table with numbers, categories and holes."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxbm.benchmarks.cases import Operation
from jaxbm.benchmarks.method import Job


def _frame(rows: int) -> Any:
    import pandas as pd

    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((rows, 10))
    columns: dict[str, Any] = {f"number {i}": numbers[:, i] for i in range(10)}
    columns["number 0"] = np.where(rng.random(rows) < 0.1, np.nan, columns["number 0"])
    for i in range(4):
        columns[f"word {i}"] = rng.choice(["red", "green", "blue", "none of these"], rows)
    columns["target"] = (numbers[:, 1] > 0).astype(int)
    return pd.DataFrame(columns)


def ours(case: Operation) -> Job:
    """`table.prepare`, then features and labels."""
    from jaxbm import table

    frame = _frame(case.shape[0])

    def run(seed: int) -> Any:
        del seed
        preparation = table.prepare(frame, "target")
        return preparation.features(frame), preparation.labels(frame)

    return Job(run)


def sklearn(case: Operation) -> Job:
    """The usual `ColumnTransformer`: imputed and standardised numbers, one-hot words."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = _frame(case.shape[0])
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))

    def run(seed: int) -> Any:
        del seed
        both = make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (words, make_column_selector(dtype_exclude="number")),
        )
        x = both.fit_transform(frame.drop(columns="target"))
        return np.asarray(x, np.float32), frame["target"].to_numpy(np.float32)

    return Job(run)
