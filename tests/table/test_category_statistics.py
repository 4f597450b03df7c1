"""Smoothed target statistics of categories: by hand, without the row's own label, for rare and unseen ones."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jaxbm import table, tabular
from jaxbm.table import category_statistics
from jaxbm.table.category_statistics import INNER, Target, copy_groups, inner_parts, statistic_features, statistics
from jaxbm.table.preparation import Preparation
from jaxbm.tabular import visited
from jaxbm.tabular.recipes import recipe_of


def target_of(y):
    return Target(np.asarray(y, np.float64)[:, None], np.ones(len(y)))


def rows(n=200, effect=3.0, seed=0):
    """A category of which most cells hold a rare one of 150 names, each with a meaning of its own."""
    rng = np.random.default_rng(seed)
    names = rng.integers(0, 150, n) * (rng.random(n) > 0.2)
    means = rng.normal(size=150) * effect
    frame = pd.DataFrame({"a": rng.normal(size=n), "name": [f"n{i}" for i in names]})
    return frame.assign(price=frame["a"] + means[names], y=np.where(means[names] + frame["a"] > 0, "yes", "no"))


def test_they_are_drawn_to_the_mean_by_how_little_a_category_says():
    y, codes = np.asarray([0.0, 2.0, 10.0, 12.0, 14.0, 5.0]), np.asarray([0, 0, 1, 1, 1, -1])
    found = statistics(codes, 3, target_of(y))[0, :, 0]
    kept = y[:5]
    within = (2 * 1 + 4 + 0 + 4) / (5 - 2)
    between = 2 * (1 - kept.mean()) ** 2 + 3 * (12 - kept.mean()) ** 2 - within
    m = within / (between / (5 - (4 + 9) / 5))
    by_hand = [n / (n + m) * (mean - kept.mean()) / (0.5 * y.std()) for n, mean in ((2, 1), (3, 12))]
    np.testing.assert_allclose(found, [*by_hand, 0.0])
    rng = np.random.default_rng(0)
    by_chance = [statistics(rng.integers(0, 50, 200), 50, target_of(rng.normal(size=200))).any() for _ in range(200)]
    assert np.mean(by_chance) < 0.06
    assert not statistics(np.arange(4), 4, target_of([1, 2, 3, 4])).any(), "one row each"


def test_weights_count_as_rows_do():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, 40)
    y, weight = codes + rng.normal(size=40), rng.integers(0, 3, 40)
    repeated = np.repeat(np.arange(40), weight)
    many = statistics(codes[repeated], 4, target_of(y[repeated]))
    np.testing.assert_allclose(statistics(codes, 4, Target(y[:, None], weight * 1.0)), many, rtol=1e-12)
    preparation = table.prepare(rows(40), "price", categories="target")
    assert Target.of(preparation, y, weight * 7.0).weight.max() == pytest.approx(2 / weight[weight > 0].mean())


def test_a_row_never_knows_its_own_label_nor_one_that_is_held_out():
    rng = np.random.default_rng(2)
    codes, parts = rng.integers(0, 5, 60), inner_parts(np.arange(60), 3)
    y, seen = codes + rng.normal(size=60), np.arange(60) < 45
    before = statistic_features(codes, 5, target_of(y), seen, parts)
    held = y.copy()
    held[45:] += 100 * rng.normal(size=15)
    np.testing.assert_array_equal(statistic_features(codes, 5, target_of(held), seen, parts), before)
    assert len(np.unique(before[45:])) == 5
    # Within a part nothing but the smoothing, which is one number for the whole column, knows the part's labels.
    mine = parts[:45] == 0
    shuffled = y.copy()
    for code in range(5):
        at = np.flatnonzero(mine & (codes[:45] == code))
        shuffled[at] = y[at[::-1]]
    np.testing.assert_allclose(statistic_features(codes, 5, target_of(shuffled), seen, parts), before, rtol=1e-5)
    twice = pd.DataFrame({"a": np.repeat(np.arange(30.0), 2), "b": np.repeat(rng.normal(size=30), 2)})
    assert np.ptp(inner_parts(copy_groups(twice), 0).reshape(30, 2), axis=1).max() == 0
    assert np.bincount(inner_parts(np.arange(50), 0)).tolist() == [50 / INNER] * INNER


def test_a_category_that_is_noise_does_not_lower_the_loss_out_of_fold(monkeypatch):
    frame = rows(240, effect=0.0).drop(columns="y")
    frame["price"] = np.random.default_rng(0).normal(size=240)  # nothing can be learned
    monkeypatch.setattr(category_statistics, "_smoothing", lambda *_: 1.0)  # which would leave nothing of a noise
    changes = {"members": 4, "folds": 4, "epochs": 12, "hidden": (16,), "bins": 4, "learning_rate": 0.02}
    plan = tabular.plan(frame, "price", "accurate", changes=changes)
    assert [column.name for column in plan.preparation.columns if column.outcomes] == ["name"]
    assert tabular.train(plan).metrics["out of fold"]["loss"] > 0.98, "the variance of the target is 1"
    leaking = replace(plan, own=None)  # every row's own label is in its features
    assert tabular.train(leaking).metrics["out of fold"]["loss"] < 0.9


def test_they_tell_what_rare_categories_mean_and_come_back(tmp_path):
    train = rows(300)
    test = train.iloc[:60]
    options = {"members": 4, "folds": 4, "epochs": 15, "hidden": (16,), "bins": 4, "learning_rate": 0.02}
    losses = {}
    for categories in ("one-hot", "target"):
        fitted = tabular.fit(train.drop(columns="y"), "price", categories=categories, **options)
        losses[categories] = fitted.metrics["out of fold"]["loss"]
    assert losses["target"] < 0.6 * losses["one-hot"]
    assert "name: mean of price" in fitted.preparation.feature_names
    assert "described categories by smoothed statistics" in fitted.summary()
    own = fitted.plan.own
    assert own.x.shape == (4 * 300, len(fitted.preparation.feature_names))
    fitted.save(tmp_path / "m")
    back = tabular.load(tmp_path / "m")
    np.testing.assert_array_equal(back.predict(test), fitted.predict(test))
    again = Preparation.from_dict(json.loads(json.dumps(fitted.preparation.to_dict())))
    np.testing.assert_array_equal(again.features(test), fitted.preparation.features(test))


def test_a_member_learns_from_its_own_training_rows_alone():
    frame = rows(120).drop(columns="price")
    plan = tabular.plan(frame, "y", "accurate", changes={"members": 3, "folds": 3})
    x, y, _, folds = plan.visited
    name = next(i for i, n in enumerate(plan.preparation.feature_names) if n == "name: share of yes")
    for k, (train, held) in enumerate(plan.folds):
        np.testing.assert_array_equal(folds[k][0], train + 120 * k)
        np.testing.assert_array_equal(y[folds[k][1]], plan.training[1][held])
        other = frame.copy()
        other.loc[held, "y"] = np.where(other.loc[held, "y"] == "yes", "no", "yes")
        target = Target.of(plan.preparation, (other["y"] == "yes").to_numpy().astype(int))
        column = next(column for column in plan.preparation.columns if column.outcomes)
        y_other, same = target.outcomes[:, 0].astype(int), [plan.folds[k]] * (k + 1)
        found = visited.own_rows(plan.preparation, frame, plan.training[0], y_other, None, same, 0)
        np.testing.assert_array_equal(found.x[120 * k : 120 * (k + 1), name], x[120 * k : 120 * (k + 1), name])
        assert column.known
    others = [i for i in range(x.shape[1]) if i != name]
    np.testing.assert_array_equal(x[:120, others], plan.training[0][:, others])


def test_rare_ones_are_pooled_and_unseen_ones_told():
    frame = rows(300)
    found = table.prepare(frame.drop(columns="y"), "price", categories="target")
    column = found.columns[-1]
    assert column.categories == ["n0"]
    once = [name for name, count in frame["name"].value_counts().items() if count == 1]
    assert set(once) <= set(column.pooled)
    asked = pd.DataFrame({"a": 0.0, "name": [once[0], "new", None]})
    with pytest.warns(UserWarning, match=r"column 'name': 1 row holds .* \(new\); encoded as the rare ones"):
        x = found.features(asked)
    np.testing.assert_array_equal(x[0], x[1])
    assert not x[2, 1:].any()


def test_classes_weights_single_networks_and_large_tables(monkeypatch):
    frame = rows(200).drop(columns="price").assign(y=lambda f: f["y"].where(f["a"] < 0.8, "far"))
    weight = np.linspace(0.5, 2, 200)
    made = table.prepare(frame, "y", categories="target")
    assert [n for n in made.feature_names if "share" in n] == [f"name: share of {c}" for c in ("far", "no", "yes")]
    x = made.training_features(frame, weight, seed=1)
    assert x.shape == made.features(frame).shape
    assert not np.array_equal(x, made.features(frame))
    with pytest.warns(UserWarning, match="training did not see"):  # of the rows that validate
        single = tabular.plan(frame, "y", "classic", changes={"categories": "target"}, sample_weight=weight)
    assert single.own is None
    several = tabular.plan(frame, "y", "accurate", sample_weight=weight)
    assert several.weighting["sample_weight"].shape == several.visited.y.shape == (16 * 200,)
    with pytest.warns(UserWarning, match="training did not see"):
        public = tabular.plan(frame, "y", "accurate", prepare_from=frame.iloc[:150])
    assert public.own is None
    monkeypatch.setattr(visited, "MOST_BYTES", 100_000)
    large = tabular.plan(frame, "y", "accurate")
    assert large.own is None
    assert not visited.has_statistics(large.preparation)
    assert any("each member's own would take too much memory" in step for step in large.preparation.steps)
    with pytest.raises(ValueError, match="categories: unknown name 'targets'; did you mean 'target'"):
        table.prepare(frame, "y", categories="targets")
    with pytest.raises(ValueError, match="categories: expected none with privacy"):
        recipe_of("classic", {"categories": "target", "privacy": object()}, 100)
