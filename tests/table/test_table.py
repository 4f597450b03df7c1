import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
from sklearn.model_selection import train_test_split

from jaxbm import table
from jaxbm.augment import Compose, FeatureMasking, GaussianNoise, Mixup


def frame():
    return pd.DataFrame(
        {
            "size": [1.0, 2.0, np.nan, 4.0, np.inf, 6.0],
            "color": ["red", "blue", "red", None, "blue", "red"],
            "new": [True, False, True, True, False, False],
            "same": 7,
            "empty": np.nan,
            "label": ["a", "b", "a", "b", None, "a"],
        }
    )


def test_every_step_by_hand():
    preparation = table.prepare(frame(), "label")
    assert preparation.task == "binary"
    assert preparation.classes == ["a", "b"]
    assert preparation.feature_names == [
        "size",
        "size is missing",
        "color=blue",
        "color=red",
        "color is missing",
        "new",
    ]
    x = preparation.features(frame())
    filled = np.asarray([1, 2, 3, 4, 6])  # the row without a label does not count; the median stands in
    np.testing.assert_allclose(x[[0, 1, 2, 3, 5], 0], (filled - filled.mean()) / filled.std(), rtol=1e-6)
    np.testing.assert_array_equal(x[:, 1], [0, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(x[:, 2], [0, 1, 0, 0, 1, 0])
    np.testing.assert_array_equal(x[:, 4], [0, 0, 0, 1, 0, 0])
    np.testing.assert_array_equal(preparation.labels(frame().drop(index=4)), [0, 1, 0, 1, 0])
    told = preparation.summary()
    for words in (
        "dropped 1 row without a label",
        "dropped constant columns: same",
        "dropped empty columns: empty",
        "with an indicator: size (1)",
    ):
        assert words in told


def test_infinities_and_duplicates_are_told():
    rows = pd.DataFrame({"x": [1.0, 1.0, np.inf, 3.0], "y": [0.5, 0.5, 1.5, 2.5]})
    told = table.prepare(rows, "y").summary()
    assert "found 1 duplicate row," in told
    assert "took 1 infinite value as missing" in told


def test_statistics_come_from_the_first_rows_only():
    rows = pd.DataFrame({"x": np.arange(10.0), "y": np.arange(10.0) * 1.5})
    preparation = table.prepare(rows, "y", fit_rows=4)
    np.testing.assert_allclose(preparation.features(rows)[:4].mean(), 0, atol=1e-7)
    assert preparation.target_center == 2.25
    np.testing.assert_allclose(preparation.unscale(preparation.labels(rows)), rows["y"], rtol=1e-6, atol=1e-6)


def test_round_trip_is_exact():
    preparation = table.prepare(frame(), "label")
    again = table.Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))
    assert again == preparation
    np.testing.assert_array_equal(again.features(frame()), preparation.features(frame()))


def test_unseen_categories_warn_and_become_zeros():
    preparation = table.prepare(frame(), "label")
    later = frame().assign(color="green")
    with pytest.warns(UserWarning, match=r"'color': 6 rows hold categories .*\(green\)"):
        x = preparation.features(later)
    assert not x[:, 2:5].any()


def test_split_is_stratified_and_keeps_every_labelled_row():
    rows = pd.DataFrame({"x": np.arange(100.0), "y": [0] * 80 + [1] * 20})
    train, test = table.split(rows, "y", test_size=0.2, seed=3)
    assert (len(train), len(test), int(test["y"].sum())) == (80, 20, 4)
    assert sorted([*train["x"], *test["x"]]) == sorted(rows["x"])


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "binary"),
        ([True, False], "binary"),
        ([0, 1, 2], "multiclass"),
        ([1.0, 2.0], "binary"),
        (list(range(30)), "regression"),
        ([0.5, 1.0], "regression"),
    ],
)
def test_the_task_is_found_from_the_target(values, task):
    assert table.task_of(pd.DataFrame({"y": values}), "y") == task


def test_arrays_become_a_table():
    rows = table.from_arrays(np.ones((3, 2)), np.arange(3))
    assert list(rows.columns) == ["x0", "x1", "target"]
    with pytest.raises(ValueError, match=r"y: expected shape \[3\]"):
        table.from_arrays(np.ones((3, 2)), np.ones((3, 1)))


@pytest.mark.parametrize("name", table.DEMOS)
def test_demos(name):
    rows, target = table.demo(name)
    preparation = table.prepare(rows, target)
    assert np.isfinite(preparation.features(rows)).all()


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        table.read(tmp_path / "none.csv")
    for text, match in (
        ("", "empty file"),
        ("a,b\n", "rows below the header"),
        ("a,a\n1,2\n", r"\['a'\] more than once"),
    ):
        path = tmp_path / "bad.csv"
        path.write_text(text)
        with pytest.raises(ValueError, match=match):
            table.read(path)


@pytest.mark.parametrize(
    ("columns", "options", "match"),
    [
        ({"x": [1, 2], "label": [0, 1]}, {"target": "labl"}, "did you mean 'label'"),
        (
            {"x": [1, 2], "y": ["1.5", "two"]},
            {"task": "regression"},
            "expected numbers for a regression, got 'two' in row 1",
        ),
        ({"x": [1, 2], "y": ["a", "a"]}, {}, "two or more classes, got only 'a'"),
        ({"x": [1, 2], "y": [None, None]}, {"task": "binary"}, "no label at all"),
        ({"x": [1, 2, 3], "y": [1, 2, 3]}, {"task": "binary"}, "two classes for task='binary', got 3"),
        ({"x": [1, 2], "y": [1, 0]}, {"task": "ranking"}, "task: unknown name"),
        ({"x": [1, 2], "y": ["2024-01-01", "2024-02-01"] * 1}, {"task": "regression"}, "got '2024-01-01' in row 0"),
        ({"x": [1, 1], "y": [0, 1]}, {}, "at least one column that varies"),
    ],
)
def test_bad_tables(columns, options, match):
    with pytest.raises(ValueError, match=match):
        table.prepare(pd.DataFrame(columns), **{"target": "y", **options})


def test_bad_rows_at_prediction():
    preparation = table.prepare(frame(), "label")
    with pytest.raises(ValueError, match=r"missing \['size'\]"):
        preparation.features(frame().drop(columns="size"))
    with pytest.raises(ValueError, match="column 'size': expected numbers, got 'big' in row 2"):
        preparation.features(frame().assign(size=[1, 2, "big", 4, 5, 6]))
    with pytest.raises(ValueError, match=r"expected one of \['a', 'b'\], got \['c'\]"):
        preparation.labels(frame().assign(label="c"))
    with pytest.raises(ValueError, match=r"two or more rows of each class to split, got one of \['b'\]"):
        table.split(pd.DataFrame({"x": [1, 2, 3], "y": ["a", "a", "b"]}), "y")


def test_text_columns():
    many = pd.DataFrame({"c": [f"c{i % 250}" for i in range(1000)], "x": range(1000), "y": [0, 1] * 500})
    many.loc[:9, "c"] = "c0"
    preparation = table.prepare(many, "y")
    assert len(preparation.columns[0].categories) == table.MAX_CATEGORIES
    assert "c0" in preparation.columns[0].categories
    few = pd.DataFrame({"code": ["1", "a", "1", "b"], "y": [0, 1, 0, 1]})
    preparation = table.prepare(few, "y")
    later = pd.DataFrame({"code": [1.0, np.nan]})  # read as floats from a file with a gap
    np.testing.assert_array_equal(preparation.features(later), [[1, 0, 0], [0, 0, 0]])


def test_classes_of_a_categorical_column_keep_their_order():
    target = pd.Categorical.from_codes([0, 1, 2, 0, 1, 2], ["low", "middle", "high"])
    rows = pd.DataFrame({"x": range(6), "y": target})
    preparation = table.prepare(rows, "y")
    assert preparation.classes == ["low", "middle", "high"]
    np.testing.assert_array_equal(preparation.labels(rows), [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(preparation.labels(rows.astype({"y": str})), [0, 1, 2, 0, 1, 2])


def test_splits_of_demos_are_those_of_scikit_learn():
    arrays = sklearn.datasets.load_breast_cancer(return_X_y=True)
    x, x_test, *_ = train_test_split(*arrays, test_size=0.2, random_state=5, stratify=arrays[1])
    train, test = table.split(*table.demo("breast_cancer"), seed=5)
    np.testing.assert_array_equal(train.drop(columns="target"), x)
    np.testing.assert_array_equal(test.drop(columns="target"), x_test)


def test_augmentations():
    key, x = jax.random.key(0), jnp.ones((2000, 3))
    y = jnp.tile(jnp.asarray([0.0, 1.0]), 1000)
    noisy, same = GaussianNoise(0.5)(key, x, y)
    assert float((noisy - x).std()) == pytest.approx(0.5, rel=0.05)
    assert same is y
    masked, _ = FeatureMasking(0.25)(key, x, y)
    assert float((masked == 0).mean()) == pytest.approx(0.25, abs=0.03)
    mixed, labels = Mixup(0.4)(key, jnp.stack([y, y, y], axis=1), y)
    np.testing.assert_allclose(mixed[:, 0], labels, rtol=1e-6)
    assert float(labels.mean()) == pytest.approx(0.5, abs=1e-5)
    assert 0 < float(labels.std()) <= 0.5
    both, _ = jax.jit(Compose((GaussianNoise(0.5), FeatureMasking(0.25))))(key, x, y)
    assert float((both == 0).mean()) == pytest.approx(0.25, abs=0.03)
    assert hash(Compose((Mixup(0.1),))) == hash(Compose((Mixup(0.1),)))
    for build, match in (
        (lambda: GaussianNoise(-1), "std"),
        (lambda: FeatureMasking(2), "rate"),
        (lambda: Mixup(0), "alpha"),
        (lambda: Mixup(1.0)(key, x, y.astype(int)), "one_hot"),
    ):
        with pytest.raises(ValueError, match=match):
            build()
