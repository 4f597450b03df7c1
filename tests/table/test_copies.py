"""Copies of rows stay on one side of a split, which keeps its sizes; without copies it is scikit-learn's own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from jaxbm import table
from jaxbm.table.copies import copies

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
    assert f"found {copied} duplicate rows, kept; copies are on one side of the split" in told


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
