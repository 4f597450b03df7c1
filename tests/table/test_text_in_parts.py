"""A file's text is gone through a part at a time, and what is found does not depend on where the parts end."""

import csv
import io
import re
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxbm import table
from jaxbm.table import text as texts

CELLS = st.text(st.sampled_from('a07,.;"\n\r -é—\u2028\x85'), max_size=4)
ROWS = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1))


@pytest.mark.parametrize("size", [1, 5, None])
@settings(max_examples=60, deadline=None, database=None)
@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n"]), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_rows_and_their_counts_do_not_depend_on_the_parts(size, rows, end, quoting):
    made = io.StringIO()
    csv.writer(made, lineterminator=end, quoting=quoting).writerows(rows)
    text = made.getvalue()
    parted = list(texts.parts(text, size))
    assert "".join(parted) == text
    assert all(part.endswith("\n") for part in parted[:-1])
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    want = [(row, reader.line_num) for row in reader]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "PART", size or texts.PART)
        assert list(texts.rows(text, ",")) == [row for row, _ in want]
        counts, lines = texts.cell_counts(text, ",")
    filled = [(len(row), line) for row, line in want if row]
    assert list(zip(counts.tolist(), lines.tolist(), strict=True)) == filled


@settings(max_examples=60, deadline=None, database=None)
@given(st.text(st.sampled_from('017.,-+ "\n'), max_size=40), st.sampled_from([2, 1000]))
def test_leading_zeros_are_found(text, size):
    want = re.search(r'(?:^|[\n",]) *[-+]?0\d', text) is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "PART", size)
        assert texts.may_have_leading_zeros(text, ",") == want


def test_values_are_those_of_pandas():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "f": rng.normal(size=300) * 10.0 ** rng.integers(-300, 300, 300),
            "i": rng.integers(-(2**62), 2**62, 300),
            "m": np.where(rng.random(300) < 0.3, np.nan, rng.normal(size=300)),
            "b": rng.random(300) < 0.5,
            "t": rng.choice(["x, y", 'q"q', "two\nlines", "é"], 300),
        }
    )
    for end in ("\n", "\r\n"):
        text = frame.to_csv(index=False, lineterminator=end)
        got = table.read(io.BytesIO(text.encode()))
        want = pd.read_csv(io.StringIO(text, newline=""), keep_default_na=False, na_values=[""])
        pd.testing.assert_frame_equal(got, want, check_exact=True)


def test_a_file_is_read_in_a_few_times_its_size():
    rows = "".join(f"{i}.25,{i % 7},-1e5,0.0625,{i % 2}\n" for i in range(60_000))
    data = ("a,b,c,d,y\n" + rows).encode()
    tracemalloc.start()
    try:
        table.read(io.BytesIO(data))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(data)  # of which the table is 1.5
