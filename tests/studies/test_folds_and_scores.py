"""Folds without scikit-learn's import are scikit-learn's; so are the metrics of a report."""

import jax
import numpy as np
import pytest
from sklearn import metrics
from sklearn.model_selection import KFold, StratifiedKFold

import jaxbm
from jaxbm.report.terminal import class_metrics, regression_metrics
from jaxbm.studies.folds import make_folds


@pytest.mark.parametrize("k", [2, 3, 7])
def test_folds_are_those_of_scikit_learn(k):
    rng = np.random.default_rng(k)
    for n in (21, 64):
        labels = rng.permutation(np.arange(n) % 3)
        for stratified, kind in ((False, KFold), (True, StratifiedKFold)):
            found = make_folds(n, labels, k, stratified=stratified, repeats=2, seed=5)
            wanted = [
                pair for seed in (5, 6)
                for pair in kind(k, shuffle=True, random_state=seed).split(np.zeros((n, 1)), labels)
            ]  # fmt: skip
            for (train, held), (like_train, like_held) in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(train, like_train)
                np.testing.assert_array_equal(held, like_held)


def test_what_scikit_learn_refuses_it_still_refuses_or_warns_of():
    with pytest.raises(ValueError, match="n_splits=5"):
        make_folds(4, np.zeros(4), 5)
    with pytest.warns(UserWarning, match="least populated class"):
        make_folds(8, np.asarray([0] * 7 + [1]), 3, stratified=True)


@pytest.mark.parametrize("classes", [2, 4])
def test_metrics_of_classes_are_those_of_scikit_learn(classes):
    rng = np.random.default_rng(classes)
    p = rng.dirichlet(np.ones(classes), 90).round(1) + 0.01  # with ties
    labels = rng.integers(0, classes, 90)
    decided = p.argmax(axis=1)
    curves = [1] if classes == 2 else range(classes)
    wanted = [
        metrics.accuracy_score(labels, decided), metrics.balanced_accuracy_score(labels, decided),
        metrics.f1_score(labels, decided, average="binary" if classes == 2 else "macro"),
        np.mean([metrics.roc_auc_score(labels == c, p[:, c]) for c in curves]),
    ]  # fmt: skip
    np.testing.assert_allclose(list(class_metrics(p, labels).values()), wanted, rtol=1e-12)
    rest = class_metrics(p, np.zeros(90, int))
    assert np.isnan(rest["roc_auc"])
    assert rest["balanced_accuracy"] == rest["accuracy"]


def test_metrics_of_quantities_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.normal(size=50)
    found = regression_metrics(y + 0.3, y)
    assert found["r2"] == pytest.approx(metrics.r2_score(y, y + 0.3), rel=1e-12)
    assert found["mae"] == pytest.approx(0.3)
    same = np.full(3, 2.0)
    assert regression_metrics(same, same)["r2"] == metrics.r2_score(same, same) == 1.0
    assert regression_metrics(same + 1, same)["r2"] == metrics.r2_score(same, same + 1) == 0.0


@pytest.mark.parametrize("name", ["groups", "repeats"])
def test_folds_that_are_given_as_rows_have_neither(name):
    given = {"groups": {"groups": np.zeros(4)}, "repeats": {"repeats": 2}}[name]
    with pytest.raises(ValueError, match=f"{name}: expected none beside folds that are given"):
        make_folds(4, np.zeros(4), [([0, 1], [2, 3])], **given)


@pytest.mark.parametrize(("name", "value"), [("groups", np.zeros(4)), ("stratified", True), ("min_epochs", 2)])
def test_a_sweep_without_folds_or_halving_takes_nothing_of_theirs(name, value):
    model, x = jaxbm.MLP((2, 1)), np.zeros((4, 2), np.float32)
    with pytest.raises(ValueError, match=f"{name}: expected None without"):
        jaxbm.sweep({"l2": [0.1]}, jax.random.key(0), model, x, x[:, 0], loss="l2_loss", **{name: value})
