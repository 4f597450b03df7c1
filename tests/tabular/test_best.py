"""The preset "best": rounds within a time, a greedy ensemble from out-of-fold predictions, going on after a stop."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jaxbm import tabular
from jaxbm.members.selection import log_loss
from jaxbm.tabular import candidates, search
from jaxbm.tabular.candidates import Candidate, drawn
from jaxbm.tabular.recipes import PRESETS

OPTIONS = {"preset": "best", "folds": 3, "epochs": 3, "patience": 2, "numbers": "standard"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(candidates, "WIDTHS", (4, 8))
    monkeypatch.setattr(search, "WIDTHS", (4, 64))
    monkeypatch.setattr(candidates, "DEPTHS", (2,))
    monkeypatch.setattr(search, "DEPTHS", (2,))
    monkeypatch.setattr(search, "PER_ROUND", 2)


@pytest.fixture
def clock(monkeypatch):
    """Each look at the clock is one second later."""
    now = iter(range(10_000))
    monkeypatch.setattr(search.time, "perf_counter", lambda: float(next(now)))


def rows(n=60):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    return frame.assign(y=np.where(frame["a"] * frame["b"] > 0, "yes", "no"))


def test_it_chooses_by_rows_out_of_fold_and_goes_on_where_it_stopped(tmp_path, clock):
    told = []
    fitted = tabular.fit(rows(), "y", time=10, folder=tmp_path / "s", progress=told.append, **OPTIONS)
    assert [now.candidates for now in told] == [1, 3, 5]  # three seconds a round
    losses = [now.loss for now in told]
    assert losses == sorted(losses, reverse=True)
    chosen = fitted.metadata["chosen"]
    assert sum(one["weight"] for one in chosen) == pytest.approx(1)
    assert (
        fitted.ensemble.members
        == sum(one["members"] for one in chosen)
        == fitted.result.members
        == len(fitted.plan.folds)
    )
    accurate = tabular.fit(rows(), "y", members=6, **{**OPTIONS, "preset": "accurate"})
    assert told[0].loss == pytest.approx(accurate.metrics["out of fold"]["loss"], rel=1e-6)  # so it can't be worse
    # What is told is what the chosen members say of rows that they did not see.
    x, y = fitted.plan.training
    p = np.zeros((len(x), 2))
    logits = fitted.ensemble.logits(x)[..., 0].astype(float)
    for k, (_, held) in enumerate(fitted.plan.folds):
        p[held, 1] += 3 * fitted.ensemble.weights[k] / (1 + np.exp(-logits[k, held]))
    p[:, 0] = 1 - p[:, 1]
    assert log_loss(p, y) == pytest.approx(losses[-1], rel=1e-4)
    assert fitted.metrics["out of fold"]["loss"] == pytest.approx(losses[-1], rel=1e-4)
    # The folder's rounds aren't trained again, and their time counts.
    for path in (tmp_path / "s").glob("round-2-*.npz"):
        path.unlink()
    told.clear()
    again = tabular.fit(rows(), "y", time=10, folder=tmp_path / "s", progress=told.append, **OPTIONS)
    np.testing.assert_array_equal(again.predict(rows()), fitted.predict(rows()))
    np.testing.assert_allclose(again.probabilities(rows()), fitted.probabilities(rows()), rtol=1e-6)
    with pytest.raises(ValueError, match="holds a search of other data or options"):
        tabular.fit(rows(), "y", time=10, folder=tmp_path / "s", **{**OPTIONS, "epochs": 4})


def test_a_time_too_short_trains_the_smallest_ensemble_and_says_so(tmp_path, clock):
    frame = rows().assign(y=lambda f: f["a"] ** 2)
    with pytest.warns(UserWarning, match=r"time: 0\.5 s were over with the first round.*: the smallest ensemble"):
        fitted = tabular.fit(frame, "y", time=0.5, **OPTIONS)
    assert [one["hidden"] for one in fitted.metadata["chosen"]] == [[64, 32]]
    fitted.save(tmp_path / "m")
    np.testing.assert_array_equal(tabular.load(tmp_path / "m").predict(frame), fitted.predict(frame))
    described = json.loads((tmp_path / "m" / "members.json").read_text())
    assert described["metadata"]["preset"] == "best"
    assert fitted.predict(frame).max() <= frame["y"].max() + 1e-6


def test_candidates_stay_in_their_ranges_and_come_back():
    rng = np.random.default_rng(0)
    best = [Candidate((4,), 6e-3, 0.4, 0.0)]
    made = drawn(rng, 1, 40, best)
    assert made[0].hidden == (8,)
    assert all(one.hidden == (4,) for one in made[1::2])
    for one in made:
        assert candidates.RATES[0] <= one.learning_rate <= candidates.RATES[1]
        assert 0 <= one.dropout <= candidates.MOST_DROPOUT
        assert candidates.DECAYS[0] <= one.weight_decay <= candidates.DECAYS[1]
        assert Candidate.from_dict(json.loads(json.dumps(one.to_dict()))) == one


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"preset": "best", "hidden": (8,)}, "hidden: expected nothing beside a search"),
        ({"preset": "best", "folds": 0}, "folds: expected at least 2 for a search"),
        ({"time": 10}, "time: expected None with preset 'accurate', got 10; 'best' searches"),
        ({"preset": "classic", "time": 10}, "time: expected None with preset 'classic'"),
        ({"preset": "best", "time": 0}, "time: expected a positive number of seconds, got 0"),
        ({"preset": "best", "members": 4}, "members: expected nothing beside a search"),
        ({"preset": replace(PRESETS["best"], hidden=(4, 4, 4))}, "hidden: expected 2 widths of at most 64 to begin"),
    ],
)
def test_bad_input(changes, match):
    with pytest.raises(ValueError, match=match):
        tabular.fit(rows(), "y", **changes)
