"""Tables as strangers have them: of other libraries, with names that are no text, gaps, tiny and far values."""

import datetime

import numpy as np
import pandas as pd
import pytest

from jaxbm import table, tabular
from jaxbm.table.frames import as_pandas
from jaxbm.table.number_encodings import center_and_scale


def rows(n=60):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.integers(0, 5, n).astype(float)})
    return frame.assign(y=np.where(frame["a"] > 0, "yes", "no"), q=frame["a"] * 2 + frame["b"])


class Arrow:
    """A table that says how it becomes one of pandas."""

    def __init__(self, frame):
        self.frame, self.column_names = frame, list(frame.columns)

    def to_pandas(self):
        return self.frame


class Lazy:
    """Polars' way: computed when asked, columns as lists."""

    def __init__(self, frame, is_lazy=True):
        self.frame, self.columns = frame, list(frame.columns)
        if is_lazy:
            self.lazy, self.collect = None, lambda: Lazy(frame, is_lazy=False)

    def get_column(self, name):
        return self.frame[name]

    def to_dict(self):
        raise AssertionError


@pytest.mark.parametrize("kind", [Arrow, Lazy])
def test_tables_of_other_libraries_are_as_those_of_pandas(kind):
    frame = rows().drop(columns="q").assign(w=lambda f: f["b"].map({0: None}).where(f["b"] < 1, "x"))
    prepared = table.prepare(kind(frame), "y")
    np.testing.assert_array_equal(prepared.features(kind(frame)), table.prepare(frame, "y").features(frame))
    np.testing.assert_array_equal(prepared.labels(kind(frame)), prepared.labels(frame))
    assert len(prepared.labelled(kind(frame))) == 60
    assert [len(part) for part in table.split(kind(frame), "y")] == [48, 12]
    assert tabular.plan(kind(frame), "y", "accurate").training[0].shape[0] == 60
    with pytest.raises(TypeError, match="frame: expected a table of pandas, Polars or PyArrow, got a list; pandas"):
        as_pandas([[1, 2]])


def test_names_of_columns_need_not_be_text():
    frame = rows()
    numbered = pd.DataFrame({0: frame["a"], 1: frame["b"], ("y", 2): frame["y"]})
    options = {"drop": [1], "types": {0: "number"}}
    made = tabular.plan(numbered, ("y", 2), "accurate", columns=options)
    assert made.preparation.target == "('y', 2)"
    assert made.preparation.features(numbered[[0]]).shape[0] == 60


@pytest.mark.parametrize("kind", ["boolean", "Int64", "string", "category", "object"])
def test_labels_of_a_nullable_type_may_be_missing(kind):
    truth = rows()["y"] == "yes"
    labels = truth.astype(int).astype("Int64") if kind == "Int64" else truth.astype(kind)
    frame = rows().drop(columns="q").assign(y=labels.where(np.arange(60) % 7 > 0))
    made = tabular.plan(frame, "y", "accurate")
    assert len(made.training[1]) == 51
    np.testing.assert_array_equal(made.training[1], truth[np.arange(60) % 7 > 0])
    assert "dropped 9 rows without a label: 9 empty" in made.preparation.summary()


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (pd.to_timedelta(np.arange(60), unit="h"), "target 'q': expected numbers or classes, got durations"),
        (np.arange(60) + 1j, "target 'q': expected numbers or classes, got complex numbers"),
        (np.arange(60) * 1e300, "target 'q': expected numbers of at most 1e30, the middle one has size 3e[+]301"),
    ],
)
def test_targets_that_are_no_quantities(labels, match):
    with pytest.raises(ValueError, match=match):
        tabular.plan(rows().drop(columns="y").assign(q=labels), "q", "accurate")


def test_tiny_numbers_keep_their_differences():
    frame = rows().drop(columns="y")
    tiny = frame.assign(a=frame["a"] * 1e-300, q=frame["q"] * 1e-300)
    x, small = (tabular.plan(f, "q", "accurate").training for f in (frame, tiny))
    for one, other in zip(x, small, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


def test_a_number_that_is_always_the_same_where_it_is_known_has_no_deviation():
    same = np.where(np.arange(60) % 3 > 0, 0.1, np.nan)  # 0.1 sixty times has a mean that isn't 0.1
    prepared = table.prepare(rows().assign(c=same), "y", drop=["q"], numbers="piecewise")
    column = next(c for c in prepared.columns if c.name == "c")
    assert (column.center, column.scale) == (0.1, 1.0)
    assert np.abs(prepared.features(rows().assign(c=0.2))).max() < 10
    assert center_and_scale(np.zeros(0)) == (0.0, 1.0)


def test_dates_before_nanoseconds_begin():
    days = [datetime.datetime(1, 1, 1) + datetime.timedelta(days=7000 * i) for i in range(60)]
    frame = rows().drop(columns="q").assign(day=pd.Series(days, dtype=object))
    prepared = table.prepare(frame, "y")
    assert {c.name: c.kind for c in prepared.columns}["day"] == "date"
    x = prepared.features(frame)[:, prepared.groups()["day"][0]]
    np.testing.assert_allclose(np.diff(x), x[1] - x[0], rtol=1e-3)


@pytest.mark.parametrize(("columns", "features"), [(6, 6 * 5), (20, 20)])
def test_wide_tables_have_fewer_bins(columns, features, monkeypatch):
    monkeypatch.setattr(tabular.recipes, "MOST_FEATURES", 30)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, columns))).assign(y=["a", "b"] * 10)
    made = tabular.plan(frame, "y", "accurate")
    assert made.training[0].shape == (20, features)
    assert any(f"since there are {columns} columns" in step for step in made.preparation.steps)
    assert made.recipe.numbers == ("piecewise" if columns == 6 else "standard")
    asked = tabular.plan(frame, "y", "accurate", changes={"bins": 7})
    assert asked.training[0].shape == (20, columns * 8)


@pytest.mark.parametrize(
    ("given", "way_out"),
    [
        ("data.csv", "a str; jaxbm.table.read makes one of a file"),
        ({"a": [1]}, "a dict; pandas.DataFrame makes one of it"),
        (rows().iloc[0], r"a Series; pandas.DataFrame makes one of \[row\]"),
        (3, "a int$"),
    ],
)
def test_what_is_no_table_is_told_how_it_becomes_one(given, way_out):
    prepared = table.prepare(rows(), "y")
    with pytest.raises(TypeError, match=f"frame: expected a table of pandas, Polars or PyArrow, got {way_out}"):
        prepared.features(given)


def test_a_column_that_is_spelled_otherwise_is_suggested():
    prepared = table.prepare(rows().rename(columns={"a": "width"}), "y")
    for name in ("Width", " width ", "width_"):
        told = rf"missing \['width'\]; did you mean '{name}'\?"
        with pytest.raises(ValueError, match=told):
            prepared.features(rows().rename(columns={"a": name}))


@pytest.mark.parametrize("size", [0.001, 0.015, 0.999])
def test_a_split_needs_a_row_of_each_class_on_each_side(size):
    with pytest.raises(ValueError, match="test_size: expected a row of each of 2 classes on each side at least, got"):
        table.split(rows().drop(columns="q"), "y", test_size=size)
    with pytest.raises(ValueError, match=r"on each side at least, got 48 and 12 of 60 rows by 0\.2"):
        table.split(rows().assign(y=[f"k{i % 30}" for i in range(60)]), "y")
    assert [len(part) for part in table.split(rows(), "q", test_size=0.001)] == [59, 1]


def test_a_quantity_of_words_is_named():
    for call in (table.prepare, table.labelled, lambda f, t, task: tabular.plan(f, t, "accurate", task=task)):
        with pytest.raises(
            ValueError, match=r"target 'y': expected numbers for a regression, got '(yes|no)' in row 0"
        ):
            call(rows().drop(columns="q"), "y", task="regression")
