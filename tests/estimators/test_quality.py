"""Models as good as scikit-learn's, by a paired test over seeds on its bundled tables."""

import os

import numpy as np
import pytest
from scipy import stats
from sklearn import datasets
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale

from jaxbm.estimators import JaxMLPClassifier, JaxMLPRegressor

# 200 trainings of scikit-learn's: `nox -s quality`.
pytestmark = pytest.mark.skipif("JAXBM_QUALITY" not in os.environ, reason="takes many minutes: JAXBM_QUALITY=1")
SEEDS = 20
# Real mini-batches, whose order is another one, and the rule that stops.
OPTIONS = {"hidden_layer_sizes": (50,), "batch_size": 32, "learning_rate_init": 3e-3, "max_iter": 80, "tol": 1e-3}


def differences(table, seed):
    """What ours is better by on held-out rows, metric by metric."""
    x, y = getattr(datasets, f"load_{table}")(return_X_y=True)
    is_regression = table == "diabetes"
    x, y = scale(x), scale(y) if is_regression else y
    parts = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=None if is_regression else y)
    x_train, x_test, y_train, y_test = parts
    pair = (JaxMLPRegressor, MLPRegressor) if is_regression else (JaxMLPClassifier, MLPClassifier)
    ours, theirs = (kind(**OPTIONS, random_state=seed).fit(x_train, y_train) for kind in pair)
    if is_regression:
        return {"R2": r2_score(y_test, ours.predict(x_test)) - r2_score(y_test, theirs.predict(x_test))}
    accuracy = (accuracy_score(y_test, model.predict(x_test)) for model in (ours, theirs))
    loss = (log_loss(y_test, model.predict_proba(x_test)) for model in (ours, theirs))
    better, worse = next(accuracy), next(accuracy)
    mine, other = next(loss), next(loss)
    return {"accuracy": better - worse, "log loss": other - mine}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("table", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_not_worse_than_scikit_learn(table):
    found = [differences(table, seed) for seed in range(SEEDS)]
    for metric in found[0]:
        d = np.asarray([one[metric] for one in found])
        if d.any():
            worse = stats.ttest_1samp(d, 0, alternative="less")
            assert worse.pvalue > 0.01, f"{metric}: {d.mean():+.4f} on average over {SEEDS} seeds"
        assert d.mean() > -0.01
