"""Signatures: scikit-learn's first, and of every option of a training run a parameter or a reason."""

import inspect
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils._param_validation import InvalidParameterError

from jaxbm.estimators import JaxMLPClassifier, JaxMLPRegressor, MembersSearchCV, base
from jaxbm.run.options import OPTIONS

PAIRS = {JaxMLPClassifier: MLPClassifier, JaxMLPRegressor: MLPRegressor}
#: Options of `jaxbm.fit` by scikit-learn's names for them.
CALLED = {
    "optimizer": "solver", "epochs": "max_iter", "validation_split": "validation_fraction", "l2": "alpha",
    "patience": "n_iter_no_change", "min_delta": "tol", "params": "warm_start", "opt_state": "warm_start",
}  # fmt: skip


@pytest.mark.parametrize("kind", PAIRS)
def test_scikit_learn_s_parameters_come_first_with_their_places_and_defaults(kind):
    theirs, ours = (list(inspect.signature(k).parameters.values()) for k in (PAIRS[kind], kind))
    assert [(p.name, p.default, p.kind) for p in ours[: len(theirs)]] == [(p.name, p.default, p.kind) for p in theirs]
    assert all(p.kind is p.KEYWORD_ONLY for p in ours[len(theirs) :])
    described = re.findall(r"^    (\w+) : ", kind.__doc__.partition("Attributes\n")[0], re.MULTILINE)
    assert described == [p.name for p in ours]
    assert not re.search(r"{\w+}\n", kind.__doc__)
    assert kind._parameter_constraints.keys() == {p.name for p in ours}


@pytest.mark.parametrize("kind", PAIRS)
def test_every_option_of_a_run_is_a_parameter_or_has_a_reason(kind):
    shown = {**inspect.signature(kind).parameters, **inspect.signature(kind.fit).parameters}
    # The loss of a classifier follows from its labels; classes have weights only where there are classes.
    apart = {"loss"} if kind is JaxMLPClassifier else {"class_weight"}
    for name in OPTIONS.keys() - apart:
        assert (CALLED.get(name, name) in shown) != (OPTIONS[name].no_parameter is not None), name
    assert CALLED.keys() <= OPTIONS.keys()


def test_what_training_is_told(monkeypatch):
    class Seen(Exception):
        pass

    def told(training, *_):
        raise Seen(training.task)

    monkeypatch.setattr(base, "train", told)
    model = JaxMLPRegressor(precision="tf32", bootstrap=True, batch_size=2, shuffle=False)
    with pytest.raises(Seen) as seen:
        model.fit([[1.0], [2.0], [4.0]], [0, 1, 2])
    (task,) = seen.value.args
    assert (task.precision, task.bootstrap, task.batch_size, task.shuffle) == ("tf32", True, 2, False)
    assert task.l2_over_rows


class Halved(JaxMLPClassifier):
    """As users derive: a constructor of their own, with fewer parameters and another meaning."""

    def __init__(self, rounds=4, alpha=1e-4):
        super().__init__((3,), alpha=alpha, max_iter=np.int64(rounds // 2), random_state=0, batch_size=np.int32(10))
        self.rounds = rounds


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_subclasses_with_constructors_of_their_own_and_numbers_of_numpy():
    x, y = np.linspace(-1, 1, 40).reshape(20, 2), np.arange(20) // 10
    assert Halved(6).fit(x, y).n_iter_ == 3
    ours, theirs = (
        kind(Halved(6), {"alpha": [1e-4, 50.0]}, cv=2, scoring="neg_log_loss").fit(x, y)
        for kind in (MembersSearchCV, GridSearchCV)
    )
    assert ours.best_estimator_.n_iter_ == 3
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-4)
    for _ in range(2):  # what was refused once is not known as good
        with pytest.raises(ValueError, match="'alpha' parameter of Halved must be"):
            Halved(alpha=-1).fit(x, y)
    for width, told in ((True, "True"), (8.0, "8.0"), ([8], r"\[8\]"), (np.ones(2), r"an array of shape \[2\]")):
        JaxMLPClassifier((1,), max_iter=1).fit(x, y)  # equal to what is plain, but not the same
        with pytest.raises(InvalidParameterError, match=f"hidden_layer_sizes must be integers > 0, got {told}$"):
            JaxMLPClassifier((width,), max_iter=1).fit(x, y)


ODD = [
    ("hidden_layer_sizes", np.asarray(2)), ("hidden_layer_sizes", [[2]]), ("hidden_layer_sizes", 10**20),
    ("hidden_layer_sizes", {"a": 1}), ("hidden_layer_sizes", 10**400), ("alpha", Fraction(1, 2)), ("alpha", 10**400),
    ("alpha", 1e40), ("learning_rate_init", 1e300), ("clip_norm", 10**39), ("power_t", 10**400),
    ("n_iter_no_change", 10**400), ("momentum", Fraction(1, 2)), ("beta_1", Decimal("0.5")),
    ("tol", np.float32("nan")), ("members", 10**10), ("members", 10**30), ("learning_rate_schedule", lambda: 1),
    ("learning_rate_schedule", lambda step: "a"), ("learning_rate_schedule", lambda step: np.ones(3)),
    ("learning_rate_schedule", max),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), ODD)
@pytest.mark.parametrize("kind", PAIRS)
def test_numbers_of_any_type_and_size_are_told_by_the_parameter_s_name(kind, name, value):
    with pytest.raises(InvalidParameterError, match=name) as raised:
        kind(**{name: value}).fit([[1.0], [2.0]], [0, 1])
    assert len(str(raised.value)) < 300


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_of_classes_are_numbers_that_float32_holds():
    x, y = [[1.0], [2.0], [3.0]], [0, 1, 1]
    for value in (float("nan"), float("inf"), -1, 1e31, "a", None, 1j, Decimal(1)):
        with pytest.raises(InvalidParameterError, match="'class_weight' parameter"):
            JaxMLPClassifier((2,), max_iter=1, class_weight={0: value}).fit(x, y)
    with pytest.raises(ValueError, match="class_weight: expected at least one positive"):
        JaxMLPClassifier((2,), class_weight={0: 0, 1: 0}).fit(x, y)
    with pytest.raises(ValueError, match="class_weight, times sample_weight"):
        JaxMLPClassifier((2,), class_weight={0: 1e25}).fit(x, y, [1e20, 1, 1])
    JaxMLPClassifier((2,), max_iter=1, class_weight={0: np.float32(2), 1: True, "other": 3}).fit(x, y)
    for given in ({"0": 2.0}, {0: 1, 7: 2.0}):
        with pytest.raises(ValueError, match="class_weight: expected classes among 0, 1, got "):
            JaxMLPClassifier((2,), class_weight=given).fit(x, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_shares_and_epsilons_of_any_precision():
    x, y = np.linspace(-1, 1, 40).reshape(20, 2), np.arange(20) // 10
    x[:, 1] = 0  # its gradient is 0, and an epsilon that float32 takes for 0 would divide it by that
    options = {"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0}
    found = JaxMLPClassifier(**options, early_stopping=True, validation_fraction=np.float32(0.25)).fit(x, y)
    assert found.t_ == 2 * 15
    assert np.isfinite(JaxMLPClassifier(**options, epsilon=1e-300).fit(x, y).coefs_[0]).all()
    for share, error in ((0, InvalidParameterError), (1e-9, ValueError)):
        with pytest.raises(error, match="validation_fraction"):
            JaxMLPClassifier(early_stopping=True, validation_fraction=share).fit(x, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_verbose_says_what_the_rule_changes_and_labels_stay_sparse(capsys):
    x, y = np.linspace(-1, 1, 40).reshape(20, 2), np.stack([np.arange(20) // 10, np.arange(20) % 2], axis=1)
    options = {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 2, "max_iter": 5}
    model = JaxMLPClassifier((3,), **options, learning_rate_init=3e-6, verbose=True, random_state=0)
    model.fit(x, sparse.csr_matrix(y))
    said = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in said if line.startswith("Iter")] == [f"Iteration {i}" for i in range(1, 6)]
    assert [line.partition("row: ")[2] for line in said if "gained less than tol=10 in 2 epochs" in line] == [
        "the learning rate is 6e-07 from now on",
    ]
    assert sparse.issparse(model.predict(x))
    assert not sparse.issparse(model.set_params(early_stopping=True, max_iter=9, verbose=1).fit(x, y).predict(x))
    assert (
        "The validation score gained less than tol=10 in 2 epochs in a row: training stops" in capsys.readouterr().out
    )
