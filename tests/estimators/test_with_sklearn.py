"""The estimators inside of scikit-learn's own tools."""

import importlib.util
import io

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn import datasets
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from jaxbm.estimators import JaxMLPClassifier, JaxMLPRegressor, MembersSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = datasets.load_iris(return_X_y=True)
MODEL = JaxMLPClassifier(hidden_layer_sizes=(16,), learning_rate_init=0.02, max_iter=60, random_state=0)


def test_pipeline_of_frames():
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = make_pipeline(StandardScaler(), MODEL).set_output(transform="pandas").fit(frame, Y)
    assert model[-1].feature_names_in_.tolist() == list("abcd")
    assert model.score(frame, Y) > 0.95
    with pytest.raises(ValueError, match="feature names should match"):
        model[-1].predict(frame.rename(columns={"a": "z"}))


@pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning", "ignore:.*fork.*:DeprecationWarning")
def test_grid_search_in_processes():
    search = GridSearchCV(make_pipeline(StandardScaler(), MODEL), {"jaxmlpclassifier__alpha": [1e-4, 10.0]}, cv=2)
    two, one = (sklearn.base.clone(search).set_params(n_jobs=n).fit(X, Y) for n in (2, None))
    np.testing.assert_allclose(two.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"], atol=0.02)
    assert two.best_score_ > 0.9


def test_out_of_fold_predictions_and_calibration():
    p = cross_val_predict(make_pipeline(StandardScaler(), MODEL), X, Y, cv=3, method="predict_proba")
    assert (p.argmax(axis=1) == Y).mean() > 0.9
    calibrated = CalibratedClassifierCV(MODEL, cv=2, method="sigmoid").fit(X, Y)
    assert calibrated.score(X, Y) > 0.9


def test_votes_stacks_and_chains():
    others = [("net", MODEL), ("line", LogisticRegression())]
    assert VotingClassifier(others, voting="soft").fit(X, Y).score(X, Y) > 0.9
    assert StackingClassifier(others, cv=2).fit(X, Y).score(X, Y) > 0.9
    labels = np.stack([Y == 0, Y == 2], axis=1).astype(int)
    assert ClassifierChain(MODEL).fit(X, labels).predict(X).shape == (150, 2)


def test_permutation_importance():
    model = make_pipeline(StandardScaler(), MODEL).fit(X, Y)
    found = permutation_importance(model, X, Y, n_repeats=3, random_state=0)
    assert found.importances_mean[2:].sum() > found.importances_mean[:2].sum()


def test_one_hot_columns_are_sparse():
    frame = pd.DataFrame({"kind": np.asarray(list("xyz"))[Y], "size": X[:, 0]})
    model = make_pipeline(make_column_transformer((OneHotEncoder(), ["kind"]), sparse_threshold=1.0), MODEL)
    assert model.fit(frame, Y).score(frame, Y) == 1.0


def test_weights_through_metadata_routing():
    weight = np.where(Y == 2, 1e-6, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = sklearn.base.clone(MODEL).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(model, X, Y, params={"sample_weight": weight}, cv=3, return_estimator=True)
        assert all((e.predict(X) == 2).mean() < 0.1 for e in found["estimator"])
        search = MembersSearchCV(model, {"alpha": [1e-4]}, cv=3).fit(X, Y, sample_weight=weight)
        assert (search.predict(X) == 2).mean() < 0.1


def test_scaled_targets_and_joblib():
    x, y = datasets.load_diabetes(return_X_y=True)
    net = JaxMLPRegressor(hidden_layer_sizes=(16,), learning_rate_init=0.01, max_iter=60, random_state=0)
    model = TransformedTargetRegressor(make_pipeline(StandardScaler(), net), transformer=StandardScaler()).fit(x, y)
    assert model.score(x, y) > 0.5
    kept = io.BytesIO()
    joblib.dump(model, kept)
    kept.seek(0)
    np.testing.assert_array_equal(joblib.load(kept).predict(x), model.predict(x))


def _containers(tmp_path):
    """Rows in everything that scikit-learn reads them from, and whether they name their columns."""
    names, exact = list("abcd"), X.astype(np.float16).astype(np.float64)
    frame = pd.DataFrame(exact, columns=names)
    np.save(tmp_path / "x.npy", exact)
    frozen = exact.copy()
    frozen.flags.writeable = False
    yield from (
        (rows, True) for rows in (frame, frame.astype("Float64"), frame.astype("Float32"), frame.astype(object))
    )
    yield pd.DataFrame({name: pd.Categorical(frame[name]) for name in names}), True
    for kind in (sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix):
        yield kind(exact), False
    yield from ((exact.astype(dtype), False) for dtype in ("f2", "f4", ">f8", "g", object))
    for rows in (np.load(tmp_path / "x.npy", mmap_mode="r"), frozen, np.asfortranarray(exact), exact.tolist()):
        yield rows, False
    if importlib.util.find_spec("polars"):
        import polars

        yield polars.DataFrame(exact, schema=names), True


def test_rows_come_in_any_container(tmp_path):
    exact = X.astype(np.float16).astype(np.float64)
    plain = JaxMLPClassifier((5,), max_iter=2, random_state=0).fit(exact, Y)
    for rows, is_named in _containers(tmp_path):
        model = JaxMLPClassifier((5,), max_iter=2, random_state=0).fit(rows, Y)
        np.testing.assert_allclose(model.predict_proba(rows), plain.predict_proba(exact), rtol=1e-5)
        assert hasattr(model, "feature_names_in_") == is_named
        assert np.isfinite(model.partial_fit(rows, Y).loss_)
