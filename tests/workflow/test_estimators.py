"""The scikit-learn estimators."""

import numpy as np
import pytest
from sklearn import datasets
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from jaxbm.estimators import JaxMLPClassifier, JaxMLPRegressor

# Weights and repetitions agree in expectation only: which rows share a mini-batch is drawn at random.
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "mini-batches are drawn at random",
    "check_sample_weight_equivalence_on_sparse_data": "sparse input is refused",
}
SMALL = {"hidden_layer_sizes": (8,), "epochs": 60, "learning_rate": 0.02, "random_state": 0}
IRIS = datasets.load_iris(return_X_y=True)


@parametrize_with_checks(
    [JaxMLPClassifier(**SMALL), JaxMLPRegressor(**SMALL)], expected_failed_checks=lambda estimator: EXPECTED
)
def test_scikit_learn_s_own_checks(estimator, check):
    check(estimator)


def test_labels_of_any_kind_and_probabilities_in_their_order():
    x, codes = IRIS
    names = np.asarray(["setosa", "versicolor", "virginica"])[codes]
    model = make_pipeline(StandardScaler(), JaxMLPClassifier(members=3, random_state=1)).fit(x, names)
    assert model.score(x, names) > 0.95
    p = model.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (model.classes_[p.argmax(axis=1)] == model.predict(x)).all()
    two = codes < 2
    binary = JaxMLPClassifier(**SMALL).fit(x[two], codes[two] * 10 - 5)
    assert set(binary.predict(x[two])) == {-5, 5}
    assert binary.predict_proba(x[two]).shape == (100, 2)


def test_one_seed_one_result():
    x, y = IRIS
    model = JaxMLPClassifier(**{**SMALL, "epochs": 3, "bootstrap": True, "members": 2})
    np.testing.assert_array_equal(model.fit(x, y).predict_proba(x), clone(model).fit(x, y).predict_proba(x))
    other = clone(model).set_params(random_state=7).fit(x, y)
    assert not np.array_equal(model.predict_proba(x), other.predict_proba(x))
    assert len(model.loss_curve_) == model.n_iter_ == 3


def test_weights_of_samples_and_classes():
    x, y = IRIS
    only = np.where(y == 2, 0, 1.0)
    model = JaxMLPClassifier(**SMALL).fit(x, y, sample_weight=only)
    assert (model.predict(x) != 2).mean() > 0.95
    heavy = JaxMLPClassifier(**{**SMALL, "epochs": 5}, class_weight={2: 1000.0}).fit(x, y)
    assert (heavy.predict(x) == 2).mean() > 0.5
    JaxMLPClassifier(**{**SMALL, "epochs": 1}, class_weight="balanced").fit(x, y)
    with pytest.raises(ValueError, match="class_weight: expected classes of"):
        JaxMLPClassifier(class_weight={5: 1.0}).fit(x, y)


def test_early_stopping_and_grid_search():
    x, y = IRIS
    model = JaxMLPClassifier(**{**SMALL, "epochs": 300}, validation_fraction=0.2, patience=5).fit(x, y)
    assert model.n_iter_ < 300
    assert model.history_["val_loss"].shape == (1, 300)
    search = GridSearchCV(JaxMLPClassifier(**{**SMALL, "epochs": 10}), {"learning_rate": [1e-5, 0.02]}, cv=3).fit(
        x, y
    )
    assert search.best_params_ == {"learning_rate": 0.02}
    assert cross_val_score(VotingClassifier([("a", JaxMLPClassifier(**SMALL))]), x, y, cv=2).shape == (2,)
    with pytest.raises(ValueError, match="optimizer: unknown name 'adan'"):
        JaxMLPClassifier(optimizer="adan").fit(x, y)
    with pytest.raises(ValueError, match="validation_fraction"):
        JaxMLPClassifier(validation_fraction=1.0).fit(x, y)


def test_regression_of_one_and_several_targets_far_from_zero():
    x = np.random.default_rng(0).normal(size=(300, 3))
    y = 1e4 + 300 * x[:, 0]
    model = JaxMLPRegressor(**SMALL, members=3).fit(x, y)
    assert model.score(x, y) > 0.98
    mean, spread = model.predict(x[:5], return_std=True)
    assert mean.shape == spread.shape == (5,)
    assert (spread > 0).all()
    both = JaxMLPRegressor(**SMALL).fit(x, np.stack([y, -x[:, 1]], axis=1))
    assert both.predict(x).shape == (300, 2)
    assert both.score(x, np.stack([y, -x[:, 1]], axis=1)) > 0.98
