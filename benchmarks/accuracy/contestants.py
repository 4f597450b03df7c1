"""Who competes: our presets, and peers in the settings that their authors recommend.

A contestant is a function `(train, test, target, task, classes, seed) -> predictions of the test rows`: probabilities
`[n, classes]`, or quantities `[n]`. What it does is timed as a whole.
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
class Contestant:
    """Who competes, by name; `requires` is the module that must be there."""

    name: str
    run: Callable[..., np.ndarray]
    requires: str = "sklearn"

    def absence(self) -> str | None:
        """Why it can't compete here."""
        return None if find_spec(self.requires) else f"{self.requires} is not installed"


def _ours(
    train: pd.DataFrame, test: pd.DataFrame, target: str, task: str, classes: list[Any], seed: int, *, preset: str
) -> np.ndarray:
    import jax

    from jaxbm import tabular

    jax.clear_caches()  # compilation counts: a user has one table
    fitted = tabular.fit(train, target, preset=preset, task=task, seed=seed)
    if task == "regression":
        return fitted.predict(test)
    return fitted.probabilities(test)[:, [fitted.classes.index(name) for name in classes]]


def _answers(model: Any, x: Any, task: str, classes: list[Any]) -> np.ndarray:
    if task == "regression":
        return np.asarray(model.predict(x), float).ravel()
    return np.asarray(model.predict_proba(x), float)[:, [list(model.classes_).index(name) for name in classes]]


def _kinds(train: pd.DataFrame, target: str) -> tuple[list[str], list[str]]:
    import pandas as pd

    others = [name for name in train.columns if name != target]
    numbers = [name for name in others if pd.api.types.is_numeric_dtype(train[name])]
    return numbers, [name for name in others if name not in numbers]


def _categorical(
    train: pd.DataFrame, test: pd.DataFrame, target: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Features with pandas' categories; those that the training rows lack are missing."""
    import pandas as pd

    _, words = _kinds(train, target)
    parts = [frame.drop(columns=target).copy() for frame in (train, test)]
    for name in words:
        levels = sorted(train[name].dropna().astype(str).unique())
        for part in parts:
            texts = part[name].where(part[name].isna(), part[name].astype(str))
            part[name] = pd.Categorical(texts.where(texts.isin(levels)), categories=levels)
    return parts[0], parts[1], words


def _sklearn_mlp(
    train: pd.DataFrame, test: pd.DataFrame, target: str, task: str, classes: list[Any], seed: int
) -> np.ndarray:
    import warnings

    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers, words = _kinds(train, target)
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoded = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    model: Any = MLPClassifier(random_state=seed)
    if task == "regression":
        model = TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
    whole = make_pipeline(ColumnTransformer([("numbers", scaled, numbers), ("words", encoded, words)]), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged, by its own default number of epochs
        whole.fit(train.drop(columns=target), train[target])
    return _answers(whole, test.drop(columns=target), task, classes)


def _histogram(
    train: pd.DataFrame, test: pd.DataFrame, target: str, task: str, classes: list[Any], seed: int
) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    x, x_test, _ = _categorical(train, test, target)
    kind = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    model = kind(random_state=seed, categorical_features="from_dtype").fit(x, train[target])
    return _answers(model, x_test, task, classes)


def _lightgbm(
    train: pd.DataFrame, test: pd.DataFrame, target: str, task: str, classes: list[Any], seed: int
) -> np.ndarray:
    import lightgbm

    x, x_test, _ = _categorical(train, test, target)
    x.columns = x_test.columns = [f"f{i}" for i in range(x.shape[1])]
    kind = lightgbm.LGBMRegressor if task == "regression" else lightgbm.LGBMClassifier
    model = kind(random_state=seed, n_jobs=1, verbose=-1).fit(x, train[target])
    return _answers(model, x_test, task, classes)


def _catboost(
    train: pd.DataFrame, test: pd.DataFrame, target: str, task: str, classes: list[Any], seed: int
) -> np.ndarray:
    import catboost

    _, words = _kinds(train, target)
    parts = [frame.drop(columns=target).copy() for frame in (train, test)]
    for name in words:
        for part in parts:
            part[name] = part[name].where(part[name].notna(), "missing").astype(str)
    kind = catboost.CatBoostRegressor if task == "regression" else catboost.CatBoostClassifier
    model = kind(random_seed=seed, thread_count=1, verbose=0, cat_features=words, allow_writing_files=False)
    return _answers(model.fit(parts[0], train[target]), parts[1], task, classes)


def _pytabkit(
    train: pd.DataFrame, test: pd.DataFrame, target: str, task: str, classes: list[Any], seed: int, *, kind: str
) -> np.ndarray:
    import pytabkit
    import torch

    torch.set_num_threads(1)
    numbers, _ = _kinds(train, target)
    x, x_test, words = _categorical(train, test, target)
    for name in numbers:  # it takes no missing numbers: the median, and an indicator
        middle = train[name].median()
        for part in (x, x_test):
            if train[name].isna().any():
                part[f"{name} is missing"] = part[name].isna().astype(float)
            part[name] = part[name].fillna(middle).astype(float)
    for name in words:
        for part in (x, x_test):
            part[name] = part[name].cat.add_categories(["missing"]).fillna("missing")
    made = getattr(pytabkit, kind + ("_Regressor" if task == "regression" else "_Classifier"))
    model = made(device="cpu", random_state=seed, n_threads=1, verbosity=0)
    model.fit(x, train[target].to_numpy(), cat_col_names=words)
    return _answers(model, x_test, task, classes)


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
