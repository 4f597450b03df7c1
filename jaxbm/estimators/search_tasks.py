"""What a search tells while it runs: the callbacks that scikit-learn has from 1.9 on, and what `verbose` prints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sklearn.utils import _safe_indexing

try:
    from sklearn.callback._callback_support import callback_management_context
except ImportError:  # before 1.9
    callback_management_context = contextlib.nullcontext

managed: Any = callback_management_context
"""The context of a search, at the end of which its callbacks are told so, whatever happened."""


class Tasks:
    """The tasks of a search, told to its callbacks as scikit-learn's own searches tell theirs.

    Fits that run at once have all begun before the first of them ends; each ends when it is scored.

    Args:
      search: whose callbacks are told; without any, nothing is done.
      X, y: its samples.
      weight: their weights, or None.
    """

    def __init__(self, search: Any, X: Any, y: Any, weight: Any):
        self._search, self._X, self._y, self._weight = search, X, y, weight
        self._root: Any = None
        self._all: Any = None
        self._fits: list[tuple[Any, dict[str, Any]]] = []
        self._begun: set[int] = set()
        if getattr(search, "_skl_callbacks", None):
            self._root = search._init_callback_context(max_subtasks=1 + (search.refit is not False))
            self._root.call_on_fit_task_begin(estimator=search, **self._given())

    def _given(self, rows: Any = None) -> dict[str, Any]:
        """What a task is told of samples: all of them, or some rows."""
        X, y, weight = self._X, self._y, self._weight
        if rows is not None:
            X, y, weight = (None if part is None else _safe_indexing(part, rows) for part in (X, y, weight))
        return {"X": X, "y": y, "metadata": None if weight is None else {"sample_weight": weight}}

    def begin_fits(self, folds: Sequence[Any], candidates: int) -> None:
        """Every candidate on every fold is going to be fitted, candidate by candidate."""
        if self._root is None:
            return
        count = candidates * len(folds)
        self._all = self._root.subcontext(task_name="search", max_subtasks=count, sequential_subtasks=False)
        self._all.call_on_fit_task_begin(estimator=self._search)
        given = [self._given(train) for train, _ in folds]
        for i in range(count):
            fit = self._all.subcontext(task_name="candidate-split-evaluation", task_id=i)
            self._fits.append((fit, given[i % len(folds)]))

    def begin_fit(self, i: int) -> None:
        """One of them begins, if it has not yet."""
        if self._fits and i not in self._begun:
            self._begun.add(i)
            fit, given = self._fits[i]
            fit.call_on_fit_task_begin(estimator=self._search, **given)

    @contextlib.contextmanager
    def alone(self, i: int, estimator: Any) -> Iterator[None]:
        """While one of them is made by an estimator's own `fit`, whose tasks are told as parts of it."""
        if not self._fits:
            yield
            return
        with self._fits[i][0].propagate_callback_context(estimator):
            self.begin_fit(i)
            yield

    def end_fit(self, i: int) -> None:
        """One of them is scored."""
        if self._fits:
            fit, given = self._fits[i]
            fit.call_on_fit_task_end(estimator=self._search, **given)

    def end_fits(self) -> None:
        """All of them are."""
        if self._all is not None:
            self._all.call_on_fit_task_end(estimator=self._search)

    @contextlib.contextmanager
    def refit(self, estimator: Any) -> Iterator[None]:
        """While the best candidate is fitted on all samples."""
        if self._root is None:
            yield
            return
        task = self._root.subcontext(task_name="refit-with-best-params")
        with task.propagate_callback_context(estimator):
            task.call_on_fit_task_begin(estimator=self._search, **self._given())
            yield
        task.call_on_fit_task_end(estimator=self._search, **self._given())

    def end(self) -> None:
        """The search is done."""
        if self._root is not None:
            self._root.call_on_fit_task_end(estimator=self._search, **self._given())


def print_fit(verbose: int, row: Mapping[str, Any], params: Mapping[str, Any], i: int, folds: int, fits: int) -> None:
    """One line of a candidate on a fold, with what `GridSearchCV` tells at the same `verbose`."""
    place, scores = "", ""
    if verbose > 2:
        place = f" {i % folds + 1}/{folds}" + (f"; {i // folds + 1}/{fits // folds}" if verbose > 9 else "")
        test, train = row["test_scores"], row.get("train_scores")
        if isinstance(test, dict):
            each = (
                f" {k}: ({'' if train is None else f'train={train[k]:.3f}, '}test={test[k]:.3f})"
                for k in sorted(test)
            )
            scores = "".join(each)
        else:
            scores = f" score={test:.3f}" if train is None else f" score=(train={train:.3f}, test={test:.3f})"
    shown = ", ".join(f"{name}={params[name]}" for name in sorted(params))
    print(f"[CV{place}] END {shown};{scores} total time={row['fit_time'] + row['score_time']:.1f}s")
