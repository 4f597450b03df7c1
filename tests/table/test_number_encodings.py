"""Numbers as features: standard, robust, piecewise linear, cosines."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxbm import table

N = 320
RNG = np.random.default_rng(0)


def frame():
    rng = np.random.default_rng(1)
    made = pd.DataFrame({"x": rng.lognormal(size=N), "few": rng.integers(0, 2, N), "word": rng.choice(["a", "b"], N)})
    made.loc[::10, "x"] = np.nan
    return made.assign(y=rng.integers(0, 2, N))


def test_standard_is_the_default_and_changes_nothing():
    rows = frame()
    default, named = table.prepare(rows, "y"), table.prepare(rows, "y", numbers="standard")
    assert default == named
    assert default.feature_names == ["x", "x is missing", "few", "word=a", "word=b"]


def test_piecewise_by_hand():
    rows = pd.DataFrame({"x": np.arange(9.0), "y": [0, 1, 0, 1, 0, 1, 0, 1, 0]})
    preparation = table.prepare(rows, "y", numbers="piecewise", bins=2)
    assert preparation.feature_names == ["x", "x from 0 to 4", "x from 4 to 8"]
    x = preparation.features(pd.DataFrame({"x": [-1.0, 0.0, 3.0, 4.0, 6.0, 99.0]}))
    np.testing.assert_allclose(x[:, 1], [-0.5, -0.5, 0.25, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(x[:, 2], [-0.5, -0.5, -0.5, -0.5, 0, 0.5])
    np.testing.assert_allclose(x[:, 0], (np.asarray([-1, 0, 3, 4, 6, 99]) - 4) / np.arange(9.0).std(), rtol=1e-6)


def test_robust_by_hand():
    rows = pd.DataFrame({"x": np.arange(9.0), "y": [0, 1, 0, 1, 0, 1, 0, 1, 0]})
    z = (np.asarray([0.0, 4, 8, 1e6]) - 4) / 4
    got = table.prepare(rows, "y", numbers="robust").features(pd.DataFrame({"x": [0.0, 4, 8, 1e6]}))
    np.testing.assert_allclose(got[:, 0], z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-6)
    assert got.max() < 3.0001


@pytest.mark.parametrize(
    ("numbers", "features"), [("standard", 1), ("robust", 1), ("piecewise", 17), ("fourier", 17)]
)
def test_encodings_are_finite_saved_told_and_of_training_rows_only(numbers, features):
    rows = frame()
    preparation = table.prepare(rows, "y", numbers=numbers, fit_rows=200)
    assert preparation.groups()["x"] == list(range(features + 1))
    again = table.Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))
    assert again == preparation
    x = preparation.features(rows)
    assert np.isfinite(x).all()
    np.testing.assert_array_equal(again.features(rows), x)
    changed = rows.copy()
    changed.loc[200:, "x"] = 1e3
    other = table.prepare(changed, "y", numbers=numbers, fit_rows=200)
    assert other.columns == preparation.columns
    if features > 1:
        assert f"16 {numbers} ones" in preparation.summary()
        one = preparation.features(rows.iloc[[3]])
        np.testing.assert_array_equal(one, x[[3]])
    words = {"standard": "standardised", "robust": "interquartile", "piecewise": "quantiles", "fourier": "cosines"}
    assert words[numbers] in preparation.summary()


def test_missing_cells_stand_where_the_median_does():
    rows = frame()
    preparation = table.prepare(rows, "y", numbers="piecewise")
    x = preparation.features(rows)
    known = rows["x"].dropna()
    middle = preparation.features(rows.assign(x=known.median()))[0]
    np.testing.assert_allclose(x[0, :17], middle[:17], atol=1e-6)
    np.testing.assert_array_equal(x[:, 17], rows["x"].isna())


def test_few_values_need_no_bins():
    preparation = table.prepare(frame(), "y", numbers="piecewise")
    assert preparation.columns[1].name == "few"
    assert preparation.columns[1].feature_names == ["few"]


def test_columns_of_their_own_encoding():
    preparation = table.prepare(frame(), "y", numbers={"x": "fourier"}, frequencies=4)
    assert [column.encoding for column in preparation.columns[:2]] == ["fourier", "standard"]
    assert len(preparation.columns[0].feature_names) == 6
    both = table.prepare(frame().assign(z=RNG.normal(size=N)), "y", numbers="fourier")
    assert both.columns[0].frequencies != both.columns[-1].frequencies


def test_bins_see_a_threshold_that_a_line_cannot():
    x = RNG.normal(size=2000)
    rows = pd.DataFrame({"x": x, "y": np.abs(x)})
    r2 = {}
    for numbers in ("standard", "piecewise", "fourier"):
        preparation = table.prepare(rows, "y", numbers=numbers)
        features = np.c_[preparation.features(rows), np.ones(len(rows))]
        labels = preparation.labels(rows)
        left = labels - features @ np.linalg.lstsq(features, labels)[0]
        r2[numbers] = 1 - (left**2).mean()
    assert r2["standard"] < 0.05
    assert min(r2["piecewise"], r2["fourier"]) > 0.95


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"numbers": "piecwise"}, "numbers: unknown name 'piecwise'; did you mean 'piecewise'"),
        ({"numbers": {"x": "log"}}, "numbers: unknown name 'log'"),
        ({"numbers": {"z": "robust"}}, "numbers: unknown name 'z'"),
        (
            {"numbers": {"word": "piecewise"}},
            "expected a number column for encoding 'piecewise', got 'word', which is category",
        ),
        ({"numbers": "piecewise", "bins": 1}, "bins: expected an integer of at least 2, got 1"),
        ({"numbers": "fourier", "frequencies": 2.5}, "frequencies: expected an integer of at least 2, got 2.5"),
    ],
)
def test_bad_wishes(options, match):
    with pytest.raises(ValueError, match=match):
        table.prepare(frame(), "y", **options)
