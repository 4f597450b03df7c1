"""Search spaces, sweeps and cross-validation."""

import json
import signal

import jax
import numpy as np
import optax
import pytest
from sklearn import metrics as skm
from sklearn.model_selection import LeaveOneGroupOut

import jaxbm
from jaxbm import space
from jaxbm.core import counter
from jaxbm.kernels import native
from jaxbm.studies import sweep_plan
from jaxbm.studies.folds import make_folds
from jaxbm.studies.space import draw_trials, parse
from jaxbm.studies.sweep_result import SweepInterrupted

IMPLEMENTATIONS = [
    pytest.param("cpu", marks=pytest.mark.skipif(native.native().reason is not None, reason="no compiled kernels")),
    "xla",
]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(np.float32)
C = np.digitize(X[:, 0], [-0.5, 0.5])
MODEL = jaxbm.MLP((4, 6, 1))
KEY = jax.random.key(2)
BINARY = "sigmoid_binary_cross_entropy"
RATES = {"learning_rate": space.LogUniform(1e-4, 1e-1)}


def sweep(what=RATES, **options):
    return jaxbm.sweep(what, KEY, MODEL, X, Y, **{"loss": BINARY, "epochs": 4, "trials": 5, **options})


def test_draws_stay_inside_and_follow_their_scale():
    what = {"a": space.LogUniform(1e-4, 1.0), "b": space.Uniform(2, 3), "c": space.Integers(1, 3), "d": ["x", "y"]}
    what["e"] = 7
    for method in ("random", "sobol"):
        drawn = draw_trials(what, 400, method=method, seed=1)
        assert len(drawn) == 400
        logs = np.log10([t["a"] for t in drawn])
        assert -4 <= logs.min() < logs.max() <= 0
        assert abs(logs.mean() + 2) < 0.15
        assert min(t["b"] for t in drawn) >= 2
        assert {t["c"] for t in drawn} == {1, 2, 3}
        assert abs(np.mean([t["d"] == "x" for t in drawn]) - 0.5) < 0.1
        assert {t["e"] for t in drawn} == {7}
        assert drawn == draw_trials(what, 400, method=method, seed=1)
        assert drawn != draw_trials(what, 400, method=method, seed=2)
    # Sobol points: each of 16 equal parts of each axis gets the same number of 64.
    drawn = draw_trials({"u": space.Uniform(0, 1), "v": space.Uniform(0, 1)}, 64, method="sobol")
    for name in "uv":
        np.testing.assert_array_equal(np.bincount([int(t[name] * 16) for t in drawn]), 4)


def test_grid_takes_every_combination():
    what = {"a": space.LogUniform(1e-3, 1e-1), "b": [1, 2], "c": space.Integers(1, 2)}
    drawn = draw_trials(what, 1, method="grid", grid_points=3)
    assert len(drawn) == 12
    np.testing.assert_allclose(sorted({t["a"] for t in drawn}), [1e-3, 1e-2, 1e-1])


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["log:1e-4:0.1"], space.LogUniform(1e-4, 0.1)),
        (["uniform:0:0.5"], space.Uniform(0, 0.5)),
        (["int:2:8"], space.Integers(2, 8)),
        (["0.1", "0.2"], space.Choice((0.1, 0.2))),
    ],
)
def test_parse(words, made):
    assert parse(words) == made


@pytest.mark.parametrize("words", [["log:1"], ["cubic:1:2"], ["log:0:1"], ["uniform:2:1"], ["x"]])
def test_parse_says_what_is_wrong(words):
    with pytest.raises(ValueError, match=r"space|could not convert"):
        parse(words)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_trial_is_what_fit_gives_alone(implementation):
    what = {**RATES, "hidden": [(6,), (3,)], "l2": space.Uniform(0, 0.1), "patience": [1, 3]}
    found = sweep(what, folds=3, seeds=2, implementation=implementation, refit=False)
    assert found.scores.shape == (5, 2, 3)
    folds = make_folds(90, Y, 3, stratified=True, seed=int(counter.words(KEY)[0]) % 2**31)
    for trial, seed, fold in [(0, 0, 0), (3, 1, 2)]:
        values = found.trials[trial]
        one = jaxbm.fit(
            jax.random.fold_in(KEY, seed * 3 + fold), jaxbm.MLP((4, *values["hidden"], 1)), X, Y, loss=BINARY,
            epochs=4, rows=folds[fold][0], validation_rows=folds[fold][1], l2=values["l2"],
            patience=values["patience"], optimizer=jaxbm.adam(values["learning_rate"]), implementation=implementation,
        )  # fmt: skip
        best, slack = one.history["val_loss"][one.best_epoch], 1e-6 if implementation == "cpu" else 1e-4
        np.testing.assert_allclose(found.scores[trial, seed, fold], best, rtol=slack)
    assert found.best == np.argmin(found.mean)
    lines = found.table()
    assert lines["trial"].tolist()[0] == found.best
    assert lines["loss"].is_monotonic_increasing
    assert len(found.member_table()) == 30


def test_refit_takes_the_best_trial_and_all_rows():
    found = sweep(trials=4)
    optimizer = jaxbm.adam(found.best_values["learning_rate"])
    one = jaxbm.fit(KEY, MODEL, X, Y, loss=BINARY, epochs=4, optimizer=optimizer)
    for a, b in zip(jax.tree.leaves(found.refit.params), jax.tree.leaves(one.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert found.model == MODEL


def test_different_programs_in_one_sweep():
    what = {"hidden": [(), (5,), (5, 3)], "activation": ["relu", "tanh"], "batch_size": [16, 32], "epochs": [2, 3]}
    what |= {"learning_rate": 0.1}
    found = sweep(what, trials=5, optimizer="sgd", metric="accuracy")
    assert np.isfinite(found.scores).all()
    assert found.greater_is_better
    assert found.mean[found.best] == found.mean.max()
    np.testing.assert_array_equal(found.epochs_run[:, 0, 0], [t["epochs"] for t in found.trials])


def test_a_metric_of_ours_beside_functions_of_ones_own():
    def share_of_ones(logits, labels, weights=None):
        return (logits > 0).mean()

    found = sweep(trials=2, metrics={"ones": share_of_ones}, metric="accuracy", refit=False)
    np.testing.assert_array_equal(found.scores, sweep(trials=2, metric="accuracy", refit=False).scores)
    own = sweep(trials=2, metrics={"ones": share_of_ones}, metric="ones", greater_is_better=True, refit=False)
    assert ((own.scores >= 0) & (own.scores <= 1)).all()


def test_halving_keeps_the_best_and_they_are_as_without_it():
    options = {"trials": 9, "epochs": 9, "halving": 3, "refit": False}
    halved, whole = sweep(**options, min_epochs=1), sweep(**{**options, "halving": None})
    assert sorted(halved.epochs.tolist()) == [1] * 6 + [3] * 2 + [9]
    winner = halved.best
    assert halved.epochs[winner] == 9
    np.testing.assert_allclose(halved.scores[winner], whole.scores[winner], rtol=1e-5)
    first = sweep(**{**options, "halving": None, "epochs": 1})
    assert set(np.flatnonzero(halved.epochs > 1)) == set(first.order[:3])


@pytest.mark.parametrize("halving", [None, 2])
def test_a_killed_sweep_goes_on_from_its_folder(tmp_path, halving, monkeypatch):
    monkeypatch.setattr(sweep_plan, "MEMBERS_PER_BLOCK", 2)
    options = {"trials": 6, "halving": halving, "refit": False}
    whole = sweep(**options)
    sweep(**options, folder=tmp_path)
    blocks = sorted(path.name for path in tmp_path.glob("rung-*.json"))
    for name in blocks[2:]:  # as if killed after two blocks
        (tmp_path / name).unlink()
    trained = []
    setup = sweep_plan.Plan.setup
    monkeypatch.setattr(sweep_plan.Plan, "setup", lambda self, *a: (trained.append(a[-1]), setup(self, *a))[1])
    resumed = sweep(**options, folder=tmp_path)
    np.testing.assert_array_equal(resumed.scores, whole.scores)
    np.testing.assert_array_equal(resumed.epochs, whole.epochs)
    assert len(trained) == 1 if halving is None else trained
    before = len(trained)
    sweep(**options, folder=tmp_path)
    assert len(trained) == before
    with pytest.raises(ValueError, match=r"folder: .* holds a sweep of other data or options"):
        sweep(**{**options, "epochs": 5}, folder=tmp_path)
    (tmp_path / "sweep.json").write_text(json.dumps({}))
    with pytest.raises(ValueError, match="folder"):
        sweep(**options, folder=tmp_path)


def test_ctrl_c_keeps_the_finished_trials(monkeypatch):
    monkeypatch.setattr(sweep_plan, "MEMBERS_PER_BLOCK", 2)
    told = []

    def report(now):
        told.append(now)
        if now.members_done >= 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(SweepInterrupted, match="2 of 5 trials") as caught:
        sweep(progress=report)
    kept = caught.value.result
    assert kept.finished == 2
    assert len(kept.table()) == 2
    np.testing.assert_array_equal(kept.scores[:2], sweep(refit=False).scores[:2])
    assert told[-1].members == 5


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"what": {"learning_rat": [1]}}, "space: unknown name 'learning_rat'; did you mean 'learning_rate'"),
        ({"what": {}}, "space: expected at least one"),
        ({"method": "spiral"}, "method: unknown name 'spiral'"),
        ({"optimizer": "adm"}, "optimizer: unknown name 'adm'; did you mean"),
        ({"metric": "speed"}, "metric: expected one measured on validation rows"),
        ({"halving": 1}, "halving: expected at least 2"),
        ({"trials": 0}, "trials: expected at least 1"),
        ({"folds": 1}, "folds: expected at least 2"),
    ],
)
def test_bad_sweeps(options, match):
    with pytest.raises(ValueError, match=match):
        sweep(**options)


def cross_validate(model=MODEL, y=Y, **options):
    return jaxbm.cross_validate(KEY, model, X, y, **{"loss": BINARY, "epochs": 3, "folds": 4, **options})


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_out_of_fold_predictions_and_scores_equal_scikit_learn(implementation):
    weight = RNG.uniform(0.5, 2, 90)
    found = cross_validate(
        repeats=2, metrics=["accuracy", "roc_auc", "log_loss"], sample_weight=weight, implementation=implementation
    )
    assert found.predictions.shape == (2, 90, 1)
    assert np.isfinite(found.predictions).all()
    for i, (train, held_out) in enumerate(found.folds):
        assert not set(train) & set(held_out)
        assert len(train) + len(held_out) == 90
        assert abs(Y[held_out].mean() - Y.mean()) < 0.06
        logits, w = found.predictions[i // 4, held_out, 0], weight[held_out]
        np.testing.assert_allclose(
            logits, jaxbm.predict(MODEL, found.members.member(i).params, X[held_out])[:, 0], rtol=1e-5
        )
        want = skm.roc_auc_score(Y[held_out], logits, sample_weight=w)
        assert found.scores["roc_auc"][i] == pytest.approx(want, abs=1e-5)
        want = skm.accuracy_score(Y[held_out], logits > 0, sample_weight=w)
        assert found.scores["accuracy"][i] == pytest.approx(want, abs=1e-5)
        want = skm.log_loss(Y[held_out], 1 / (1 + np.exp(-logits.astype(np.float64))), sample_weight=w)
        assert found.scores["log_loss"][i] == pytest.approx(want, rel=1e-4)
        assert found.scores["loss"][i] == pytest.approx(want, rel=1e-4)
        assert found.members.history["val_loss"][i, -1] == pytest.approx(want, rel=1e-4)
    assert set(found.mean()) == {"loss", "accuracy", "roc_auc", "log_loss"}
    assert len(found.table()) == 8


def test_grouped_folds_splitters_and_early_stopping():
    groups = np.repeat(np.arange(9), 10)
    grouped = cross_validate(groups=groups, folds=3, stratified=False)
    for train, held_out in grouped.folds:
        assert not set(groups[train]) & set(groups[held_out])
    own = cross_validate(folds=LeaveOneGroupOut(), groups=groups, epochs=8, validation_split=0.3, patience=2)
    assert len(own.folds) == 9
    assert own.members.epochs_run.shape == (9,)
    with pytest.raises(ValueError, match="patience: expected validation_split"):
        cross_validate(patience=2)


def test_classes_and_quantities():
    classes = cross_validate(
        jaxbm.MLP((4, 6, 3)), C, loss="softmax_cross_entropy_with_integer_labels", metrics=["f1"], folds=3
    )
    assert classes.predictions.shape == (1, 90, 3)
    want = skm.f1_score(
        C[classes.folds[0][1]], classes.predictions[0, classes.folds[0][1]].argmax(1), average="macro"
    )
    assert classes.scores["f1"][0] == pytest.approx(want, abs=1e-5)
    numbers = cross_validate(y=X[:, 0] * 2, loss="squared_error", metrics=["r2"])
    held_out = numbers.folds[2][1]
    want = skm.r2_score(2 * X[held_out, 0], numbers.predictions[0, held_out, 0])
    assert numbers.scores["r2"][2] == pytest.approx(want, abs=1e-4)


def test_an_optimizer_that_hides_its_numbers_is_named():
    with pytest.raises(TypeError, match=r"numbers are data, .* to search learning_rate, got adam"):
        sweep(optimizer=optax.adam)
    with pytest.raises(TypeError, match=r"optimizer: expected a name or a function .* got Adam"):
        sweep(optimizer=jaxbm.adam(0.1))
