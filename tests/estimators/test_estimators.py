"""The estimators against scikit-learn's, where both must agree to rounding, and what is ours alone."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale

from jaxbm.estimators import JaxMLPClassifier, JaxMLPRegressor, fitted, rows
from jaxbm.estimators.incremental import StepState
from jaxbm.kernels.native import native

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = datasets.load_iris(return_X_y=True)
X = scale(X)
RNG = np.random.default_rng(0)
WEIGHT = RNG.uniform(0.2, 2.0, len(Y))
TARGET = X @ np.asarray([1.0, -2.0, 0.5, 0.0]) + np.sin(3 * X[:, 0])

# Of iris every batch is all rows, so nothing is drawn but the initial weights, which are the same numbers.
ALIKE = {
    "adam": {"solver": "adam", "learning_rate_init": 0.02},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1},
    "plain momentum": {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False, "momentum": 0.5},
    "invscaling": {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "invscaling", "power_t": 0.3},
    "adaptive": {
        "solver": "sgd",
        "learning_rate_init": 0.1,
        "learning_rate": "adaptive",
        "tol": 3e-3,
        "max_iter": 400,
    },
    "tanh": {"activation": "tanh", "hidden_layer_sizes": (20, 10)},
    "logistic": {"activation": "logistic", "hidden_layer_sizes": 7, "learning_rate_init": 0.05},
    "identity": {"activation": "identity", "hidden_layer_sizes": []},
    "penalty": {"alpha": 3.0, "tol": 1e-3},
    "stops early": {"tol": 1e-2, "n_iter_no_change": 3, "learning_rate_init": 0.01},
    "early stopping": {"early_stopping": True, "learning_rate_init": 0.01, "validation_fraction": 0.3},
}


@pytest.mark.parametrize("name", ALIKE)
def test_classifiers_are_scikit_learn_s_where_nothing_is_drawn_but_the_start(name):
    options = {"hidden_layer_sizes": (16,), "random_state": 3} | ALIKE[name]
    theirs, ours = MLPClassifier(**options).fit(X, Y), JaxMLPClassifier(**options).fit(X, Y)
    np.testing.assert_allclose(ours.loss_curve_[:20], theirs.loss_curve_[:20], rtol=1e-4)
    assert abs(ours.n_iter_ - theirs.n_iter_) <= 2  # rounding may decide about an epoch
    assert ours.t_ == ours.n_iter_ * (105 if options.get("early_stopping") else 150)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=0.02)
    assert ours.out_activation_ == theirs.out_activation_
    assert (ours.n_layers_, ours.n_outputs_) == (theirs.n_layers_, theirs.n_outputs_)
    if options.get("early_stopping"):
        assert ours.validation_scores_[:10] == pytest.approx(theirs.validation_scores_[:10])
        assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_regressors_with_weights(solver, outputs):
    y = TARGET if outputs == 1 else np.stack([TARGET, X[:, 3] ** 2], axis=1)
    options = {"solver": solver, "learning_rate_init": 0.01, "random_state": 0, "max_iter": 30, "alpha": 0.1}
    theirs = MLPRegressor(**options).fit(X, y, WEIGHT)
    ours = JaxMLPRegressor(**options).fit(X, y, WEIGHT)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-3)


def test_multilabel_counts_the_sum_of_its_losses():
    y = np.stack([Y == 1, X[:, 0] > 0], axis=1).astype(int)
    options = {"solver": "sgd", "learning_rate_init": 0.05, "random_state": 0, "max_iter": 30, "alpha": 0.1}
    theirs, ours = MLPClassifier(**options).fit(X, y), JaxMLPClassifier(**options).fit(X, y)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.99


@pytest.mark.parametrize("case", ["classes", "quantity", "poisson"])
def test_lbfgs_takes_scikit_learn_s_steps(case):
    options = {"solver": "lbfgs", "random_state": 1, "max_iter": 25, "hidden_layer_sizes": (6,), "alpha": 0.5}
    options |= {"batch_size": 20, "early_stopping": True}  # which have no meaning for it
    if case == "classes":
        theirs, ours = MLPClassifier(**options).fit(X, Y, WEIGHT), JaxMLPClassifier(**options).fit(X, Y, WEIGHT)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    else:
        y = TARGET if case == "quantity" else np.rint(np.exp(X[:, 0]))
        loss = {} if case == "quantity" else {"loss": "poisson"}
        theirs, ours = MLPRegressor(**options, **loss).fit(X, y), JaxMLPRegressor(**options, **loss).fit(X, y)
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-5)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    for name in fitted.OF_EPOCHS:
        assert not hasattr(ours, name)
        assert not hasattr(theirs, name)


@pytest.mark.parametrize("implementation", [None, "xla"])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_a_last_smaller_batch_is_penalised_over_its_own_rows(implementation, weight):
    # 150 rows in batches of 64, in the order in which they stand.
    options = {"batch_size": 64, "shuffle": False, "alpha": 20.0, "max_iter": 12, "random_state": 0, "solver": "sgd"}
    theirs = MLPRegressor(**options, learning_rate_init=0.01).fit(X, TARGET, weight)
    ours = JaxMLPRegressor(**options, learning_rate_init=0.01, implementation=implementation).fit(X, TARGET, weight)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-4, atol=1e-6)
    # Of weighted rows scikit-learn reports the mean of the batches' means; the penalty is measured once an epoch.
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=0.02 if weight is None else 0.1)


def test_poisson_by_adam_counts_what_scikit_learn_counts():
    y = np.rint(np.exp(X[:, :2]))
    options = {"loss": "poisson", "random_state": 1, "max_iter": 10}
    theirs, ours = MLPRegressor(**options).fit(X, y), JaxMLPRegressor(**options).fit(X, y)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)
    with pytest.raises(ValueError, match="y: expected numbers of at least 0 for loss='poisson'"):
        JaxMLPRegressor(loss="poisson").fit(X, -y)


def test_a_member_is_the_model_alone_whatever_comes_besides():
    options = {"hidden_layer_sizes": (8,), "random_state": 5, "batch_size": 32, "max_iter": 12}
    one = JaxMLPClassifier(**options).fit(X, Y)
    many = JaxMLPClassifier(**options, members=4).fit(X, Y)
    assert many.coefs_[0].shape == (4, 4, 8)
    for mine, theirs in zip(many.coefs_, one.coefs_, strict=True):
        np.testing.assert_allclose(mine[0], theirs, rtol=1e-5, atol=1e-6)
        assert not np.allclose(mine[0], mine[1])
    assert many.ensemble_.members == 4
    np.testing.assert_allclose(many.predict_proba(X), many.ensemble_.probabilities(X.astype(np.float32)), atol=1e-6)
    mean, spread = JaxMLPRegressor(**options, members=3, bootstrap=True).fit(X, TARGET).predict(X, return_std=True)
    assert mean.shape == spread.shape == (150,)
    assert (spread > 0).all()


def test_members_stop_each_by_its_own_rule():
    options = {"hidden_layer_sizes": (8,), "random_state": 5, "learning_rate_init": 0.02, "tol": 1e-2}
    many = JaxMLPClassifier(**options, members=3).fit(X, Y)
    alone = JaxMLPClassifier(**options).fit(X, Y)
    assert many.n_iter_ >= alone.n_iter_
    np.testing.assert_allclose(many.coefs_[0][0], alone.coefs_[0], rtol=1e-4, atol=1e-5)
    scored = JaxMLPClassifier(**options, members=3, early_stopping=True).fit(X, Y)
    assert len(scored.validation_scores_) == scored.n_iter_


@pytest.mark.parametrize("labels", [["b", "a", "c"], [True, False, True], [2.0, -1.0, 7.0]])
def test_labels_of_any_kind(labels):
    names = np.asarray(labels)[Y]
    model = JaxMLPClassifier(learning_rate_init=0.05, max_iter=60, random_state=0).fit(X, names)
    assert model.score(X, names) > 0.9
    assert model.classes_.tolist() == sorted(set(labels))
    assert model.predict(X[:2]).dtype == names.dtype
    objects = names.astype(object)
    np.testing.assert_array_equal(clone(model).fit(X, objects).predict(X), model.predict(X))
    assert model.score(X, names) == model.score(X, objects) == np.mean(model.predict(X) == names)


def test_pickled_it_predicts_and_goes_on():
    model = JaxMLPClassifier(random_state=0, max_iter=5).partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.partial_fit(X, Y).coefs_[0], model.partial_fit(X, Y).coefs_[0])
    with pytest.raises(ValueError, match="y: expected the 3 classes of the first call, got 9 besides"):
        model.partial_fit(X[:1], [9])


def test_partial_fit_goes_on_where_the_last_one_ended_without_compiling(monkeypatch):
    from jaxbm.benchmarks.method import compilations

    model = JaxMLPRegressor(random_state=0, batch_size=32, learning_rate_init=0.01)
    for _ in range(2):
        model.partial_fit(X, TARGET)
    with compilations() as seen:
        losses = [model.partial_fit(X, TARGET).loss_ for _ in range(40)]
    assert not seen
    assert losses[-1] < 0.2 * losses[0]
    assert len(model.loss_curve_) == 42
    assert model.n_iter_ == 1
    assert model.t_ == 42 * 150


def test_partial_fit_prints_each_call_when_it_is_told_to(capsys):
    model = JaxMLPClassifier((5,), random_state=0, verbose=True)
    for start in range(0, 30, 10):
        model.partial_fit(X[start : start + 10], Y[start : start + 10], classes=[0, 1, 2])
    assert capsys.readouterr().out == "".join(f"Iteration 1, loss = {loss:.8f}\n" for loss in model.loss_curve_)


@pytest.mark.parametrize(
    "options", [{"members": 2, "alpha": 1.0, "batch_size": 8}, {"solver": "sgd"}, {"implementation": "xla"}]
)
def test_partial_fit_of_small_batches_is_that_of_any(monkeypatch, options):
    quick, slow = (JaxMLPClassifier((5,), random_state=0, **options) for _ in range(2))

    def both(part, classes=None):
        quick.partial_fit(X[part], Y[part], classes=classes)
        with monkeypatch.context() as patch:
            patch.setattr(JaxMLPClassifier, "_stepped", lambda *given: False)
            slow.partial_fit(X[part], Y[part], classes=classes)
        for name in ("coefs_", "intercepts_"):
            for ours, theirs in zip(getattr(quick, name), getattr(slow, name), strict=True):
                # XLA compiles two programs, the kernel is one.
                np.testing.assert_allclose(ours, theirs, rtol=1e-6 if options.get("implementation") else 0)
        for name in ("loss_curve_", "best_loss_", "t_", "n_iter_", "_no_improvement_counts", "_best_values"):
            np.testing.assert_allclose(getattr(quick, name), getattr(slow, name), rtol=1e-5)

    for start in (0, 20, 40):
        both(slice(start, start + 20), np.unique(Y))
    for model in (quick, slow):  # what stands in the attributes counts
        model.coefs_[0][:] *= 0.5
        model.set_params(learning_rate_init=0.01)
    for start in (60, 80, 100):
        both(slice(start, start + 20))
    assert isinstance(quick._optimizer, StepState)
    by_kernel = "implementation" not in options and native().reason is None
    assert (quick._steps[20].bind is not None) == by_kernel
    quick = pickle.loads(pickle.dumps(quick))
    both(slice(0, 20))
    with pytest.raises(ValueError, match="NaN"):
        quick.partial_fit(np.full((20, 4), np.nan), Y[:20])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        quick.partial_fit(X[:20], Y[:19])
    if by_kernel:  # XLA's sums of such numbers may stay finite
        with pytest.raises(ValueError, match="non-finite"):
            quick.partial_fit(1e38 * X[:20], Y[:20]).partial_fit(1e38 * X[:20], Y[:20])


def test_a_subclass_of_one_parameter_goes_on_too():
    class Small(JaxMLPRegressor):
        def __init__(self, random_state=None):
            super().__init__(hidden_layer_sizes=(3,), random_state=random_state)

    model = Small(0)
    assert [model.partial_fit(X, TARGET).t_ for _ in range(3)] == [150, 300, 450]
    model.random_state = "none"
    with pytest.raises(ValueError, match="'random_state' parameter of Small"):
        model.partial_fit(X, TARGET)


def test_one_row_is_predicted_as_among_many():
    model = JaxMLPClassifier((6, 5), random_state=0, max_iter=3).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X[:3]), model.predict_proba(X)[:3])
    with pytest.raises(ValueError, match="3 features, but JaxMLPClassifier is expecting 4"):
        model.predict(X[:1, :3])
    with pytest.raises(ValueError, match="NaN"):
        model.predict(np.full((1, 4), np.nan))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_sparse_rows_in_blocks_of_bounded_size(monkeypatch, solver):
    x = sparse.random_array((300, 100), density=0.08, rng=np.random.default_rng(0), format="csr")
    y = (x @ RNG.normal(size=100) > 0).astype(int)
    options = {"solver": solver, "random_state": 0, "max_iter": 30, "learning_rate_init": 0.02, "batch_size": 25}
    options["hidden_layer_sizes"] = (20,)
    whole = JaxMLPClassifier(**options).fit(x, y)
    densest = []
    monkeypatch.setattr(rows, "DENSE_BYTES", 100 * 100 * 4)
    dense = rows.dense
    monkeypatch.setattr(rows, "dense", lambda part: densest.append(part.shape[0]) or dense(part))
    blocked = JaxMLPClassifier(**options).fit(x, y)
    assert max(densest, default=0) <= 100
    assert abs(blocked.score(x, y) - whole.score(x, y)) < 0.05
    np.testing.assert_allclose(blocked.predict_proba(x), blocked.predict_proba(x.toarray()), atol=1e-6)
    if solver == "adam":
        scored = clone(blocked).set_params(early_stopping=True, members=2).fit(x, y)
        assert len(scored.validation_scores_) == scored.n_iter_
    if solver == "lbfgs":
        np.testing.assert_allclose(blocked.predict_proba(x), whole.predict_proba(x), atol=1e-3)


def test_weights_of_classes():
    heavy = JaxMLPClassifier(class_weight={2: 1000.0}, max_iter=20, random_state=0).fit(X, Y)
    assert (heavy.predict(X) == 2).mean() > 0.5
    two = Y < 2
    absent = JaxMLPClassifier(class_weight={0: 1.0, 1: 2.0, 2: 3.0}, max_iter=2).fit(X[two], Y[two])
    assert absent.classes_.tolist() == [0, 1]
    options = {"solver": "lbfgs", "random_state": 0, "alpha": 0}
    balanced = JaxMLPClassifier(class_weight="balanced", solver="lbfgs", random_state=0, alpha=0).fit(
        X[:120], Y[:120]
    )
    weight = np.where(Y[:120] == 2, 2.0, 0.8)
    by_hand = JaxMLPClassifier(**options).fit(X[:120], Y[:120], weight)
    np.testing.assert_allclose(balanced.predict_proba(X), by_hand.predict_proba(X), atol=1e-4)


def test_validation_data_of_one_s_own():
    model = JaxMLPClassifier(early_stopping=True, random_state=0, max_iter=30, learning_rate_init=0.01)
    model.fit(X[::2], Y[::2], validation_data=(X[1::2], Y[1::2]))
    assert model.t_ == 75 * model.n_iter_
    assert model.best_validation_score_ == pytest.approx(model.score(X[1::2], Y[1::2]))
    with pytest.raises(ValueError, match="validation_data: expected early_stopping=True"):
        JaxMLPClassifier().fit(X, Y, validation_data=(X, Y))
    with pytest.raises(ValueError, match="validation_data: expected classes that training has, got 7 besides"):
        model.fit(X, Y, validation_data=(X[:2], [0, 7]))


@pytest.mark.promotes  # the schedule does
def test_what_is_ours_alone_is_used():
    base = JaxMLPClassifier(random_state=0, max_iter=15, batch_size=30, learning_rate_init=0.01).fit(X, Y)
    changes = (
        {"dropout": 0.5}, {"clip_norm": 0.01}, {"weight_init": "he_normal"}, {"solver": "adamw", "alpha": 0.5},
        {"bootstrap": True}, {"learning_rate_schedule": lambda step: 0.02 / (1 + step)}, {"activation": "gelu"},
    )  # fmt: skip
    for change in changes:
        other = clone(base).set_params(**change).fit(X, Y)
        assert not np.allclose(other.coefs_[0], base.coefs_[0]), change
        assert other.score(X, Y) > 0.3
    same = clone(base).set_params(implementation="xla").fit(X, Y)
    np.testing.assert_allclose(same.predict_proba(X), base.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("batch_size", 32.0), ("activation", "step"), ("solver", "adan"), ("members", 0), ("dropout", 1.0),
        ("learning_rate_init", np.ones(3)), ("max_iter", 1.5), ("implementation", "gpu"), ("weight_init", "ones"),
        ("precision", "float16"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(parameter, value):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of JaxMLPClassifier must be") as raised:
        JaxMLPClassifier(**{parameter: value}).fit(X, Y)
    assert type(raised.value).__name__ == "InvalidParameterError"
    assert "array([" not in str(raised.value)


def test_wrong_rows_are_told_without_printing_them():
    negative = np.where(np.arange(150) % 3 == 0, -1.0, 1.0)
    with pytest.raises(ValueError, match=r"sample_weight: expected nonnegative weights, got 50 others.*row 0"):
        JaxMLPClassifier().fit(X, Y, negative)
    with pytest.raises(ValueError, match="Sample weights must contain at least one non-zero number"):
        JaxMLPClassifier().fit(X, Y, np.zeros(150))
    for size in (1e300, 1e-300):
        with pytest.raises(ValueError, match="sample_weight: expected weights up to a number between"):
            JaxMLPClassifier().fit(X, Y, np.full(150, size))
    with pytest.raises(ValueError, match="dropout' parameter of JaxMLPClassifier has no meaning for solver='lbfgs'"):
        JaxMLPClassifier(solver="lbfgs", dropout=0.1).fit(X, Y)
    with pytest.raises(ValueError, match="hidden_layer_sizes: going on from an earlier fit"):
        JaxMLPClassifier(warm_start=True, max_iter=1).fit(X, Y).set_params(hidden_layer_sizes=5).fit(X, Y)
    with pytest.raises(ValueError, match="members: an earlier fit left 1"):
        JaxMLPClassifier(warm_start=True, max_iter=1).fit(X, Y).set_params(members=3).fit(X, Y)


def test_divergence_says_what_helps():
    wild = {"solver": "sgd", "learning_rate_init": 1e4, "activation": "identity", "random_state": 0}
    with pytest.raises(ValueError, match=r"Training diverged in epoch \d+. A smaller learning_rate_init"):
        JaxMLPRegressor(**wild).fit(X, 100 * TARGET)
    with pytest.warns(ConvergenceWarning, match="diverged in epoch .* best epoch before are kept"):
        kept = JaxMLPRegressor(**wild, early_stopping=True).fit(X, 100 * TARGET)
    assert np.isfinite(kept.predict(X)).all()


def test_warnings_where_training_ends_before_it_settles():
    with pytest.warns(ConvergenceWarning, match="max_iter: training ended after 2 epochs"):
        JaxMLPClassifier(max_iter=2).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        JaxMLPClassifier(tol=0.5).fit(X, Y)
