"""`MembersSearchCV` against scikit-learn's searches over the same estimator."""

import re

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, RandomizedSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from jaxbm.estimators import JaxMLPClassifier, JaxMLPRegressor, MembersSearchCV, scoring
from jaxbm.estimators.candidates import Fit

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = datasets.load_wine(return_X_y=True)
SHUFFLED = np.random.default_rng(0).permutation(len(Y))
X, Y = X[SHUFFLED], Y[SHUFFLED]
SCALED = StandardScaler().fit_transform(X)
MODEL = JaxMLPClassifier(hidden_layer_sizes=(8,), max_iter=30, random_state=0, batch_size=32, learning_rate_init=0.01)


def same(ours, theirs, scorers=("score",)):
    """The same candidates with the same scores, to the rounding of float32, and the same choice."""
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    for name in scorers:
        for key in (f"split0_test_{name}", f"mean_test_{name}", f"std_test_{name}"):
            np.testing.assert_allclose(ours.cv_results_[key], theirs.cv_results_[key], rtol=1e-3, atol=1e-4)
    assert ours.n_splits_ == theirs.n_splits_
    assert ours.multimetric_ == theirs.multimetric_


GRIDS = {
    "numbers and widths": {
        "learning_rate_init": [1e-3, 1e-2],
        "alpha": [1e-4, 1.0],
        "hidden_layer_sizes": [(4,), (16,)],
    },
    "programs": [{"activation": ["tanh", "logistic"]}, {"hidden_layer_sizes": [(8, 4)], "batch_size": [16, "auto"]}],
    "limits": {"max_iter": [5, 20], "tol": [1e-4, 1e-1], "n_iter_no_change": [2]},
    "early stopping": {"early_stopping": [True], "validation_fraction": [0.2, 0.3], "random_state": [0, 1]},
    "gradient descent": {"solver": ["sgd"], "learning_rate": ["constant", "adaptive", "invscaling"]},
    "class weights": {"class_weight": [None, "balanced", {0: 5.0}]},
    "members": {"members": [1, 3], "dropout": [None, 0.2]},
    "one by one": {"solver": ["lbfgs"], "alpha": [0.1, 1.0], "max_iter": [15]},
}


@pytest.mark.parametrize("name", GRIDS)
def test_scores_are_those_of_a_grid_search_over_our_estimator(name):
    options = {"cv": 3, "scoring": "neg_log_loss"}
    ours = MembersSearchCV(MODEL, GRIDS[name], **options).fit(SCALED, Y)
    theirs = GridSearchCV(MODEL, GRIDS[name], **options).fit(SCALED, Y)
    same(ours, theirs)
    np.testing.assert_allclose(ours.predict_proba(SCALED), theirs.predict_proba(SCALED), atol=1e-4)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=1e-4)


def test_a_pipeline_several_scores_and_training_scores():
    model = Pipeline([("scale", StandardScaler()), ("more", PolynomialFeatures()), ("net", MODEL)])
    grid = {"net__alpha": [1e-4, 1.0], "more__degree": [1, 2], "scale": [StandardScaler(), "passthrough"]}
    options = {
        "cv": StratifiedKFold(3, shuffle=True, random_state=1), "scoring": ["accuracy", "neg_log_loss"],
        "refit": "accuracy", "return_train_score": True,
    }  # fmt: skip
    ours, theirs = (kind(model, grid, **options).fit(X, Y) for kind in (MembersSearchCV, GridSearchCV))
    assert [{**p, "scale": str(p["scale"])} for p in ours.cv_results_["params"]] == [
        {**p, "scale": str(p["scale"])} for p in theirs.cv_results_["params"]
    ]
    for key in ("mean_test_accuracy", "split2_test_neg_log_loss", "mean_train_accuracy", "rank_test_accuracy"):
        np.testing.assert_allclose(ours.cv_results_[key], theirs.cv_results_[key], rtol=1e-2, atol=2e-3)
    assert ours.best_estimator_.named_steps["net"].n_features_in_ > 1
    assert set(ours.scorer_) == {"accuracy", "neg_log_loss"}


def test_random_candidates_groups_and_weights():
    space = {"learning_rate_init": loguniform(1e-3, 1e-1), "hidden_layer_sizes": [(4,), (9,)]}
    groups, weight = np.arange(len(Y)) % 7, np.linspace(0.1, 2, len(Y))
    options = {"n_iter": 4, "random_state": 3, "cv": GroupKFold(3)}
    ours = MembersSearchCV(MODEL, param_distributions=space, **options)
    theirs = RandomizedSearchCV(MODEL, space, **options)
    for search in (ours, theirs):
        search.fit(SCALED, Y, groups=groups, sample_weight=weight)
    same(ours, theirs)


def test_a_fold_without_a_class():
    order = np.argsort(Y, kind="stable")
    grid = {"alpha": [1e-4, 1.0]}
    folds = [(order[:130], order[130:]), (order[48:], order[:48]), (order[::2], order[1::2])]
    ours, theirs = (kind(MODEL, grid, cv=folds).fit(SCALED, Y) for kind in (MembersSearchCV, GridSearchCV))
    same(ours, theirs)


def test_folds_as_masks_and_lists():
    mask = np.arange(len(Y)) % 3 == 0
    folds = [(~mask, mask), (list(range(0, 170, 2)), np.arange(1, 170, 2))]
    ours, theirs = (
        kind(MODEL, {"alpha": [1.0]}, cv=folds).fit(SCALED, Y) for kind in (MembersSearchCV, GridSearchCV)
    )
    same(ours, theirs)


def test_earlier_steps_differ_where_their_arrays_and_objects_do():
    """Written out, the two arrays are the same text, and so is every object that shows its address alone."""
    far = np.zeros(2000)
    far[1000] = 1.0
    step = FunctionTransformer(cut, kw_args={"marks": far})
    model = Pipeline([("cut", step), ("net", MODEL)])
    grid = {"cut__kw_args": [{"marks": far}, {"marks": np.zeros(2000)}]}
    ours, theirs = (kind(model, grid, cv=2).fit(SCALED, Y) for kind in (MembersSearchCV, GridSearchCV))
    same(ours, theirs)
    assert ours.cv_results_["mean_test_score"][0] != ours.cv_results_["mean_test_score"][1]
    grid = {"cut__kw_args": [None], "cut__func": [lambda x: x, lambda x: 0 * x]}  # what can't be pickled
    ours = MembersSearchCV(model, grid, cv=2, refit=False).fit(SCALED, Y)
    assert ours.cv_results_["mean_test_score"][0] > ours.cv_results_["mean_test_score"][1]


def cut(x, marks):
    return x if marks.any() else x[:, :1]


def test_other_estimators_are_fitted_as_by_a_grid_search():
    models = [
        (LogisticRegression(), {"C": [0.01, 1.0]}),
        (Pipeline([("last", MODEL)]), {"last": [MODEL, LogisticRegression()]}),
        (TransformedTargetRegressor(JaxMLPRegressor(max_iter=5, random_state=0)), {"regressor__alpha": [0, 1]}),
    ]
    for model, grid in models:
        ours, theirs = (kind(model, grid, cv=3).fit(SCALED, Y) for kind in (MembersSearchCV, GridSearchCV))
        np.testing.assert_allclose(
            ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], atol=1e-4
        )
    found = MembersSearchCV(KMeans(n_init=1, random_state=0), {"n_clusters": [2, 3]}, cv=2).fit(SCALED)
    assert found.best_params_ == {"n_clusters": 3}


class HalfOfTheRows(Pipeline):
    """It resamples in `fit` alone, as imbalanced-learn's does."""

    def fit(self, X, y=None, **params):
        return super().fit(X[::2], y[::2], **params)


class Shuffled(JaxMLPClassifier):
    """Methods of its own in the place of ours."""

    def fit(self, X, y):
        return super().fit(X[:, ::-1], y)

    def predict(self, X):
        return super().predict(X[:, ::-1])


class Contrary(JaxMLPClassifier):
    """Another `predict` and `score` alone."""

    def predict(self, X):
        return self.classes_[(np.searchsorted(self.classes_, super().predict(X)) + 1) % len(self.classes_)]

    def score(self, X, y, sample_weight=None):
        return 2 * super().score(X, y, sample_weight)


@pytest.mark.parametrize("kind", [HalfOfTheRows, Shuffled, Contrary])
@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_methods_of_subclasses_are_called(kind, scoring):
    options = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
    model = HalfOfTheRows([("net", JaxMLPClassifier(**options))]) if kind is HalfOfTheRows else kind(**options)
    grid = {"net__alpha" if kind is HalfOfTheRows else "alpha": [1e-4, 1.0]}
    ours = MembersSearchCV(model, grid, cv=2, scoring=scoring).fit(X, Y)
    theirs = GridSearchCV(model, grid, cv=2, scoring=scoring).fit(X, Y)
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_regression_by_a_scorer_of_one_s_own():
    x, y = datasets.load_diabetes(return_X_y=True)
    model = make_pipeline(StandardScaler(), JaxMLPRegressor(max_iter=10, random_state=0, learning_rate_init=0.01))

    def own(estimator, X, y):
        assert isinstance(estimator, Pipeline)
        return {"worst": -np.abs(estimator.predict(X) - y).max()}

    grid = {"jaxmlpregressor__hidden_layer_sizes": [(5,), (10, 5)]}
    options = {"cv": 2, "scoring": own, "refit": "worst"}
    ours, theirs = (kind(model, grid, **options).fit(x, y / 100) for kind in (MembersSearchCV, GridSearchCV))
    same(ours, theirs, ["worst"])


def test_candidates_that_fail():
    for rates, train in (([0.01, -1.0], True), ([-1.0, 0.01], False)):  # the first one says what is gathered
        grid = {"learning_rate_init": rates}
        with (
            pytest.warns(FitFailedWarning, match="learning_rate_init"),
            pytest.warns(UserWarning, match="non-finite"),
        ):
            search = MembersSearchCV(MODEL, grid, cv=2, refit=False, return_train_score=train).fit(SCALED, Y)
        assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [rate < 0 for rate in rates]
        assert search.best_index_ == rates.index(0.01)
    with pytest.raises(ValueError, match="'learning_rate_init' parameter"):
        MembersSearchCV(MODEL, grid, cv=2, error_score="raise").fit(SCALED, Y)
    with pytest.raises(InvalidParameterError, match="'estimator' parameter of MembersSearchCV"):
        MembersSearchCV(3, {"C": [1]}).fit(SCALED, Y)
    with pytest.raises(ValueError, match="param_grid: expected either it or param_distributions"):
        MembersSearchCV(MODEL).fit(SCALED, Y)
    bad = {"n_iter": 0, "cv": "two", "error_score": "rise", "random_state": "x", "return_train_score": 2}
    for name, value in bad.items():
        with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of MembersSearchCV"):
            MembersSearchCV(MODEL, grid).set_params(**{name: value}).fit(SCALED, Y)
    with pytest.raises(ValueError, match=r"No fits were performed\. .* Got 0 folds and 2 candidates"):
        MembersSearchCV(MODEL, grid, cv=iter(())).fit(SCALED, Y)


def test_fits_are_printed(capsys):
    options = {"cv": 2, "scoring": ["accuracy", "neg_log_loss"], "refit": False, "return_train_score": True}
    MembersSearchCV(MODEL, {"alpha": [0.5, 0.1]}, verbose=10, **options).fit(SCALED, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Fitting 2 folds for each of 2 candidates, totalling 4 fits"
    score = r"\(train=-?\d\.\d{3}, test=-?\d\.\d{3}\)"
    assert re.fullmatch(
        rf"\[CV 2/2; 1/2\] END alpha=0.5; accuracy: {score} neg_log_loss: {score} total time=.*s", lines[2]
    )
    MembersSearchCV(MODEL, {"alpha": [0.5]}, cv=2, refit=False, verbose=2).fit(SCALED, Y)
    assert re.fullmatch(r"\[CV\] END alpha=0.5; total time=.*s", capsys.readouterr().out.splitlines()[-1])


def test_callbacks_are_told_of_every_task():
    """As scikit-learn's searches tell theirs: names, samples and their weights, whose search it is."""
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    told = []

    class Recorded:
        def setup(self, estimator, context):
            told.append(("setup", estimator, None, None))

        def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
            told.append(("begin", estimator, context.task_name, metadata and len(metadata["sample_weight"])))

        def on_fit_task_end(self, estimator, context, *, X, y, metadata):
            told.append(("end", estimator, context.task_name, X if X is None else len(X)))

        def teardown(self, estimator, context):
            told.append(("teardown", estimator, None, None))

    def of(kind):
        search = kind(MODEL, {"alpha": [1e-4, 1.0], "max_iter": [2]}, cv=3).set_callbacks(Recorded())
        search.fit(SCALED, Y, sample_weight=np.ones(len(Y)))
        found = [(what, task, rows) for what, estimator, task, rows in told if estimator is search]
        assert len(found) == len(told)
        told.clear()
        return found

    ours, theirs = of(MembersSearchCV), of(GridSearchCV)
    assert sorted(ours, key=repr) == sorted(theirs, key=repr)
    assert (ours[0][0], ours[-1][0]) == ("setup", "teardown")


@pytest.mark.parametrize("classes", [2, 3, None])
def test_quick_scores_are_scikit_learn_s(classes):
    y = (Y % classes) if classes else X[:, 0] + 0.1 * Y
    model = JaxMLPRegressor(max_iter=2) if classes is None else JaxMLPClassifier(max_iter=2)
    fit = Fit(scored=model.set_params(random_state=0).fit(SCALED, y), X_test=SCALED)
    table = scoring.OF_QUANTITIES if classes is None else scoring.OF_CLASSES
    found = scoring.QuickScores(list(table), classes is not None, [y])(fit, 0)
    for name in table:
        assert found[name] == pytest.approx(get_scorer(name)(fit.scored, SCALED, y), rel=1e-12)
    default = scoring.QuickScores(None, classes is not None, [y])(fit, 0)
    assert default == pytest.approx(fit.scored.score(SCALED, y), rel=1e-12)
    # What isn't plain is scikit-learn's: other scores, labels that are all the same, features of float32.
    single = Fit(scored=fit.scored, X_test=SCALED.astype(np.float32))
    for names, labels, asked in (("max_error", y, fit), (None, np.full_like(y, y[0]), fit), (None, y, single)):
        assert scoring.QuickScores(names, classes is not None, [labels])(asked, 0) is None


def test_all_fits_are_one_call(monkeypatch):
    from jaxbm.estimators import shared_training

    calls = []
    train = shared_training.train
    monkeypatch.setattr(shared_training, "train", lambda t, *rest: calls.append(len(t.networks)) or train(t, *rest))
    grid = {"learning_rate_init": [1e-3, 1e-2], "hidden_layer_sizes": [(4,), (16,)], "alpha": [0, 1]}
    MembersSearchCV(MODEL, grid, cv=3, refit=False).fit(SCALED, Y)
    assert calls == [24]
