"""A sweep over points that somebody else chooses, and an Optuna study that does."""

import jax
import numpy as np
import pytest

import jaxbm

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3)).astype(np.float32)
Y = X[:, 0] - X[:, 1]
KEY, MODEL = jax.random.key(0), jaxbm.MLP((3, 4, 1))
OPTIONS = {"loss": "squared_error", "folds": 3, "epochs": 4}


def test_values_of_points_do_not_depend_on_those_beside_them():
    points = [{"learning_rate": rate, "hidden": hidden} for rate in (1e-3, 1e-1) for hidden in ((4,), (9,))]
    together = jaxbm.sweep(points, KEY, MODEL, X, Y, refit=False, **OPTIONS)
    assert together.trials == tuple(points)
    assert together.mean.shape == (4,)
    alone = [jaxbm.sweep([point], KEY, MODEL, X, Y, refit=False, **OPTIONS).mean[0] for point in points]
    np.testing.assert_allclose(together.mean, alone, rtol=1e-5)
    with pytest.raises(ValueError, match="space: expected at least one point, got none"):
        jaxbm.sweep([], KEY, MODEL, X, Y, **OPTIONS)
    with pytest.raises(ValueError, match=r"space: expected points with the names \['l2'\], got \['dropout'\]"):
        jaxbm.sweep([{"l2": 0.0}, {"dropout": 0.1}], KEY, MODEL, X, Y, **OPTIONS)


@pytest.mark.filterwarnings("ignore")  # Optuna's own
def test_a_study_is_told_the_values_of_its_trials_batch_by_batch(monkeypatch):
    optuna = pytest.importorskip("optuna")
    from jaxbm.studies import optuna as adapter

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sizes = []
    sweep = adapter.sweep
    monkeypatch.setattr(adapter, "sweep", lambda points, *rest, **more: sizes.append(len(points)) or sweep(
        points, *rest, **more))  # fmt: skip
    space = {
        "learning_rate": jaxbm.space.LogUniform(1e-4, 1e-1),
        "hidden": [(4,), (8,)],
        "l2": jaxbm.space.Uniform(0.0, 0.1),
        "epochs": jaxbm.space.Integers(2, 4),
    }
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    adapter.optimize(study, space, KEY, MODEL, X, Y, trials=11, batch=8, **OPTIONS)
    assert sizes == [8, 3]
    assert len(study.trials) == 11
    assert {trial.params["hidden"] for trial in study.trials} == {"(4,)", "(8,)"}
    best = study.best_trial
    point = {**best.params, "hidden": eval(best.params["hidden"])}
    again = jaxbm.sweep([point], KEY, MODEL, X, Y, refit=False, **OPTIONS)
    assert best.value == pytest.approx(again.mean[0], rel=1e-5)
    assert best.user_attrs["std"] > 0
    upwards = optuna.create_study(direction="maximize")
    with pytest.raises(ValueError, match="study: expected direction 'minimize' for this metric"):
        adapter.optimize(upwards, {"l2": [0.0]}, KEY, MODEL, X, Y, trials=2, **OPTIONS)
    assert all(trial.state.name == "FAIL" for trial in upwards.trials)


@pytest.mark.filterwarnings("ignore")  # Optuna's own
def test_trials_of_the_user_s_own_come_first_and_none_is_left_running():
    optuna = pytest.importorskip("optuna")
    from jaxbm.studies.optuna import optimize

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {"learning_rate": jaxbm.space.LogUniform(1e-4, 1e-1), "hidden": [(4,), (8,)]}
    study = optuna.create_study()
    study.enqueue_trial({"learning_rate": 0.01, "hidden": "(8,)"})
    optimize(study, space, KEY, MODEL, X, Y, trials=2, **OPTIONS)
    assert study.trials[0].params == {"learning_rate": 0.01, "hidden": "(8,)"}
    study.enqueue_trial({"learning_rate": 0.01, "hidden": "(9,)"})
    with pytest.raises(ValueError, match=r"\(9,\)"):
        optimize(study, space, KEY, MODEL, X, Y, trials=2, **OPTIONS)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL"]
    with pytest.raises(ValueError, match="study: expected one of one objective, got one of 2"):
        optimize(optuna.create_study(directions=["minimize"] * 2), space, KEY, MODEL, X, Y, **OPTIONS)
    with pytest.raises(TypeError, match=r"study: expected an optuna.Study, got"):
        optimize("study", space, KEY, MODEL, X, Y, **OPTIONS)
