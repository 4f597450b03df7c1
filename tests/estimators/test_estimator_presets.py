"""Estimators that learn by a preset of `jaxbm.tabular`."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn import datasets
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from jaxbm.estimators import JaxMLPClassifier, JaxMLPRegressor, MembersSearchCV

QUICK = {"preset": "accurate", "members": 2, "max_iter": 6, "hidden_layer_sizes": (8,), "random_state": 0}
X, Y = datasets.load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMES = np.asarray(["z", "a", "m"])[Y]


def test_classes():
    model = JaxMLPClassifier(**QUICK, learning_rate_init=0.05).fit(X, NAMES)
    assert model.classes_.tolist() == ["a", "m", "z"]
    p = model.predict_proba(X)
    assert (p.shape, p.dtype) == ((150, 3), np.float64)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert model.score(X, NAMES) > 0.9
    assert [w.shape[0] for w in model.coefs_] == [2, 2]
    assert model.coefs_[0].shape[1] > 4  # encoded numbers
    assert model.ensemble_.members == 2
    assert len(model.loss_curve_) == model.n_iter_ == 6
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(other.predict_proba(X), p)
    again = clone(model).fit(X, NAMES)
    np.testing.assert_array_equal(again.predict_proba(X), p)
    plain = model.set_params(**clone(model).get_params() | {"preset": None}).fit(X, NAMES)
    assert plain.coefs_[0].shape[1] == 4
    assert not np.array_equal(plain.predict_proba(X), p)


def test_many_classes_keep_their_order():
    y = np.repeat(np.arange(12), 12)
    x = np.stack([np.cos(y), np.sin(y)], axis=1) + 0.01 * np.random.default_rng(0).normal(size=(144, 2))
    model = JaxMLPClassifier(**QUICK | {"max_iter": 30}, learning_rate_init=0.05).fit(x, 10 * y)
    assert model.classes_.tolist() == [10 * i for i in range(12)]
    assert model.score(x, 10 * y) > 0.8


def test_quantities():
    x, y = datasets.load_diabetes(return_X_y=True)
    model = JaxMLPRegressor(**QUICK, learning_rate_init=0.02).fit(x.astype(np.float32), y)
    mean, spread = model.predict(x.astype(np.float32), return_std=True)
    assert model.score(x, y) > 0.3
    assert mean.dtype == spread.dtype == np.float32
    assert (spread > 0).all()
    assert y.min() <= mean.min() <= mean.max() <= y.max()
    one = JaxMLPRegressor(preset="classic", max_iter=1, random_state=0).fit(x, y)
    assert (one.predict(x, return_std=True)[1] == 0).all()
    assert one.coefs_[0].shape == (10, 64)


def test_weights_of_rows_and_of_classes_count():
    model = JaxMLPClassifier(**QUICK, learning_rate_init=0.05, class_weight={"z": 1e-6})
    assert (model.fit(X, NAMES).predict(X) == "z").mean() < 0.1
    light = np.where(NAMES == "a", 1e-6, 1.0)
    assert (model.set_params(class_weight=None).fit(X, NAMES, light).predict(X) == "a").mean() < 0.1


def test_a_search_takes_it():
    search = MembersSearchCV(JaxMLPClassifier(**QUICK), {"learning_rate_init": [1e-5, 0.05]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"learning_rate_init": 0.05}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"alpha": 1.0}, "'alpha' parameter of JaxMLPClassifier must be 0.0001 beside preset='accurate'"),
        ({"solver": "lbfgs"}, "'solver' parameter"),
        ({"warm_start": True}, "'warm_start' parameter"),
        ({"preset": "fast"}, "'preset' parameter"),
    ],
)
def test_parameters_without_a_meaning_are_named(given, match):
    with pytest.raises(InvalidParameterError, match=match):
        JaxMLPClassifier(**QUICK | given).fit(X, Y)


def test_samples_that_no_preset_takes_are_named():
    model = JaxMLPClassifier(**QUICK)
    for x, y, more, match in (
        (sparse.csr_matrix(X), Y, {}, "X: expected dense features for preset='accurate'"),
        (X, np.eye(3, dtype=int)[Y], {}, "y: expected one class or one quantity for each sample .* got 3 columns"),
        (X, np.zeros(150), {}, "y: expected at least two classes"),
        (X, Y, {"validation_data": (X, Y)}, "validation_data: expected None beside preset='accurate'"),
    ):
        with pytest.raises(ValueError, match=match):
            model.fit(x, y, **more)
    with pytest.raises(ValueError, match="partial_fit needs preset=None"):
        clone(model).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(InvalidParameterError, match="'loss' parameter of JaxMLPRegressor"):
        JaxMLPRegressor("poisson", preset="classic").fit(X, Y + 0.5)
