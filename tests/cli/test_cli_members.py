"""Sweeps, groups and ensembles on the command line, and their folders."""

import importlib.util
import json
import signal

import jax
import numpy as np
import pandas as pd
import pytest
from support.commands import run

import jaxbm
from jaxbm import table
from jaxbm.cli import options
from jaxbm.studies import sweep_plan

SWEEP = ["--demo", "iris", "--hidden", "8", "4,4", "--learning-rate", "log:1e-3:1e-1", "--l2", "0", "1e-3"]
SWEEP += ["--trials", "6", "--folds", "3", "--epochs", "4"]


def test_sweep_saves_trials_and_the_best_model_and_goes_on_after_a_kill(tmp_path, capsys):
    status, out, _ = run(capsys, "sweep", *SWEEP, "--out", tmp_path / "s")
    assert status == 0
    assert "6 trials, 18 members" in out
    trials = pd.read_csv(tmp_path / "s" / "trials.csv")
    assert len(trials) == 6
    assert trials["loss"].is_monotonic_increasing
    assert set(trials["hidden"].astype(str)) <= {"8", "4,4"}
    saved = jaxbm.load(tmp_path / "s" / "model")
    assert saved.metadata["trial"]["learning_rate"] == pytest.approx(trials["learning_rate"][0])
    frame, _ = table.demo("iris")
    frame.to_csv(tmp_path / "iris.csv", index=False)
    status, out, _ = run(capsys, "evaluate", tmp_path / "s" / "model", tmp_path / "iris.csv")
    assert (status, "150 rows" in out) == (0, True)
    again = run(capsys, "sweep", *SWEEP, "--out", tmp_path / "s")
    assert again[0] == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "s" / "trials.csv"), trials)
    status, _, err = run(capsys, "sweep", *SWEEP, "--seed", 1, "--out", tmp_path / "s")
    assert status == 2
    assert "holds a sweep of other data or options" in err


def test_ctrl_c_shows_what_is_finished(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sweep_plan, "MEMBERS_PER_BLOCK", 3)

    def press(now):
        if now.members_done > 6:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(options.MembersLine, "progress", staticmethod(press))
    status, out, err = run(capsys, "sweep", *SWEEP, "--out", tmp_path / "s")
    assert status == 130
    assert "interrupted; .result holds the 2 of 6 trials" not in out
    assert "2 of 6 trials are finished" in out
    assert len(pd.read_csv(tmp_path / "s" / "trials.csv")) == 2
    assert "interrupted" in err
    monkeypatch.undo()
    monkeypatch.setattr(sweep_plan, "MEMBERS_PER_BLOCK", 3)
    status, out, _ = run(capsys, "sweep", *SWEEP, "--out", tmp_path / "s")
    assert status == 0
    assert len(pd.read_csv(tmp_path / "s" / "trials.csv")) == 6


@pytest.fixture
def shops(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"shop": np.repeat([1, 2, 3], [150, 120, 5]), "a": rng.normal(size=275)})
    frame["sales"] = 100 + 10 * np.where(frame["shop"] == 1, frame["a"], -frame["a"])
    frame.sample(frac=1, random_state=0).to_csv(tmp_path / "shops.csv", index=False)
    return tmp_path / "shops.csv"


@pytest.mark.parametrize("pooled", [[], ["--pooled"]])
def test_groups(pooled, shops, tmp_path, capsys):
    argv = ["groups", shops, "--group", "shop", "--target", "sales", "--epochs", 60, *pooled, "--out", tmp_path / "g"]
    status, out, _ = run(capsys, *argv)
    assert status == 0
    assert "2 models in" in out
    assert "1 group has fewer than 20 rows" in out
    assert "no model of its own: 3" in out
    status, out, _ = run(capsys, "evaluate", tmp_path / "g", shops)
    assert status == 0
    assert ("275 rows" if pooled else "270 rows") in out
    assert ("left out 5 rows of groups without a model" in out) == (not pooled)
    status, out, _ = run(capsys, "predict", tmp_path / "g", shops, "--out", tmp_path / "p.csv")
    assert ("5 rows of groups without a model: left empty there" in out) == (not pooled)
    frame, predicted = pd.read_csv(shops), pd.read_csv(tmp_path / "p.csv")["sales"]
    status, _, err = run(capsys, "predict", tmp_path / "g", shops, "--out", tmp_path / "p.parquet")
    if importlib.util.find_spec("pyarrow") is None:
        assert (status, "pip install 'jaxbm[parquet]'" in err) == (2, True)
    else:
        np.testing.assert_array_equal(pd.read_parquet(tmp_path / "p.parquet")["sales"], predicted)
    assert predicted[frame["shop"] == 3].isna().all() == (not pooled)
    large = frame["shop"] < 3
    assert np.abs(predicted - frame["sales"])[large].mean() < 2
    status, _, err = run(capsys, "explain", tmp_path / "g", shops, "--no-pictures")
    assert (status, "got models by group" in err) == (2, True)
    status, _, err = run(capsys, "info", tmp_path / "g", "--target", "sales")
    assert (status, "is a folder; jaxbm evaluate" in err) == (2, True)
    status, _, err = run(capsys, "groups", shops, "--group", "shp", "--target", "sales")
    assert status == 2
    assert "did you mean 'shop'" in err


def test_an_ensemble(tmp_path, capsys):
    frame, target = table.demo("iris")
    frame.to_csv(tmp_path / "iris.csv", index=False)
    argv = [
        "train",
        tmp_path / "iris.csv",
        "--target",
        target,
        "--preset",
        "classic",
        "--members",
        3,
        "--bootstrap",
        "--epochs",
        5,
    ]
    status, out, _ = run(capsys, *argv, "--out", tmp_path / "m")
    assert status == 0
    assert "3 networks, each on its own draw of rows" in out
    assert run(capsys, *argv, "--out", tmp_path / "m")[0] == 0  # replaces it
    saved = jaxbm.load_members(tmp_path / "m")
    assert saved.predictor.members == 3
    status, out, _ = run(capsys, "evaluate", tmp_path / "m", tmp_path / "iris.csv")
    assert (status, "150 rows" in out) == (0, True)
    run(capsys, "predict", tmp_path / "m", tmp_path / "iris.csv", "--out", tmp_path / "p.csv")
    predicted = pd.read_csv(tmp_path / "p.csv")
    np.testing.assert_allclose(predicted.filter(like="probability").sum(axis=1), 1, rtol=1e-6)
    p = saved.predictor.probabilities(saved.preparation.features(frame))
    np.testing.assert_allclose(predicted.filter(like="probability"), p, rtol=1e-5, atol=1e-7)
    assert run(capsys, *argv, "--noise", 0.1, "--out", tmp_path / "m")[0] == 0  # members augment, too
    status, _, err = run(capsys, *argv[:-4], 0)
    assert (status, "expected at least 1, got 0" in err) == (2, True)


def test_members_come_back_bit_for_bit_and_damage_is_told(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    model = jaxbm.MLP((2, 4, 1), use_bias=False)
    many = jaxbm.fit_members(jax.random.key(0), model, x, x[:, 0], members=3, loss="squared_error", epochs=1)
    ensemble = jaxbm.Ensemble.of(many).selected(x, x[:, 0], score="squared_error", drop=False)
    jaxbm.save_members(tmp_path / "e", ensemble, metadata={"note": 1})
    back = jaxbm.load_members(tmp_path / "e")
    assert back.metadata == {"note": 1}
    np.testing.assert_array_equal(back.predictor.mean(x), ensemble.mean(x))
    labels = np.repeat(["a", "b"], 20)
    groups = jaxbm.fit_groups(jax.random.key(0), model, x, x[:, 0], labels, loss="squared_error", pooled=True)
    jaxbm.save_members(tmp_path / "g", groups)
    again = jaxbm.load_members(tmp_path / "g").predictor
    asked = np.where(np.arange(40) % 3 == 0, "new", labels)
    np.testing.assert_array_equal(again.predict(x, asked), groups.predict(x, asked))
    (path,) = (tmp_path / "g").glob("members-*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged, its checksum"):
        jaxbm.load_members(tmp_path / "g")
    (tmp_path / "e" / "members.json").write_text("{")
    with pytest.raises(ValueError, match="not readable as JSON"):
        jaxbm.load_members(tmp_path / "e")
    (tmp_path / "e" / "members.json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(ValueError, match="expected members that jaxbm saved"):
        jaxbm.load_members(tmp_path / "e")
    with pytest.raises(FileNotFoundError, match="saved members in"):
        jaxbm.load_members(tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        jaxbm.save_members(path, ensemble)
