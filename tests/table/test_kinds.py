"""What columns are taken for, why, and what a person can say against it."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest

from jaxbm import table

N = 200
RNG = np.random.default_rng(0)
Y = np.tile([0, 1], N // 2)


def prepare(x, name="x", **options):
    return table.prepare(pd.DataFrame({"other": np.linspace(0, 1, N) ** 2, name: x, "y": Y}), "y", **options)


def column(x, name="x", **options):
    preparation = prepare(x, name, **options)
    return next(c for c in [*preparation.columns, *preparation.dropped] if c.name == name)


DATES = pd.Timestamp("2023-01-01") + pd.to_timedelta(RNG.integers(0, 300 * 86_400, N), unit="s")
KINDS = {
    "number": [
        RNG.normal(size=N),
        RNG.integers(0, 50, N),
        RNG.integers(20_000, 90_000, N),  # incomes: nearly all different, but no identifier
        RNG.normal(size=N).astype(object),
        pd.array(RNG.integers(0, 50, N), dtype="Int64"),
        pd.to_timedelta(RNG.integers(0, 1000, N), unit="s"),
    ],
    "boolean": [
        RNG.random(N) > 0.5,
        np.where(RNG.random(N) > 0.5, "yes", "No"),
        np.where(RNG.random(N) > 0.5, "TRUE", "false"),
        pd.array(RNG.random(N) > 0.5, dtype="boolean"),
    ],
    "category": [
        RNG.choice(["A15", "012", "007"], N),
        RNG.choice(["012", "007"], N),
        pd.Categorical(RNG.choice(["a", "b"], N)),
        pd.Categorical(RNG.choice([1, 2], N)),
        RNG.choice(["NA", "Gd", "Ex"], N),
    ],
    "date": [
        DATES,
        DATES.strftime("%Y-%m-%d"),
        DATES.strftime("%d.%m.%Y %H:%M"),
        DATES.strftime("%m/%d/%Y"),
        DATES.strftime("%b %d, %Y"),
        DATES.strftime("%Y-%m-%dT%H:%M:%SZ"),
        DATES.strftime("%Y%m%d"),
        DATES.strftime("%Y%m%d").astype(int),
        (DATES - pd.Timestamp(0)) // pd.Timedelta("1s"),
        (DATES - pd.Timestamp(0)) / pd.Timedelta("1ms"),
        np.where(np.arange(N) % 3 == 0, DATES.strftime("%Y-%m-%d"), DATES.strftime("%d %b %Y")),
        [None if i % 7 == 0 else day.date() for i, day in enumerate(DATES)],
        np.where(np.arange(N) % 9 == 0, "n/a", DATES.strftime("%Y-%m-%d")),
    ],
    "time": [
        DATES.strftime("%H:%M"),
        DATES.strftime("%H:%M:%S"),
        DATES.strftime("%I:%M %p"),
        [datetime.time(i % 24, i % 60) for i in range(N)],
    ],
    "identifier": [
        np.arange(N),
        RNG.permutation(N) + 1000.0,
        [f"user{i}" for i in range(N)],
        [f"A/5 {2000 + i // 2}" for i in range(N)],
    ],
    "text": [[f"this is the text number {i}" for i in range(N)]],
    "constant": [np.ones(N), ["a"] * N, [True] * N, [pd.Timestamp("2024-01-01")] * N, ["5%"] * N],
    "empty": [[None] * N, [np.nan] * N, [" "] * N, [np.inf] * N, pd.array([pd.NA] * N, dtype="Int64")],
}


@pytest.mark.parametrize(("kind", "which"), [(kind, i) for kind, many in KINDS.items() for i in range(len(many))])
def test_kinds(kind, which):
    x = KINDS[kind][which]
    preparation = prepare(x)
    found = next(c for c in [*preparation.columns, *preparation.dropped] if c.name == "x")
    assert found.kind == kind, found.why
    assert found.why
    features = preparation.features(pd.DataFrame({"other": np.zeros(N), "x": x}))
    assert np.isfinite(features).all()
    assert preparation.groups()["other"] == [0]
    assert (found.became == "left out") == (kind in ("identifier", "text", "constant", "empty"))
    again = table.Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))
    assert again == preparation


@pytest.mark.parametrize("name", ["CustomerId", "customer_id", "ID", "order no", "id"])
def test_the_name_of_an_identifier(name):
    x = RNG.choice(10**9, N, replace=False)
    assert column(x, name).kind == "identifier"
    assert "the name says so" in column(x, name).why
    assert column(x, name, keep=[name]).kind == "number"
    assert column(x, "income").kind == "number"
    assert column(x, "paid").kind == "number"


def test_numbers_given_out_one_by_one_repeat_less_than_chance():
    x = RNG.choice(2000, N, replace=False)
    assert column(x).kind == "identifier"
    assert "chance would repeat 10" in column(x).why
    assert column(RNG.integers(0, 2000, N)).kind == "number"


def test_an_unnamed_column_that_counts_the_rows():
    few = pd.DataFrame({"Unnamed: 0": range(10), "x": np.arange(10) ** 2.5, "y": [0, 1] * 5})
    preparation = table.prepare(few, "y")
    assert preparation.feature_names == ["x"]
    assert "an index" in preparation.dropped[0].why


def test_reasons_for_dropping_are_told_apart():
    frame = pd.DataFrame({"x": RNG.normal(size=N), "same": 1, "gone": np.nan, "id": range(N), "y": Y})
    frame["words"] = [f"a text of {i} words and more" for i in range(N)]
    told = table.prepare(frame, "y").summary()
    for line in ("constant columns: same", "empty columns: gone", "every few rows: id", "free text: words"):
        assert line in told
    assert "nearly every row" not in table.prepare(frame[["x", "same", "y"]], "y").summary()


def test_keep_drop_and_types():
    frame = pd.DataFrame({"id": range(N), "zip": RNG.integers(10, 40, N), "x": RNG.normal(size=N), "y": Y})
    assert table.prepare(frame, "y", keep=["id"]).feature_names[:2] == ["id", "zip"]
    assert table.prepare(frame, "y", drop=["x"]).feature_names == ["zip"]
    preparation = table.prepare(frame, "y", types={"zip": "category", "x": "dropped"})
    assert preparation.columns[0].kind == "category"
    assert len(preparation.columns) == 1
    texts = frame.assign(x=[f"text number {i} of them" for i in range(N)])
    assert table.prepare(texts, "y", keep=["x"]).columns[-1].kind == "category"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"keep": ["idd"]}, "keep: unknown name 'idd'; did you mean 'id'"),
        ({"drop": ["idd"]}, "drop: unknown name 'idd'"),
        ({"types": {"idd": "number"}}, "types: unknown name 'idd'"),
        ({"types": {"id": "numbr"}}, "type of column 'id': unknown name 'numbr'; did you mean 'number'"),
        ({"types": {"word": "number"}}, "column 'word': expected numbers as asked, got 'a'"),
        ({"types": {"x": "date"}}, "column 'x': expected dates as asked, got number"),
        ({"types": {"word": "boolean"}}, "column 'word': expected booleans as asked, got category"),
        ({"types": {"x": "boolean"}}, "column 'x': expected 0 and 1 for booleans"),
        ({"drop": ["y"]}, "expected a column that is neither dropped nor the group"),
        ({"group": "g"}, "group: unknown name 'g'"),
    ],
)
def test_bad_wishes(options, match):
    words = RNG.choice(["a", "b", "c"], N)
    frame = pd.DataFrame({"id": range(N), "word": words, "x": RNG.normal(size=N), "y": Y})
    with pytest.raises(ValueError, match=match):
        table.prepare(frame, "y", **options)


@pytest.mark.parametrize("cell", [[1, 2], {"a": 1}])
def test_cells_that_are_no_cells(cell):
    with pytest.raises(ValueError, match=r"column 'x': expected numbers, text, booleans or dates, got (list|dict)"):
        prepare([cell] * N)
    with pytest.raises(ValueError, match=r"column 'x': .* got complex"):
        prepare(np.full(N, 1j))


def test_tables_with_odd_names():
    frame = pd.DataFrame(RNG.normal(size=(N, 2)), columns=[0, "a [cm]"]).assign(y=Y)
    preparation = table.prepare(frame, "y")
    assert preparation.feature_names == ["0", "a [cm]"]
    np.testing.assert_allclose(preparation.features(frame).std(axis=0), 1, rtol=1e-5)
    with pytest.raises(ValueError, match=r"expected each column once, got \['0'\] more than once"):
        table.prepare(frame.assign(**{"0": 1}), "y")


@pytest.mark.parametrize("value", [1e30, 1.7e308, -1e25, 3e30])
def test_marks_that_are_huge_numbers_are_an_error_that_names_the_column(value):
    x = RNG.normal(size=N)
    x[::40] = value
    with pytest.raises(ValueError, match=r"column 'x': 5 cells hold numbers such as .*--missing"):
        prepare(x)
    told = prepare(x, missing=[str(value)])
    assert told.columns[1].indicator
    with pytest.raises(ValueError, match="target 'z': 5 cells hold numbers such as"):
        table.prepare(pd.DataFrame({"x": RNG.normal(size=N), "z": x}), "z")
    with pytest.warns(UserWarning, match="column 'x': 5 rows hold numbers such as"):
        later = prepare(RNG.normal(size=N)).features(pd.DataFrame({"other": np.zeros(N), "x": x}))
    assert np.isfinite(later).all()


def test_infinite_numbers_are_missing_and_told():
    x = RNG.normal(size=N)
    x[::40] = np.inf
    assert "took 5 infinite values as missing: x (5)" in prepare(x).summary()


def test_nines_far_from_the_rest_are_noted():
    x = RNG.integers(0, 90, N)
    x[::20] = -999
    assert "note: x: 10 cells hold -999, the rest lies in 0 to 89; if it means missing: --missing -999" in (
        prepare(x).summary()
    )
    assert not column(RNG.integers(0, 100, N)).note


def test_heavy_tails_are_no_marks():
    x = np.random.default_rng(0).lognormal(0, 3, N)
    assert column(x).kind == "number"


def test_a_feature_that_knows_the_target_is_told():
    y = RNG.normal(size=N)
    frame = pd.DataFrame({"x": y + RNG.normal(size=N), "copy": 3 * y - 7, "y": y})
    told = table.prepare(frame, "y").summary()
    assert "warning: column 'copy' alone predicts" in told
    assert "column 'x' alone" not in told
    words = np.where(Y, "refunded", "kept")
    told = table.prepare(pd.DataFrame({"x": RNG.normal(size=N), "after": words, "y": Y}), "y").summary()
    assert "warning: column 'after' alone predicts 100.0% of the labels" in told
    for name in ("iris", "breast_cancer", "wine"):
        assert "alone predicts" not in table.prepare(*table.demo(name)).summary()


def test_rare_classes_are_told():
    frame = pd.DataFrame({"x": RNG.normal(size=N), "y": ["a"] * 105 + ["b"] * 90 + ["c"] * 5})
    assert "warning: fewer than 10 rows of a class: c (5)" in table.prepare(frame, "y").summary()
    told = table.prepare(frame.replace({"y": {"c": "A"}}), "y").summary()
    assert (
        "warning: classes that differ in case or blanks only; if they are one, spell them alike: 'A' and 'a'" in told
    )
    assert "blanks" not in table.prepare(frame, "y").summary()


def test_rare_texts_get_no_feature():
    texts = [f"rare{i}" for i in range(120)] + ["often"] * 80
    found = column(texts)
    assert found.categories == ["often"]
    assert found.others == 120
    assert "none for 120 rare ones" in found.became
    preparation = prepare(texts)
    assert not preparation.features(pd.DataFrame({"other": [0.0], "x": ["rare5"]}))[:, 1:].any()


def test_a_types_file(tmp_path):
    frame = pd.DataFrame({"a [x]": RNG.normal(size=N), 'b "q"': RNG.choice(["p", "q"], N), "id": range(N), "y": Y})
    preparation = table.prepare(frame, "y")
    path = tmp_path / "types.toml"
    path.write_text(table.types_text(preparation), encoding="utf-8")
    assert table.read_types(path) == {"a [x]": "number", 'b "q"': "category", "id": "identifier"}
    again = table.prepare(frame, "y", types=table.read_types(path))
    np.testing.assert_array_equal(again.features(frame), preparation.features(frame))
    (tmp_path / "t.json").write_text('{"id": "number"}')
    assert table.read_types(tmp_path / "t.json") == {"id": "number"}
    for text, match in (
        ("[types]\nid = 5\n", r"expected a section \[types\]"),
        ("[types\n", "expected TOML or JSON"),
        ('[types]\nid = "nmber"\n', "did you mean 'number'"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=match):
            table.read_types(path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        table.read_types(tmp_path / "none.toml")
