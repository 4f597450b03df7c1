"""Labels: what is one, what is missing, and labels of another file."""

import io

import numpy as np
import pandas as pd
import pytest

from jaxbm import table

N = 300
RNG = np.random.default_rng(0)
X = RNG.normal(size=N)


def read(frame):
    return table.read(io.BytesIO(frame.to_csv(index=False).encode()))


@pytest.mark.parametrize("name", ["None", "NA", "null", "nan", "N/A"])
def test_a_class_may_be_called_like_a_mark_for_missing(name):
    frame = read(pd.DataFrame({"x": X, "y": np.where(X > 0.4, "some", name)}))
    train, test = table.split(frame, "y")
    assert len(train) + len(test) == N
    preparation = table.prepare(train, "y")
    assert preparation.classes == sorted(["some", name])
    assert set(preparation.labels(test)) == {0, 1}


def test_more_marks_and_what_they_cost_is_told():
    labels = RNG.choice(["a", "b"], N).astype(object)
    labels[:10] = "NA"
    frame = read(pd.DataFrame({"x": X, "y": labels}))
    assert len(table.prepare(frame, "y").classes) == 3
    fewer = table.prepare(frame, "y", missing=["NA"])
    assert fewer.classes == ["a", "b"]
    assert "dropped 10 rows without a label: 10 empty" in fewer.summary()
    assert len(fewer.labelled(frame)) == N - 10


@pytest.mark.parametrize("mark", ["?", "NA", "-", "error"])
def test_one_bad_row_makes_no_classes_of_a_quantity(mark):
    y = (10 * X).round(2).astype(str).astype(object)
    y[17] = mark
    frame = read(pd.DataFrame({"x": X, "y": y}))
    assert table.task_of(frame, "y") == "regression"
    train, test = table.split(frame, "y")
    assert len(train) + len(test) == N - 1
    told = "\n".join(table.split_summary(frame, "y", {"training": len(train)}))
    assert f"dropped 1 row without a label: 1 {mark!r} (row 17)" in told
    preparation = table.prepare(train, "y")
    np.testing.assert_allclose(
        preparation.unscale(preparation.labels(test)), 10 * X[test.index].round(3), rtol=1e-2, atol=1e-2
    )
    assert len(preparation.labelled(frame)) == N - 1
    with pytest.raises(ValueError, match=r"1 lack one: 1 .* \(row 17\)"):
        preparation.labels(frame)


@pytest.mark.parametrize("dress", ["{:,.2f}", "{:.2f} %", "${:.2f}"])
def test_a_quantity_with_thousands_separators_or_signs(dress):
    y = 5000 + 1000 * X
    frame = read(pd.DataFrame({"x": X, "y": [dress.format(value) for value in y]}))
    preparation = table.prepare(frame, "y")
    assert preparation.task == "regression"
    np.testing.assert_allclose(preparation.unscale(preparation.labels(frame)), y, rtol=1e-4, atol=0.01)


def test_integers_with_a_mark_are_classes_and_the_mark_is_one():
    y = RNG.choice(["0", "1"], N).astype(object)
    y[:40] = "unknown"
    frame = read(pd.DataFrame({"x": X, "y": y}))
    preparation = table.prepare(frame, "y")
    assert preparation.classes == ["0", "1", "unknown"]
    later = read(pd.DataFrame({"x": X[:4], "y": [0, 1, 1, 0]}))
    np.testing.assert_array_equal(preparation.labels(later), [0, 1, 1, 0])
    lone = y.copy()
    lone[:40] = "0"
    lone[3] = "?"
    with pytest.raises(ValueError, match=r"two or more rows of each class to split, got one of \['\?'\].*--missing"):
        table.split(read(pd.DataFrame({"x": X, "y": lone})), "y")
    counts = pd.DataFrame({"x": X, "y": np.arange(len(X)) % 5})
    counts.loc[0, "y"] = 7
    with pytest.raises(
        ValueError, match=r"got one of \['7'\]; where it is a quantity, say so with --task regression"
    ):
        table.split(counts, "y")


@pytest.mark.parametrize(
    ("training", "later"),
    [
        ([0, 1], ["0", "1"]), (["0", "1", "x"], [0, 1]), ([0, 1], [0.0, 1.0]), (["1.0", "2.0"], [1, 2]),
        ([True, False], ["True", "False"]), ([True, False], ["TRUE", "FALSE"]), (["true", "false"], [True, False]),
        (["01", "02"], [1, 2]), ([" a", "b "], ["a", "b"]),
    ],
)  # fmt: skip
def test_labels_of_another_file_mean_the_same(training, later):
    n = len(training)
    frame = pd.DataFrame({"x": np.arange(4.0 * n), "y": training * 4})
    preparation = table.prepare(frame, "y")
    codes = preparation.labels(frame)[: len(later)]
    np.testing.assert_array_equal(preparation.labels(pd.DataFrame({"y": later})), codes)


def test_classes_that_mean_the_same_number_are_not_confused():
    preparation = table.prepare(pd.DataFrame({"x": np.arange(8.0), "y": ["1", "01"] * 4}), "y")
    np.testing.assert_array_equal(preparation.labels(pd.DataFrame({"y": ["01", "1"]})), [0, 1])
    with pytest.raises(ValueError, match=r"expected one of \['01', '1'\], got \['1.0'\]"):
        preparation.labels(pd.DataFrame({"y": ["1.0"]}))


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (
            [f"text {i}" for i in range(N)],
            "expected numbers, or classes with several rows each, got 300 different texts",
        ),
        (pd.date_range("2024-01-01", periods=N), "expected numbers or classes, got dates"),
        (pd.date_range("2024-01-01", periods=N).strftime("%d.%m.%Y"), "expected numbers or classes, got dates"),
    ],
)
def test_targets_that_are_none(labels, match):
    with pytest.raises(ValueError, match=match):
        table.prepare(pd.DataFrame({"x": X, "y": labels}), "y")


def test_errors_name_a_few_classes_only():
    frame = pd.DataFrame({"x": np.arange(60.0), "y": ["a"] * 30 + [f"b{i}" for i in range(30)]})
    with pytest.raises(ValueError, match=r"got one of \['b0', 'b1', 'b10', 'b11', 'b12'\] and 25 more"):
        table.split(frame, "y", task="multiclass")


def test_models_saved_before_columns_had_reasons():
    old = {
        "target": "y", "task": "binary", "classes": ["a", "b"], "target_center": 0.0, "target_scale": 1.0,
        "steps": [],
        "columns": [
            {"name": "n", "kind": "number", "center": 1.0, "scale": 2.0, "fill": 1.0, "indicator": True,
             "categories": []},
            {"name": "c", "kind": "category", "center": 0.0, "scale": 1.0, "fill": 0.0, "indicator": False,
             "categories": ["p", "q"]},
            {"name": "b", "kind": "boolean", "center": 0.5, "scale": 0.5, "fill": 0.0, "indicator": False,
             "categories": []},
        ],
    }  # fmt: skip
    preparation = table.Preparation.from_dict(old)
    frame = pd.DataFrame({"n": [3.0, np.nan], "c": ["q", "p"], "b": ["true", "false"], "y": ["b", "a"]})
    np.testing.assert_array_equal(preparation.features(frame), [[1, 0, 0, 1, 1], [0, 1, 1, 0, -1]])
    np.testing.assert_array_equal(preparation.labels(frame), [1, 0])
