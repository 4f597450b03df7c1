"""Numbers as people and programs spell them."""

import numpy as np
import pytest

from jaxbm import table
from jaxbm.table import numerals


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-3.5", -3.5), ("1e3", 1000), ("1,234.5", 1234.5), ("12,34,567", 1234567), ("1'234.5", 1234.5),
        ("1 234 567", 1234567), ("$ 20", 20), ("20 USD", 20), ("-$5", -5), ("$-5", -5), ("5%", 5), ("3.5 %", 3.5),
        ("(1,200)", -1200), ("\N{MINUS SIGN}4", -4), ("1\N{NO-BREAK SPACE}000", 1000), ("R$5", 5),
        ("\N{EURO SIGN}7", 7), ("twelve", None), ("A15", None), ("1.2.3", None), ("12 kg", None),
        ("2023-01-02", None),
        ("1,23", None), ("", None),
        ("(5", None), ("1,,234", None), (".", None),
    ],
)  # fmt: skip
def test_spellings(text, value):
    got = numerals.parse([text])[0]
    assert np.isnan(got) if value is None else got == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.234,5", 1234.5), ("0,5", 0.5), ("1 234,5 \N{EURO SIGN}", 1234.5), ("1.234", 1234), ("1.5", None)],
)
def test_spellings_with_a_decimal_comma(text, value):
    got = numerals.parse([text], ",")[0]
    assert np.isnan(got) if value is None else got == value


@pytest.mark.parametrize(
    ("texts", "decimal"),
    [
        (["1,234"], "."), (["0,123"], ","), (["1,23"], ","), (["1.234"], "."), (["1.234.567"], ","),
        (["1,234,567"], "."), (["1.234,5"], ","), (["$1,234.50"], "."), (["1,5 \N{EURO SIGN}"], ","),
        (["1,234", "0,5"], ","),
        (["12"], "."),
    ],
)  # fmt: skip
def test_decimal_marks(texts, decimal):
    assert numerals.decimal_of(texts) == decimal
    assert numerals.decimal_of(["1,234"], ",") == ","  # left open by the cells


MARKS = ["?", "-", "n/a", "NA", "missing", "None", "null", "NaN", "unknown", "#N/A"]


@pytest.mark.parametrize("dress", [str, lambda v: f"{v * 1000:,.2f}", lambda v: f"{v:.3f} %", lambda v: f"${v:.3f}"])
def test_a_number_column_among_marks_is_a_number_column(dress):
    import pandas as pd

    values = np.random.default_rng(0).normal(50, 10, 200).round(3)
    texts = [dress(value) for value in values]
    for i, mark in enumerate(MARKS):
        texts[3 * i] = mark
    frame = pd.DataFrame({"x": texts, "y": [0, 1] * 100})
    preparation = table.prepare(frame, "y")
    assert preparation.feature_names == ["x", "x is missing"]
    x = preparation.features(frame)
    expected = np.zeros(200)
    expected[np.arange(10) * 3] = 1
    np.testing.assert_array_equal(x[:, 1], expected)
    known = expected == 0
    assert np.corrcoef(x[known, 0], values[known])[0, 1] > 0.999999
    for words in ("numbers spelled as text", "taken as missing", "'?' (1)"):
        assert words in preparation.summary()


def test_a_spelling_that_is_no_usual_mark_is_told_too():
    import pandas as pd

    texts = ["LOW" if i % 3 == 0 else f"{i}.5" for i in range(90)]
    preparation = table.prepare(pd.DataFrame({"x": texts, "y": [0, 1] * 45}), "y")
    assert preparation.columns[0].kind == "number"
    assert preparation.columns[0].marks == ["LOW"]
    assert "taken as missing: 'LOW' (30)" in preparation.summary()


def test_numbers_among_texts_are_hinted_at():
    import pandas as pd

    texts = [f"code{i % 30}" if i % 3 == 0 else f"{i % 20}.5" for i in range(180)]
    preparation = table.prepare(pd.DataFrame({"x": texts, "y": [0, 1] * 90}), "y")
    assert preparation.columns[0].kind == "category"
    assert "note: x: 67% of the cells are numbers, the rest isn't: 'code" in preparation.summary()


@pytest.mark.parametrize(
    ("spelled", "units"),
    [
        (lambda i: f"{i}.5%" if i % 2 else f"0.{i + 10}", "%, no %"),
        (lambda i: f"{i}.5%" if i else "0", ""),
        (lambda i: f"${i}.25" if i % 2 else f"€{i}.25", "$, €"),
        (lambda i: f"${i}.25" if i % 2 else f"{i}.25", ""),
        (lambda i: f"{i}.25 USD" if i % 2 else f"EUR {i}.25", "EUR, USD"),
    ],
)
def test_cells_in_several_units_are_told(spelled, units):
    import pandas as pd

    frame = pd.DataFrame({"x": [spelled(i) for i in range(60)], "y": [0, 1] * 30})
    preparation = table.prepare(frame, "y")
    assert preparation.columns[0].kind == "number"
    told = f"note: x: its cells are in several units, {units}; taken for numbers of one"
    assert (told in preparation.summary()) == bool(units)
    assert bool(preparation.columns[0].note) == bool(units)
