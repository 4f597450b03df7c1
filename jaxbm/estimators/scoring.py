"""Scores of many fits at little cost: what scikit-learn's most usual scorers give of our own estimators' outputs.

A scorer of scikit-learn checks and encodes the same held-out labels for every candidate anew, which takes longer than
training a small network. Whatever is not plain here (weights, several outputs, classes that a fold lacks) is left to
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxbm.estimators.classifier import JaxMLPClassifier
from jaxbm.estimators.regressor import JaxMLPRegressor
from jaxbm.estimators.targets import known_codes, outputs_of

Score = Callable[[np.ndarray, np.ndarray], float]
"""Of outputs and labels."""


def accuracy(p: np.ndarray, codes: np.ndarray) -> float:
    """The share of classes decided rightly, of probabilities `[n, classes]`."""
    decided = p[:, 1] > 0.5 if p.shape[1] == 2 else p.argmax(axis=1)
    return float((decided == codes).mean())


def neg_log_loss(p: np.ndarray, codes: np.ndarray) -> float:
    """The mean logarithm of the true classes' probabilities `[n, classes]`, which stay clear of 0 and 1."""
    eps = np.finfo(p.dtype).eps
    picked = np.take_along_axis(p, codes[:, None], axis=1)[:, 0]
    return float(np.log(np.clip(picked, eps, 1 - eps)).mean())


def r2(predicted: np.ndarray, y: np.ndarray) -> float:
    """The share of the variance that is explained."""
    return float(1 - np.square(y - predicted).sum() / np.square(y - y.mean()).sum())


def neg_mean_squared_error(predicted: np.ndarray, y: np.ndarray) -> float:
    """The mean squared residual, negative."""
    return -float(np.square(y - predicted).mean())


def neg_root_mean_squared_error(predicted: np.ndarray, y: np.ndarray) -> float:
    """Its root, negative."""
    return -float(np.sqrt(np.square(y - predicted).mean()))


def neg_mean_absolute_error(predicted: np.ndarray, y: np.ndarray) -> float:
    """The mean size of the residuals, negative."""
    return -float(np.abs(y - predicted).mean())


OF_CLASSES: dict[str, Score] = {"accuracy": accuracy, "neg_log_loss": neg_log_loss}
OF_QUANTITIES: dict[str, Score] = {
    function.__name__: function
    for function in (r2, neg_mean_squared_error, neg_root_mean_squared_error, neg_mean_absolute_error)
}


class QuickScores:
    """Scores by name of fits whose outputs on the held-out rows are known already.

    Args:
      scoring: as `MembersSearchCV` takes it.
      is_classifier: of which kind the estimators are.
      labels: of each fold's held-out rows.
    """

    def __init__(self, scoring: Any, is_classifier: bool, labels: Sequence[Any]):
        table = OF_CLASSES if is_classifier else OF_QUANTITIES
        self.single = scoring is None or isinstance(scoring, str)
        names = [scoring or next(iter(table))] if self.single else scoring
        usable = isinstance(names, list | tuple) and all(isinstance(n, str) and n in table for n in names)
        self.functions = {name: table[name] for name in names} if usable else {}
        self.is_classifier, self.labels = is_classifier, labels
        self._known: dict[int, np.ndarray | None] = {}

    def __call__(self, fit: Any, fold: int) -> float | Mapping[str, float] | None:
        """The fit's score, or those by name where several were asked for; None where scikit-learn has to say."""
        estimator = fit.scored
        if not self.functions or not self._is_ours(estimator) or fit.X_test.dtype != np.float64:
            return None
        if fold not in self._known:
            self._known[fold] = self._plain(estimator, self.labels[fold])
        labels = self._known[fold]
        if labels is None:
            return None
        outputs = self._outputs(estimator, fit.X_test)
        found = {name: function(outputs, labels) for name, function in self.functions.items()}
        return next(iter(found.values())) if self.single else found

    def _is_ours(self, estimator: Any) -> bool:
        """Whether nothing that scikit-learn's scorers would call is the user's own."""
        ours: Any = JaxMLPClassifier if self.is_classifier else JaxMLPRegressor
        names = ("predict", "score", "predict_proba") if self.is_classifier else ("predict", "score")
        return isinstance(estimator, ours) and all(getattr(type(estimator), n) is getattr(ours, n) for n in names)

    def _outputs(self, estimator: Any, X: Any) -> np.ndarray:
        """Probabilities or predictions; from the logits that the search has left, without checking its own rows."""
        known = getattr(estimator, "_known", None)
        if known is None or known[0] is not X:
            return estimator.predict_proba(X) if self.is_classifier else estimator.predict(X)
        outputs = outputs_of(estimator.out_activation_, known[1]).mean(axis=0)
        return estimator._columns(outputs) if self.is_classifier else outputs[:, 0]

    def _plain(self, estimator: Any, y: Any) -> np.ndarray | None:
        """Class numbers, of which none is absent, or float64 numbers that vary."""
        if not self.is_classifier:
            plain = isinstance(y, np.ndarray) and y.dtype == np.float64 and y.ndim == 1 and len(y) > 1
            return y if plain and np.isfinite(y).all() and (y != y[0]).any() else None
        codes, classes = known_codes(y, estimator.classes_), len(estimator.classes_)
        return codes if codes is not None and classes > 1 and len(np.unique(codes)) == classes else None
