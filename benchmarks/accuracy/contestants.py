"""Who competes: our presets, and peers in the settings that their authors recommend.

A contestant is a function `Split -> predictions of the test rows`: probabilities `[n, classes]`, or quantities `[n]`.
What it does is timed as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Split:
    """What a contestant is given: rows to learn from, rows to predict, and what is asked of them."""

    train: pd.DataFrame
    test: pd.DataFrame
    target: str
    task: str
    """"binary", "multiclass" or "regression" """
    classes: list[Any]
    """in the order of the probabilities; none for a regression"""
    seed: int

    @property
    def is_regression(self) -> bool:
        return self.task == "regression"

    @property
    def labels(self) -> pd.Series:
        """Of the rows to learn from."""
        return self.train[self.target]

    def features(self) -> list[pd.DataFrame]:
        """Copies of both parts without the target."""
        return [part.drop(columns=self.target) for part in (self.train, self.test)]

    def kinds(self) -> tuple[list[str], list[str]]:
        """Names of features that are numbers, and of the others."""
        import pandas as pd

        others = [name for name in self.train.columns if name != self.target]
        numbers = [name for name in others if pd.api.types.is_numeric_dtype(self.train[name])]
        return numbers, [name for name in others if name not in numbers]

    def answers(self, model: Any, x: Any) -> np.ndarray:
        """What a fitted model says of the rows to predict."""
        if self.is_regression:
            return np.asarray(model.predict(x), float).ravel()
        known = list(model.classes_)
        return np.asarray(model.predict_proba(x), float)[:, [known.index(name) for name in self.classes]]


@dataclass(frozen=True)
class Contestant:
    """Who competes, by name; `requires` is the module that must be there."""

    name: str
    run: Callable[[Split], np.ndarray]
    requires: str = "sklearn"

    def absence(self) -> str | None:
        """Why it can't compete here."""
        return None if find_spec(self.requires) else f"{self.requires} is not installed"


def _ours(split: Split, *, preset: str) -> np.ndarray:
    import jax

    from jaxbm import tabular

    jax.clear_caches()  # compilation counts: a user has one table
    fitted = tabular.fit(split.train, split.target, preset=preset, task=split.task, seed=split.seed)
    if split.is_regression:
        return fitted.predict(split.test)
    return fitted.probabilities(split.test)[:, [fitted.classes.index(name) for name in split.classes]]


def _categorical(split: Split) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Features with pandas' categories; those that the training rows lack are missing."""
    import pandas as pd

    (_, words), parts = split.kinds(), split.features()
    for name in words:
        levels = sorted(split.train[name].dropna().astype(str).unique())
        for part in parts:
            texts = part[name].where(part[name].isna(), part[name].astype(str))
            part[name] = pd.Categorical(texts.where(texts.isin(levels)), categories=levels)
    return parts[0], parts[1], words


def _sklearn_mlp(split: Split) -> np.ndarray:
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    (numbers, words), (x, x_test) = split.kinds(), split.features()
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoded = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    model: Any = MLPClassifier(random_state=split.seed)
    if split.is_regression:
        model = TransformedTargetRegressor(MLPRegressor(random_state=split.seed), transformer=StandardScaler())
    whole = make_pipeline(ColumnTransformer([("numbers", scaled, numbers), ("words", encoded, words)]), model)
    return split.answers(whole.fit(x, split.labels), x_test)


def _histogram(split: Split) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    x, x_test, _ = _categorical(split)
    kind = HistGradientBoostingRegressor if split.is_regression else HistGradientBoostingClassifier
    model = kind(random_state=split.seed, categorical_features="from_dtype").fit(x, split.labels)
    return split.answers(model, x_test)


def _lightgbm(split: Split) -> np.ndarray:
    import lightgbm

    x, x_test, _ = _categorical(split)
    x.columns = x_test.columns = [f"f{i}" for i in range(x.shape[1])]
    kind = lightgbm.LGBMRegressor if split.is_regression else lightgbm.LGBMClassifier
    model = kind(random_state=split.seed, n_jobs=1, verbose=-1).fit(x, split.labels)
    return split.answers(model, x_test)


def _catboost(split: Split) -> np.ndarray:
    import catboost

    (_, words), (x, x_test) = split.kinds(), split.features()
    for name in words:
        for part in (x, x_test):
            part[name] = part[name].where(part[name].notna(), "missing").astype(str)
    kind = catboost.CatBoostRegressor if split.is_regression else catboost.CatBoostClassifier
    model = kind(random_seed=split.seed, thread_count=1, verbose=0, cat_features=words, allow_writing_files=False)
    return split.answers(model.fit(x, split.labels), x_test)


def _pytabkit(split: Split, *, kind: str) -> np.ndarray:
    import pytabkit
    import torch

    torch.set_num_threads(1)
    numbers, _ = split.kinds()
    x, x_test, words = _categorical(split)
    for name in numbers:  # it takes no missing numbers: the median, and an indicator
        middle = split.train[name].median()
        for part in (x, x_test):
            if split.train[name].isna().any():
                part[f"{name} is missing"] = part[name].isna().astype(float)
            part[name] = part[name].fillna(middle).astype(float)
    for name in words:
        for part in (x, x_test):
            part[name] = part[name].cat.add_categories(["missing"]).fillna("missing")
    made = getattr(pytabkit, kind + ("_Regressor" if split.is_regression else "_Classifier"))
    model = made(device="cpu", random_state=split.seed, n_threads=1, verbosity=0)
    model.fit(x, split.labels.to_numpy(), cat_col_names=words)
    return split.answers(model, x_test)


CONTESTANTS = (
    Contestant("jaxbm accurate", partial(_ours, preset="accurate")),
    Contestant("jaxbm best", partial(_ours, preset="best")),
    Contestant("jaxbm classic", partial(_ours, preset="classic")),
    Contestant("CatBoost", _catboost, "catboost"),
    Contestant("LightGBM", _lightgbm, "lightgbm"),
    Contestant("HistGradientBoosting", _histogram),
    Contestant("scikit-learn MLP", _sklearn_mlp),
    Contestant("RealMLP", partial(_pytabkit, kind="RealMLP_TD"), "pytabkit"),
    Contestant("TabM", partial(_pytabkit, kind="TabM_D"), "pytabkit"),
)
