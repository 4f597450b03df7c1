"""scikit-learn's own tests of its searches, as installed, with `MembersSearchCV` in the place of the grid's and the
random one."""

import pathlib

import numpy as np
import pytest
import sklearn.model_selection

from jaxbm.estimators import MembersSearchCV

PATH = pathlib.Path(sklearn.model_selection.__file__).parent / "tests" / "test_search.py"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


class GridSearchCV(MembersSearchCV):
    """With the constructor of scikit-learn's."""

    def __init__(
        self, estimator, param_grid, *, scoring=None, n_jobs=None, refit=True, cv=None, verbose=0,
        pre_dispatch="2*n_jobs", error_score=np.nan, return_train_score=False,
    ):  # fmt: skip
        super().__init__(
            estimator, param_grid, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv, verbose=verbose,
            pre_dispatch=pre_dispatch, error_score=error_score, return_train_score=return_train_score,
        )  # fmt: skip


class RandomizedSearchCV(MembersSearchCV):
    """With the constructor of scikit-learn's."""

    def __init__(
        self, estimator, param_distributions, *, n_iter=10, scoring=None, n_jobs=None, refit=True, cv=None, verbose=0,
        pre_dispatch="2*n_jobs", random_state=None, error_score=np.nan, return_train_score=False,
    ):  # fmt: skip
        super().__init__(
            estimator, param_distributions=param_distributions, n_iter=n_iter, random_state=random_state,
            scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv, verbose=verbose, pre_dispatch=pre_dispatch,
            error_score=error_score, return_train_score=return_train_score,
        )  # fmt: skip


def _tests():
    source = PATH.read_text().replace("@pytest.mark.thread_unsafe\n", "\n")  # a mark of scikit-learn's own
    names = {"GridSearchCV": GridSearchCV, "RandomizedSearchCV": RandomizedSearchCV, "__name__": __name__}
    for name in ("GridSearchCV", "RandomizedSearchCV"):
        line = f"    {name},\n"
        assert line in source
        source = source.replace(line, "\n", 1)  # the first one is imported
    exec(compile(source, str(PATH), "exec"), names)
    return names


# Those of array APIs need libraries of arrays that are not installed.
globals().update({k: v for k, v in _tests().items() if not k.startswith(("__", "test_array_api"))})
