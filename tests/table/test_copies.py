"""Copies of rows stay on one side of a split, which keeps its sizes; without copies it is scikit-learn's own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from jaxbm import table
from jaxbm.core.words import counted
from jaxbm.studies.folds import make_folds
from jaxbm.table.copies import copies, folds_together

N = 400


def rows(copied, classes=True):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=N), "z": rng.choice(["a", "b"], N)})
    frame["y"] = rng.choice(["no", "yes"], N, p=[0.75, 0.25]) if classes else rng.normal(size=N)
    return pd.concat([frame, frame.iloc[:copied]], ignore_index=True)


def keys(frame):
    return set(map(tuple, frame.to_numpy(object).tolist()))


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("copied", [1, 100, 390])
@pytest.mark.parametrize("seed", [0, 1])
def test_copies_are_on_one_side(classes, copied, seed):
    frame = rows(copied, classes)
    train, test = table.split(frame, "y", seed=seed)
    assert not keys(train) & keys(test)
    assert sorted([*train.index, *test.index]) == list(range(N + copied))
    expected = int(np.ceil(0.2 * (N + copied)))
    assert abs(len(test) - expected) <= (0 if copied < 200 else 0.25 * expected)
    if classes and copied < 200:
        assert abs((test["y"] == "yes").mean() - (frame["y"] == "yes").mean()) < 0.02
    training, validation = table.validation_rows(train, 0.2)
    assert not keys(training) & keys(validation)
    assert len(training) + len(validation) == len(train)
    told = "\n".join(table.split_summary(frame, "y", {"training": len(train), "test": len(test)}))
    assert f"found {counted(copied, 'duplicate row')}, kept; copies are on one side of the split" in told


def test_without_copies_nothing_changes():
    frame = rows(0)
    train, test = train_test_split(frame, test_size=0.2, random_state=3, stratify=frame["y"])
    ours = table.split(frame, "y", seed=3)
    pd.testing.assert_frame_equal(ours[0], train)
    pd.testing.assert_frame_equal(ours[1], test)
    training, validation = table.validation_rows(ours[0], 0.25)
    pd.testing.assert_frame_equal(pd.concat([training, validation]), train)
    assert len(table.validation_rows(ours[0], 0.0)[1]) == 0


def test_rows_that_are_equal_by_chance_are_no_copies():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.choice(["a", "b", "c"], N) for name in ("p", "q", "y")})
    assert copies(frame) is None
    train, _ = table.split(frame, "y", seed=0)
    expected, _ = train_test_split(frame, test_size=0.2, random_state=0, stratify=frame["y"])
    pd.testing.assert_frame_equal(train, expected)
    told = "\n".join(table.split_summary(frame, "y", {"training": 320, "test": 80}))
    assert "equal by chance, with so few values" in told


def test_copied_rows_of_categories_are_copies():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": rng.choice(["a", "b", "c"], N) for i in range(12)})
    assert copies(frame) is None
    assert copies(pd.concat([frame, frame.iloc[:5]])) is not None


@pytest.mark.parametrize("copied", [1, 100, 390])
def test_copies_are_held_out_together(copied):
    frame = rows(copied)
    groups, n = copies(frame), N + copied
    folds = folds_together(groups, make_folds(n, frame["y"], 4, stratified=True))
    assert sorted(np.concatenate([held_out for _, held_out in folds]).tolist()) == list(range(n))
    for train, held_out in folds:
        assert not set(groups[train]) & set(groups[held_out])
        assert abs(len(held_out) - n / 4) <= 0.1 * n
    with pytest.raises(ValueError, match="folds: expected at most as many as there are different rows, got 4"):
        folds_together(np.zeros(8, int), make_folds(8, np.zeros(8), 4))


@pytest.mark.parametrize("copied", [1, 100, 250])
def test_copies_within_a_group_are_on_one_side(copied):
    frame = rows(copied)
    frame["shop"] = frame["z"]
    ordered = table.within_groups(frame.sample(frac=1, random_state=0), "shop", 0.25)
    assert sorted(ordered.index) == list(range(len(frame)))
    for _, part in ordered.groupby("shop"):
        first = int(len(part) * 0.75)
        assert not keys(part[:first]) & keys(part[first:])
    plain = rows(0)
    pd.testing.assert_frame_equal(table.within_groups(plain, "z", 0.25), plain)


def test_the_command_line_keeps_copies_together(monkeypatch, tmp_path):
    import jaxbm
    from jaxbm.cli import main

    monkeypatch.chdir(tmp_path)
    rows(100).to_csv("data.csv", index=False)
    taken = {}

    def noted(name):
        def stop(*arguments, **options):
            taken[name] = (arguments, options)
            raise ValueError("enough")

        return stop

    monkeypatch.setattr(jaxbm, "sweep", noted("sweep"))
    monkeypatch.setattr(jaxbm, "fit_groups", noted("groups"))
    assert main(["sweep", "data.csv", "--target", "y", "--folds", "3"]) != 0
    (_, _, _, x, _), options = taken["sweep"]
    for train, held_out in options["folds"]:
        assert not set(map(bytes, x[train])) & set(map(bytes, x[held_out]))
    assert main(["groups", "data.csv", "--target", "y", "--group", "z", "--validation-split", "0.25"]) != 0
    (_, _, x, _, shop), _ = taken["groups"]
    for name in ("a", "b"):
        own = x[np.asarray(shop) == name]
        first = int(len(own) * 0.75)
        assert not set(map(bytes, own[:first])) & set(map(bytes, own[first:]))
