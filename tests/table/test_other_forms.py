"""A column may come in another form than in training: text from a file, typed by pandas, of Arrow, or the reverse."""

import datetime
import decimal
import io
import json

import numpy as np
import pandas as pd
import pytest

from jaxbm import table

N = 60
MOMENTS = pd.date_range("2024-01-01", periods=N, freq="7h")
PLACES = np.arange(N)


def frame_of(column):
    return pd.DataFrame({"x": column, "y": np.where(PLACES % 3 == 0, "yes", "no")})


def as_text(frame, preparation, **options):
    """The table as it comes back from a file."""
    return table.read(io.StringIO(frame.to_csv(index=False, **options)), like=preparation)


FORMS = {
    "dates": MOMENTS,
    "days": pd.date_range("2024-01-01", periods=N),
    "dates with a zone": MOMENTS.tz_localize("Europe/Berlin"),
    "dates with gaps": MOMENTS.where(PLACES % 7 > 0),
    "months": pd.period_range("2019-01", periods=N, freq="M"),
    "centuries": np.arange(N).astype("datetime64[Y]").astype("datetime64[s]") - np.timedelta64(200_000, "D"),
    "days of Python": [datetime.date(2024, 1, 1) + datetime.timedelta(i) for i in range(N)],
    "durations": pd.to_timedelta(PLACES**2 * 1013, unit="s"),
    "durations before and after": pd.to_timedelta((PLACES - 30) * 50_000.25, unit="s"),
    "durations with gaps": pd.to_timedelta(PLACES, unit="h").where(PLACES % 5 > 0),
    "durations of Python": [datetime.timedelta(hours=7 * i) for i in range(N)],
    "times": [datetime.time(i % 24, i) for i in range(N)],
    "decimals": [decimal.Decimal(i * i) / 8 for i in range(N)],
    "truth": PLACES % 4 == 0,
    "truth with gaps": pd.array(PLACES % 4 == 0, dtype="boolean").copy(),
    "whole numbers with gaps": pd.array(np.where(PLACES % 4 == 0, None, PLACES**2), dtype="Int64"),
    "categories of numbers": pd.Categorical(PLACES % 5),
    "ranges": pd.cut(PLACES, 4),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_typed_column_may_come_as_text_and_the_reverse(name):
    typed = frame_of(FORMS[name])
    preparation = table.prepare(typed, "y")
    assert [column.name for column in preparation.columns] == ["x"], preparation.summary()
    text = as_text(typed, preparation)
    np.testing.assert_allclose(preparation.features(text), preparation.features(typed), atol=1e-5)
    again = table.Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))
    np.testing.assert_array_equal(again.features(text.iloc[:5]), preparation.features(text)[:5])
    learned = table.prepare(as_text(typed, None), "y")
    if "of numbers" not in name:
        assert [column.kind for column in learned.columns] == [column.kind for column in preparation.columns]
        np.testing.assert_allclose(learned.features(typed), preparation.features(typed), atol=1e-5)


ARROW = {
    "date32": MOMENTS.date,
    "date64": MOMENTS.date,
    "duration": pd.to_timedelta(PLACES**2, unit="s").to_pytimedelta(),
    "timestamp": MOMENTS.to_pydatetime(),
    "time64": [datetime.time(i % 24, i) for i in range(N)],
    "decimal128": [decimal.Decimal(i * i) / 8 for i in range(N)],
}


@pytest.mark.parametrize("name", ARROW)
def test_columns_of_arrow_are_as_those_of_pandas(name):
    pa = pytest.importorskip("pyarrow")
    made = {"date32": (), "date64": (), "decimal128": (12, 3)}.get(name, ("us",))
    values = pa.array(list(ARROW[name]), getattr(pa, name)(*made))
    preparation = table.prepare(frame_of(pd.Series(values.to_pandas())), "y")
    arrow = frame_of(pd.array(values, dtype=pd.ArrowDtype(values.type)))
    for given in (arrow, pa.Table.from_pandas(arrow)):
        np.testing.assert_allclose(preparation.features(given), preparation.features(as_text(arrow, None)), atol=1e-5)
        assert table.prepare(given, "y").columns[0].kind == preparation.columns[0].kind


def test_text_whose_day_and_month_are_open_is_told_where_training_had_dates():
    preparation = table.prepare(frame_of(pd.date_range("2024-01-01", periods=N)), "y")
    with pytest.warns(UserWarning, match="column 'x': day and month may be the other way round"):
        preparation.features(pd.DataFrame({"x": ["01/02/2024", "02/03/2024"]}))
    with pytest.raises(ValueError, match="column 'x': expected dates, got 'soon' in row 0"):
        preparation.features(pd.DataFrame({"x": ["soon", "later"]}))


def test_numbers_with_another_decimal_mark_than_in_training_are_read_as_they_are_spelled():
    numbers = frame_of(np.round(PLACES * 1.37, 3))
    comma = table.prepare(table.read(io.StringIO(numbers.to_csv(index=False, sep=";", decimal=","))), "y")
    with pytest.warns(
        UserWarning, match=r"column 'x': numbers with the decimal mark '\.', which was ',' in training"
    ):
        found = comma.features(as_text(numbers, comma))
    np.testing.assert_allclose(found, comma.features(numbers), atol=1e-6)
    quantities = pd.DataFrame({"x": np.round(PLACES * 1.37, 3), "y": np.sqrt(PLACES).round(3)})
    comma = table.prepare(table.read(io.StringIO(quantities.to_csv(index=False, sep=";", decimal=","))), "y")
    np.testing.assert_allclose(comma.labels(as_text(quantities, comma)), comma.labels(quantities), atol=1e-6)


def test_numbers_that_float64_cannot_tell_apart_are_not_called_constant():
    huge = [2**70 + i for i in range(N)]
    frame = pd.DataFrame({"a": huge, "b": np.arange(N, dtype=np.uint64) + np.uint64(2**63), "c": PLACES % 7})
    frame = frame.assign(d=2**60, e=["5" if i % 2 else "5.0" for i in range(N)], y=np.where(PLACES % 3, "no", "yes"))
    kinds = {column.name: (column.kind, column.why) for column in table.prepare(frame, "y").dropped}
    for name in "ab":
        assert kinds[name] == ("identifier", "60 different numbers, all alike in float64")
    assert kinds["d"][0] == kinds["e"][0] == "constant"


@pytest.mark.parametrize("cell", [[1, 2], {"a": 1}, np.arange(2)])
def test_cells_that_hold_several_values_are_refused_with_the_way_out(cell):
    frame = frame_of(PLACES % 7).assign(many=[cell] * N)
    with pytest.raises(ValueError, match=r"column 'many': expected numbers, .*--drop leaves the column out"):
        table.prepare(frame, "y")
    assert table.prepare(frame, "y", drop=["many"]).features(frame).shape == (N, 1)
