"""Dates and times of day as calendar features."""

import numpy as np
import pandas as pd
import pytest

from jaxbm import table
from jaxbm.table import dates

N = 400
RNG = np.random.default_rng(0)
MOMENTS = pd.Series(pd.Timestamp("2023-01-01") + pd.to_timedelta(RNG.integers(0, 400 * 86_400, N), unit="s"))
Y = [0, 1] * (N // 2)


def prepared(x):
    frame = pd.DataFrame({"when": x, "y": Y})
    preparation = table.prepare(frame, "y")
    return preparation, preparation.features(frame)


SECONDS = {
    "%Y-%m-%d %H:%M:%S": MOMENTS.dt.strftime("%Y-%m-%d %H:%M:%S"),
    "iso": MOMENTS.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "zone": MOMENTS.dt.strftime("%Y-%m-%d %H:%M:%S+0000"),
    "epoch": (MOMENTS - pd.Timestamp(0)) // pd.Timedelta("1s"),
    "text epoch": ((MOMENTS - pd.Timestamp(0)) // pd.Timedelta("1s")).astype(str),
    "ms": (MOMENTS - pd.Timestamp(0)) // pd.Timedelta("1ms"),
    "us": (MOMENTS - pd.Timestamp(0)) // pd.Timedelta("1us"),
    "12 hours": MOMENTS.dt.strftime("%m/%d/%Y %I:%M:%S %p"),
    "utc": MOMENTS.dt.tz_localize("UTC"),
    "elsewhere": MOMENTS.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
}


@pytest.mark.parametrize("shape", SECONDS)
def test_moments_mean_the_same_in_every_shape(shape):
    expected, x = prepared(MOMENTS)
    assert expected.feature_names == [
        "when: days", "when: sine of day", "when: cosine of day", "when: sine of week", "when: cosine of week",
        "when: weekend", "when: sine of year", "when: cosine of year",
    ]  # fmt: skip
    preparation, got = prepared(SECONDS[shape])
    assert preparation.feature_names == expected.feature_names
    np.testing.assert_allclose(got, x, atol=2e-4)


def test_calendar_by_hand():
    made = dates.calendar(np.asarray([0.0, 2 * 86_400, 3 * 86_400 + 21_600]))  # Thursday; Saturday; Sunday at six
    np.testing.assert_array_equal(made["days"], [0, 2, 3.25])
    np.testing.assert_array_equal(made["weekend"], [0, 1, 1])
    np.testing.assert_allclose(made["sine of day"], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(made["cosine of day"], [1, 1, 0], atol=1e-12)
    monday = dates.calendar(np.asarray([4.0 * 86_400]))
    np.testing.assert_allclose([monday["sine of week"], monday["cosine of week"]], [[0], [1]], atol=1e-12)
    assert pd.Timestamp(4 * 86_400, unit="s").day_name() == "Monday"


def test_days_alone_have_no_time_of_day():
    preparation, _ = prepared(MOMENTS.dt.strftime("%Y%m%d").astype(int))
    assert not any("of day" in name for name in preparation.feature_names)
    short, _ = prepared(MOMENTS.where(MOMENTS < "2023-02-01", pd.Timestamp("2023-01-10")))
    assert not any("of year" in name for name in short.feature_names)


def test_mixed_formats_are_read_by_the_one_that_fits():
    mixed = np.where(np.arange(N) % 2, MOMENTS.dt.strftime("%Y-%m-%d"), MOMENTS.dt.strftime("%d %b %Y"))
    preparation, got = prepared(mixed)
    _, x = prepared(MOMENTS.dt.normalize())
    np.testing.assert_allclose(got, x, atol=1e-4)
    assert "dates spelled %Y-%m-%d, %d %b %Y" in preparation.summary() or (
        "dates spelled %d %b %Y, %Y-%m-%d" in preparation.summary()
    )


def test_day_and_month_the_other_way_round_are_told():
    x = [f"{1 + i % 12:02d}/{1 + i % 7:02d}/2023" for i in range(N)]
    preparation, _ = prepared(x)
    assert "note: when: day and month may be the other way round; read as %m/%d/%Y" in preparation.summary()
    clear, _ = prepared([f"{1 + i % 28:02d}/{1 + i % 7:02d}/2023" for i in range(N)])
    assert "other way round" not in clear.summary()


def test_times_of_day():
    x = [f"{i % 24:02d}:{i % 60:02d}" for i in range(N)]
    preparation, got = prepared(x)
    assert preparation.feature_names == ["when: sine of day", "when: cosine of day"]
    later = preparation.features(pd.DataFrame({"when": ["23:59", "00:00", "12:00"]}))
    assert np.abs(later[0] - later[1]).max() < 0.01
    assert np.abs(later[1] - later[2]).max() > 1
    assert np.isfinite(got).all()


def test_other_cells_at_prediction():
    preparation, _ = prepared(MOMENTS.dt.strftime("%Y-%m-%d"))
    with pytest.raises(ValueError, match="column 'when': expected dates spelled %Y-%m-%d, got 'soon' in row 0"):
        preparation.features(pd.DataFrame({"when": ["soon", "2023-01-01"]}))
    with pytest.raises(ValueError, match="column 'when': expected dates as in training, got the number 5"):
        preparation.features(pd.DataFrame({"when": [5, 6]}))
    many = ["2023-01-01"] * 40
    many[7] = "soon"
    with pytest.warns(UserWarning, match="got 'soon' in row 7; 1 such cells taken as missing"):
        assert np.isfinite(preparation.features(pd.DataFrame({"when": many}))).all()
    numbers = table.prepare(pd.DataFrame({"x": np.arange(N) % 17, "y": Y}), "y")
    with pytest.raises(ValueError, match="column 'x': expected numbers as in training, got dates"):
        numbers.features(pd.DataFrame({"x": MOMENTS}))


def test_a_target_that_depends_on_the_hour_is_learned_from_its_features():
    """What the features are for: a straight line through them follows the hours."""
    y = np.cos((MOMENTS.dt.hour + MOMENTS.dt.minute / 60 - 15) / 24 * 2 * np.pi)
    frame = pd.DataFrame({"when": MOMENTS.dt.strftime("%d.%m.%Y %H:%M"), "y": y})
    preparation = table.prepare(frame, "y")
    x = np.c_[preparation.features(frame), np.ones(N)]
    labels = preparation.labels(frame)
    fitted = x @ np.linalg.lstsq(x, labels)[0]
    assert 1 - ((fitted - labels) ** 2).mean() > 0.999


def test_numbers_within_a_second_are_no_dates():
    """Identifiers of nineteen digits look like nanoseconds since 1970; all of them in one second are none."""
    frame = pd.DataFrame({"id": 10**18 + 1000 * np.arange(N), "x": np.arange(N) % 7, "y": Y})
    assert [column.kind for column in table.prepare(frame, "y").dropped] == ["identifier"]


@pytest.mark.parametrize("gap", [False, True])
def test_moments_within_a_second_say_nothing(gap):
    when = pd.Series(pd.Timestamp("2024-05-01 12:00") + pd.to_timedelta(np.arange(N), unit="us"))
    when[:3] = pd.NaT if gap else when[3]
    frame = pd.DataFrame({"when": when, "x": np.arange(N) % 7, "y": Y})
    preparation = table.prepare(frame, "y")
    assert preparation.feature_names == [*["when is missing"] * gap, "x"]
    assert np.abs(preparation.features(frame)).max() < 15


def test_a_date_whose_year_stands_first_is_read_however_training_spelled_them():
    days = MOMENTS.dt.normalize()
    for spelled in ("%d.%m.%Y", "%m/%d/%Y", "%d %b %Y"):
        preparation, got = prepared(days.dt.strftime(spelled))
        for other in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S"):
            later = preparation.features(pd.DataFrame({"when": days.dt.strftime(other)}))
            np.testing.assert_array_equal(later, got)
    with pytest.raises(ValueError, match="column 'when': expected dates spelled %d %b %Y, got '01/02/2023' in row 0"):
        preparation.features(pd.DataFrame({"when": ["01/02/2023"] * 5}))
