"""Where calls of an estimator must fit each other, and where a run has no end that is known."""

import jax
import numpy as np
import pytest
from scipy import sparse
from sklearn import datasets
from sklearn.preprocessing import scale

from jaxbm.estimators import JaxMLPClassifier, JaxMLPRegressor, MembersSearchCV, networks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = datasets.load_iris(return_X_y=True)
X = scale(X)
TARGET = X @ np.asarray([1.0, -2.0, 0.5, 0.0])


def test_validation_data_has_the_form_of_the_training_s():
    two = np.stack([Y == 1, Y == 2], axis=1).astype(int)
    wrong = [
        (JaxMLPClassifier, Y, (X, two), r"labels of shape \[150\], as for training, got \[150, 2\]"),
        (JaxMLPClassifier, two, (X, Y), r"labels of shape \[150, 2\]"),
        (JaxMLPClassifier, two, (X, np.eye(3, dtype=int)[Y]), r"labels of shape \[150, 2\]"),
        (JaxMLPRegressor, TARGET, (X, X), r"labels of shape \[150\]"),
        (JaxMLPClassifier, Y, (X, Y[:3]), r"labels of shape \[150\].* got \[3\]"),
        (
            JaxMLPClassifier,
            Y,
            (X, Y, -np.ones(150)),
            r"sample_weight of validation_data: expected nonnegative weights",
        ),
    ]
    for kind, y, given, told in wrong:
        with pytest.raises(ValueError, match=told):
            kind(early_stopping=True).fit(X, y, validation_data=given)
    rows = JaxMLPRegressor(early_stopping=True, max_iter=2).fit(X, TARGET, validation_data=(X, TARGET.tolist()))
    assert len(rows.validation_scores_) == 2


def test_labels_that_partial_fit_gets_sparse_are_predicted_sparse():
    two = np.stack([Y == 1, Y == 2], axis=1).astype(int)
    model = JaxMLPClassifier((3,), random_state=0).partial_fit(X, sparse.csr_matrix(two), classes=[0, 1])
    assert sparse.issparse(model.predict(X))


def test_epochs_without_end_take_no_memory(monkeypatch):
    """What is kept of each epoch goes into buffers of few epochs, one after the other."""
    options = {"hidden_layer_sizes": (6,), "random_state": 0, "learning_rate_init": 0.02}
    model = JaxMLPClassifier(**options, max_iter=10**12, tol=1e-2).fit(X, Y)
    assert model.n_iter_ < 1000
    for more in ({}, {"early_stopping": True}, {"solver": "sgd", "learning_rate": "invscaling", "members": 2}):
        one, many = (JaxMLPClassifier(**options, max_iter=21, tol=1e-5, **more) for _ in range(2))
        one.fit(X, Y)
        with monkeypatch.context() as patch:
            patch.setattr(networks, "MOST_EPOCHS", 8)
            many.fit(X, Y)
        assert one.n_iter_ == many.n_iter_ > 8
        np.testing.assert_allclose(many.loss_curve_, one.loss_curve_, rtol=1e-5)
        np.testing.assert_allclose(many.coefs_[0], one.coefs_[0], rtol=1e-4, atol=1e-6)
        if one.early_stopping:
            np.testing.assert_allclose(many.validation_scores_, one.validation_scores_)


@pytest.mark.parametrize("epochs", [1, 6])  # one epoch is not compiled into a loop
def test_a_further_fit_keeps_the_best_weights_of_all(epochs):
    options = {"early_stopping": True, "random_state": 0, "max_iter": epochs, "learning_rate_init": 0.05}
    for members in (1, 2):
        model = JaxMLPClassifier((8,), warm_start=True, members=members, **options)
        for rate in (*[0.05] * 6, 1e3):
            model.set_params(learning_rate_init=rate)
            before = None if rate < 1 else [part.copy() for part in model.coefs_]
            score = None if rate < 1 else model.best_validation_score_
            model.fit(X, Y, validation_data=(X, Y))
        assert max(model.validation_scores_[-model.n_iter_ :]) < score == model.best_validation_score_
        for ours, kept in zip(model.coefs_, before, strict=True):
            np.testing.assert_array_equal(ours, kept)
    for rate in (1e10, 1e30):  # scores, or weights too, are beyond float32
        wild = {**options, "learning_rate_init": rate, "solver": "sgd", "activation": "identity"}
        with pytest.raises(ValueError, match="Training diverged in epoch"):
            JaxMLPRegressor(**wild).fit(X, 1e10 * TARGET)


def test_what_is_moved_between_host_and_device_is_moved_on_purpose():
    options = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
    with jax.transfer_guard("disallow"), jax.debug_nans(True):  # NaN stands for epochs that never were
        early = JaxMLPClassifier(early_stopping=True, **options).fit(X, Y)
        assert early.predict_proba(X).shape == (150, 3)
        assert JaxMLPRegressor(solver="lbfgs", **options).fit(X, TARGET).predict(X).shape == (150,)
        parts = JaxMLPRegressor(**options).partial_fit(X, TARGET).partial_fit(X, TARGET)
        assert parts.predict(X).shape == (150,)


def test_without_jit():
    """Where Python runs the loops, their counters are Python's."""
    few = X[::10], Y[::10]
    model = JaxMLPClassifier((3,), max_iter=2, random_state=0)
    want = model.fit(*few).predict_proba(X)
    with jax.disable_jit():
        np.testing.assert_allclose(model.fit(*few).predict_proba(X), want, rtol=1e-4, atol=1e-5)


def test_a_search_under_guarded_transfers():
    search = MembersSearchCV(JaxMLPClassifier((3,), max_iter=2), {"learning_rate_init": [1e-2, 1e-1]}, cv=2)
    with jax.transfer_guard("disallow"), jax.debug_nans(True):
        assert search.fit(X, Y).predict(X).shape == Y.shape
