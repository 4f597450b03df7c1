"""Permutation importance: how much worse a model gets when a column tells it nothing any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxbm.core import arrays, checks, counter
from jaxbm.core.brief import shown
from jaxbm.core.calls import helpful
from jaxbm.core.dataframe import tidy
from jaxbm.core.settings import promotes
from jaxbm.metrics import METRICS
from jaxbm.metrics import greater_is_better as more_is_better
from jaxbm.metrics.table import check_task, is_of_classes
from jaxbm.understand import disorder
from jaxbm.understand.columns import Groups, groups_of
from jaxbm.understand.predictor import Kind, Numbers, Predictor, features_of, logits, predictor_of, weights_of

BLOCK_ROWS = 1 << 13
"""Rows that are predicted in one call: the columns of a small table are permuted side by side."""

Metric = Callable[[Array, Array, Array | None], Array]


@dataclass(frozen=True)
class PermutationImportance:
    """How much worse the model gets, for each column and each repeat; made by `permutation_importance`."""

    names: tuple[str, ...]
    importances: np.ndarray
    """`[columns, repeats]`: how much worse the score got"""
    baseline: float
    """the score of the rows as they are"""
    metric: str

    @property
    def mean(self) -> np.ndarray:
        """`[columns]`: over the repeats."""
        return self.importances.mean(axis=1)

    @property
    def std(self) -> np.ndarray:
        """`[columns]`: the standard deviation over the repeats, as scikit-learn's `importances_std`."""
        return self.importances.std(axis=1)

    @property
    def standard_error(self) -> np.ndarray:
        """`[columns]`: of the mean, from the sample deviation of the repeats; NaN for one repeat."""
        repeats = self.importances.shape[1]
        if repeats < 2:
            return np.full(len(self.names), np.nan)
        return self.importances.std(axis=1, ddof=1) / np.sqrt(repeats)

    @property
    def order(self) -> np.ndarray:
        """The columns from the most important to the least."""
        return np.argsort(-self.mean, kind="stable")

    def table(self) -> Any:
        """A line for each column, the most important first: name, importance, standard error."""
        order = self.order
        names = [self.names[i] for i in order]
        return tidy({"column": names, "importance": self.mean[order], "standard_error": self.standard_error[order]})

    def __repr__(self) -> str:
        return shown(self)


@promotes
@helpful
def permutation_importance(
    key: Array | None,
    predictor: Any,
    x: Any,
    y: ArrayLike | None = None,
    *,
    metric: str | Metric | None = None,
    greater_is_better: bool | None = None,
    repeats: int = 5,
    columns: Any = None,
    sample_weight: ArrayLike | None = None,
    task: str | None = None,
    orders: ArrayLike | None = None,
) -> PermutationImportance:
    r"""How much worse the score gets when a column's rows change places, and so tell nothing about the labels.

    For column `j` and repeat `r` with the order `p` of the rows it is
    `score(x, y) - score(x with x[:, j] replaced by x[p, j], y)`, with the opposite sign for a metric of which less is
    better. All features of one column of a table change places together. Columns that say the same stand in for each
    other: each alone then looks unimportant.

    Args:
      key: a JAX random key for the orders of the rows, the same ones for every column.
      predictor: a pair `(model, params)`, an `Ensemble`, or what `jaxbm.load` or `jaxbm.load_members` returns.
      x: features, float `[n, in]`, better not those trained on; for a saved model with its preparation also a table.
      y: labels as `fit` takes them; may be left out where `x` is a table that has them.
      metric: a name from `jaxbm.metrics.METRICS`, or a function `(logits, labels, weights) -> scalar`; by default
        "accuracy" for a classification, "r2" for a regression, as scikit-learn's estimators score.
      greater_is_better: for a metric that is a function; True by default.
      repeats: how many orders.
      columns: which, see the preparation's columns: None for all, names or numbers, or `{name: [places of features]}`
        for groups of one's own.
      sample_weight: nonnegative `[n]`, weighs the rows in the metric.
      task: "classification" or "regression" where neither preparation nor metric tells.
      orders: int `[repeats, n]` instead of the key's: each row a permutation of `0..n-1`.

    Returns:
      A `PermutationImportance`.

    Raises:
      ValueError, TypeError: an argument is unusable; the message names it, what was expected and what came.

    Example:
      >>> import jax, jaxbm
      >>> x = jax.random.normal(jax.random.key(0), (300, 3))
      >>> y = (x[:, 0] > 0).astype("float32")
      >>> model = jaxbm.MLP((3, 8, 1))
      >>> result = jaxbm.fit(jax.random.key(1), model, x, y, loss="sigmoid_binary_cross_entropy", epochs=20,
      ...     optimizer=jaxbm.adam(1e-2))
      >>> found = jaxbm.understand.permutation_importance(jax.random.key(2), (model, result.params), x, y,
      ...     metric="accuracy")
      >>> found.names[found.order[0]]
      'x0'

    Source: Breiman, "Random Forests" (2001); Fisher, Rudin and Dominici (2019).
    """
    if task is None and isinstance(metric, str) and getattr(predictor, "preparation", None) is None:
        task = "classification" if is_of_classes(metric) else "regression"
    asked = predictor_of(predictor, task)
    rows = features_of(asked, x)
    checks.finite("x", rows)
    labels = _labels(asked, x, y, len(rows))
    name, function, is_greater = _metric(asked, metric, greater_is_better)
    groups = groups_of(asked, rows.shape[1], columns)
    weight = weights_of(sample_weight, len(rows))
    places = _orders(key, orders, checks.positive_int("repeats", repeats), len(rows))

    def score(raw: np.ndarray) -> np.ndarray:
        return np.asarray(_scores(function, raw, labels, weight), np.float64)

    baseline, worse = scores_of(score, asked, rows, groups, places)
    return PermutationImportance(tuple(groups), worse * (1 if is_greater else -1), baseline, name)


def scores_of(
    score: Callable[[Any], np.ndarray], asked: Predictor, rows: np.ndarray, groups: Groups, orders: np.ndarray
) -> tuple[float, np.ndarray]:
    """The score of the rows as they are, and `[columns, repeats]`: how much of it each column's disorder takes away.

    Args:
      score: from logits `[k, n, out]`, wherever they are, to `[k]` on the host.
      rows: features `[n, in]`.
      orders: int `[repeats, n]`.
    """
    places = list(groups.values())
    if disorder.slower(asked, rows, places) is not None:
        return _scores_of_copies(score, asked, rows, places, orders)
    raw = _logits(asked.kind, asked.numbers, rows)
    left: list[np.ndarray] = []
    for several, found in disorder.logits_of_disorder(asked, rows, places, orders):
        if not left:  # in the shape that is compiled for
            baseline = float(score(jnp.broadcast_to(raw, found.shape))[0])
        left.append(score(found).reshape(-1, len(orders))[:several])
    return baseline, baseline - np.concatenate(left)


def _scores_of_copies(
    score: Callable[[Any], np.ndarray],
    asked: Predictor,
    rows: np.ndarray,
    places: list[list[int]],
    orders: np.ndarray,
) -> tuple[float, np.ndarray]:
    """The same by predictions for the rows with each column in disorder."""
    n = len(rows)
    block = max(1, min(len(places), BLOCK_ROWS // n))
    left = np.empty((len(orders), len(places)))
    mixed = np.repeat(rows[None], block, axis=0)  # always all of it: one shape to compile for

    def scores() -> np.ndarray:
        raw = np.asarray(_logits(asked.kind, asked.numbers, mixed.reshape(-1, rows.shape[1])))
        return score(raw.reshape(block, n, -1))

    baseline = float(scores()[0])
    for of_order, order in zip(left, orders, strict=True):
        shuffled = rows[order]
        for first in range(0, len(places), block):
            several = places[first : first + block]
            for line, group in zip(mixed, several, strict=False):
                line[:, group] = shuffled[:, group]
            of_order[first : first + block] = scores()[: len(several)]
            for line, group in zip(mixed, several, strict=False):
                line[:, group] = rows[:, group]
    return baseline, baseline - left.T


@partial(jax.jit, static_argnums=0)
def _logits(kind: Kind, numbers: Numbers, x: Array) -> Array:
    return logits(kind, numbers, x)


@partial(jax.jit, static_argnums=0)
def _scores(metric: Metric, raw: Array, y: Array, weight: Array | None) -> Array:
    def one(raw: Array) -> Array:
        return metric(raw[:, 0] if raw.shape[-1] == 1 and y.ndim == 1 else raw, y, weight)

    return jax.vmap(one)(raw)


def _metric(asked: Predictor, metric: Any, greater_is_better: bool | None) -> tuple[str, Metric, bool]:
    if metric is None and asked.preparation is None and not asked.kind.is_classifier:
        raise ValueError(
            "metric: expected a name such as 'accuracy' or 'r2' for a model without a preparation, got None"
        )
    metric = metric or ("accuracy" if asked.kind.is_classifier else "r2")
    if isinstance(metric, str):
        check_task("metric", metric, "classification" if asked.kind.is_classifier else "regression")
        hook = METRICS[metric]
        if asked.kind.meaning != "scores":
            hook = replace(hook, outputs=asked.kind.meaning, quantiles=asked.kind.quantiles or 0.5)
            hook.check_outputs()
        return metric, hook, more_is_better(metric)
    if not callable(metric):
        raise TypeError(f"metric: expected a name or a function, got {checks.told(metric)}")
    name = getattr(metric, "__name__", "score")
    return name, metric, True if greater_is_better is None else greater_is_better


def _labels(asked: Predictor, x: Any, y: Any, n: int) -> np.ndarray:
    if y is None:
        if asked.preparation is None or not hasattr(x, "columns"):
            raise ValueError("y: expected labels [n], got None; only a table brings its own")
        return asked.preparation.labels(x)
    labels = arrays.host_real("y", y)
    checks.finite("y", labels)
    if labels.ndim == 0 or len(labels) != n:
        raise ValueError(f"y: expected {n} rows like x, got shape {list(labels.shape)}")
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _orders(key: Array | None, orders: Any, repeats: int, n: int) -> np.ndarray:
    """int `[repeats, n]`."""
    if orders is None:
        if key is None:
            raise TypeError("key: expected a JAX random key where no orders are given, got None")
        return drawn_orders(np.asarray(counter.checked(key)), repeats, n)
    given = np.asarray(orders)
    if given.ndim != 2 or given.shape[1] != n or given.dtype.kind not in "iu":
        raise ValueError(f"orders: expected integers [repeats, {n}], got {given.dtype} of shape {list(given.shape)}")
    if not (np.sort(given, axis=1) == np.arange(n)).all():
        raise ValueError(f"orders: expected a permutation of 0 to {n - 1} in each row")
    return given


def drawn_orders(seed: Any, repeats: int, n: int) -> np.ndarray:
    """int `[repeats, n]`: permutations, drawn on the host by NumPy's generator of that seed."""
    generator = np.random.default_rng(seed)
    return np.stack([generator.permutation(n) for _ in range(repeats)])
