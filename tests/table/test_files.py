"""What is read is what the file says: separators, encodings, headers, ragged rows, marks for missing cells."""

import io
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from jaxbm import table

CYRILLIC = "город,y\nМосква,1\nСанкт-Петербург,2\n"  # noqa: RUF001


def read(content, **options):
    data = content if isinstance(content, bytes) else content.encode()
    return table.read(io.BytesIO(data), **options)


def told(frame):
    return "\n".join(frame.attrs["told"])


def test_rows_that_end_in_a_separator_are_not_shifted():
    frame = read("label,a,b,site\n1,0.12,1.20,4,\n0,0.5,2,3,\n")
    assert frame.to_dict("list") == {"label": [1, 0], "a": [0.12, 0.5], "b": [1.2, 2.0], "site": [4, 3]}
    assert "2 rows end with a separator" in told(frame)
    some = read("a,b\n1,2\n3,4,,\n5,6,\n")
    assert some.to_dict("list") == {"a": [1, 3, 5], "b": [2, 4, 6]}
    header = read("a,b,\n1,2\n3,4\n")
    assert header.to_dict("list") == {"a": [1, 3], "b": [2, 4]}
    assert "the header ends with a separator" in told(header)


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_row_with_more_cells_is_an_error_that_shows_header_and_row(quote):
    with pytest.raises(ValueError, match=r"expected 2 cells as in the header, 'a,b', got 3 in line 3, '1,3,x'"):
        read(f"a,b\n1,{quote}2{quote}\n1,3,x\n")
    with pytest.raises(ValueError, match="got 3 in line 2"):  # which pandas would read as an index
        read("a,b\n1,2,3\n1,3,4\n")


def test_names_of_rows_without_a_name_in_the_header():
    frame = read('"a","b"\n"1",2,3\n"2",4,5\n')
    assert list(frame.columns) == ["Unnamed: 0", "a", "b"]
    assert frame["a"].tolist() == [2, 4]
    assert "the header lacks a name for the first column" in told(frame)


def test_rows_that_end_early_are_told():
    frame = read("a,b,c\n1,2,3\n4,5\n6,7,8\n")
    assert frame["c"].isna().tolist() == [False, True, False]
    assert "1 row ends early, the first in line 3" in told(frame)
    with pytest.raises(ValueError, match=r"expected 3 cells in each row, got 1 in line 2.*--sep"):
        read("a,b,c\n1 2 3\n4 5 6\n")


@pytest.mark.parametrize(
    ("text", "sep"),
    [
        ('"age";"balance";"y"\n1;2,5;"no"\n2;3,5;"yes"\n', ";"),
        ("age\tbalance\ty\n1\t2.5\tno\n2\t3.5\tyes\n", "\t"),
        ("age|balance|y\n1|2.5|no\n2|3.5|yes\n", "|"),
        ("age, balance, y\n1, 2.5, no\n2, 3.5, yes\n", ","),
        ("age balance y\n1 2.5 no\n2 3.5 yes\n", " "),
        ("sep=;\nage;balance;y\n1;2,5;no\n2;3,5;yes\n", ";"),
    ],
)
def test_separators_and_decimal_marks_are_found_and_told(text, sep):
    frame = read(text)
    assert frame.to_dict("list") == {"age": [1, 2], "balance": [2.5, 3.5], "y": ["no", "yes"]}
    assert ("separator" in told(frame)) == (sep != ",")
    assert ("decimal mark ','" in told(frame)) == ("2,5" in text)
    named = read(text.removeprefix("sep=;\n"), sep="\\t" if sep == "\t" else sep)
    pd.testing.assert_frame_equal(named, frame)


def test_thousands_by_points_in_a_file_with_decimal_commas():
    frame = read("a;y\n1.234,5;1\n3.000;2\n12,25;3\n").assign(y=[0, 1, 0])
    x = table.prepare(frame, "y").features(frame)[:, 0]
    values = np.asarray([1234.5, 3000, 12.25])
    np.testing.assert_allclose(x, (values - values.mean()) / values.std(), rtol=1e-6)


def test_a_named_decimal_mark_wins():
    assert read("a;b\n1,5;2\n2,5;3\n", decimal=",")["a"].tolist() == [1.5, 2.5]
    with pytest.raises(ValueError, match=r"decimal: expected '.' or ','"):
        read("a\n1\n", decimal=";")
    with pytest.raises(ValueError, match="sep: expected one character, got 'ab'"):
        read("a\n1\n", sep="ab")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "straße,y\nWeiß,1\n"),
        ("utf-8-sig", "straße,y\nWeiß,1\n"),
        ("utf-16", "straße,y\nWeiß,1\n"),
        ("utf-16-le", "straße,y\nWeiß,1\n"),
        ("latin-1", "straße,y\nWeiß,1\n"),
        ("cp1252", "straße,y\n5 €,1\n"),
        ("cp1251", CYRILLIC),
        ("cp932", "都市,y\n東京,5\n大阪,6\n"),
    ],
)
def test_encodings_are_found(encoding, text):
    if not encoding.startswith(("utf", "latin", "cp1252")):
        pytest.importorskip("charset_normalizer")
    frame = read(text.encode(encoding))
    rows = [line.split(",") for line in text.splitlines()]
    assert list(frame.columns) == rows[0]
    assert frame.iloc[:, 0].tolist() == [row[0] for row in rows[1:]]
    assert ("encoding" in told(frame)) == (encoding not in ("utf-8", "utf-8-sig"))
    pd.testing.assert_frame_equal(read(text.encode(encoding), encoding=encoding), frame)


def test_encodings_that_do_not_fit_are_told():
    with pytest.raises(ValueError, match=r"expected text in utf-8, byte 0xdf at 4 isn't; name another one"):
        read("stra\xdfe,y\n1,2\n".encode("latin-1"), encoding="utf-8")
    with pytest.raises(ValueError, match="encoding: unknown name 'utf-99'"):
        read("a\n1\n", encoding="utf-99")
    with pytest.raises(ValueError, match="bytes that are no text"):
        read(bytes(range(256)) * 3)


@pytest.mark.parametrize(
    "text",
    [
        "0,131,81,1\n1,130,80,0\n0,11,8,1\n",
        "5.1,3.5,setosa\n5.2,3.6,virginica\n5.3,3.4,setosa\n",
        "0,0,1\n1,2,3\n4,5,6\n",
    ],
)
def test_a_first_row_of_data_is_not_taken_for_names(text):
    with pytest.raises(ValueError, match=r"first row, .* looks like data, not like names of columns; --no-header"):
        read(text)
    frame = read(text, header=False)
    assert list(frame.columns) == [str(i) for i in range(frame.shape[1])]
    assert len(frame) == 3
    if "0,0,1" not in text:
        assert list(read(text, header=True).columns) == text.splitlines()[0].split(",")


@pytest.mark.parametrize("names", ["2019,2020,2021", "0,1,2", "a,b,c", "x,1,2"])
def test_names_that_are_numbers(names):
    assert list(read(f"{names}\n1.5,2,3\n3,4,5\n").columns) == names.split(",")


def test_only_empty_cells_are_missing():
    frame = read("y,x\nNone,NA\nNA,null\n,nan\n  ,?\n")
    assert frame["y"].isna().tolist() == [False, False, True, True]
    assert frame["x"].tolist() == ["NA", "null", "nan", "?"]
    more = read("y,x\nNone,1\nNA,-999\n,3\n", missing=["NA", -999])
    assert more["y"].isna().tolist() == [False, True, True]
    assert more["x"].isna().tolist() == [False, True, False]


def test_codes_with_leading_zeros_stay_text():
    frame = read("zip,n,f\n01234,1,0.5\n20500,2,1.5\n")
    assert frame["zip"].tolist() == ["01234", "20500"]
    assert frame["n"].tolist() == [1, 2]
    assert frame["f"].tolist() == [0.5, 1.5]
    assert "kept as text for their leading zeros: zip" in told(frame)


def test_quotes_and_line_ends():
    frame = read('name,text\r\n"a, b","multi\r\nline"\r\nc,"x ""q"" y"\r\n')
    assert frame["name"].tolist() == ["a, b", "c"]
    assert frame["text"].tolist()[1] == 'x "q" y'
    assert read("a,b\r1,2\r3,4\r")["b"].tolist() == [2, 4]
    assert read("\n\na,b\n\n1,2\n\n3,4\n\n")["b"].tolist() == [2, 4]


def test_standard_input(monkeypatch):
    data = b"a,b\n1,2\n3,4\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert table.read("-")["b"].tolist() == [2, 4]


def test_files_of_other_kinds(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
        archive.writestr("docProps/app.xml", "")
    with pytest.raises(ValueError, match="got a spreadsheet; save its table as CSV"):
        table.read(tmp_path / "t.xlsx")
    with pytest.raises(ValueError, match="expected a file, got a folder"):
        table.read(tmp_path)


def test_columns_are_read_as_in_training():
    training = read("code,shop,y\nA15,012,1\n012,007,0\n007,1,1\nA15,2,0\n")
    preparation = table.prepare(training, "y", group="shop")
    later = read("code,shop,y\n012,012,0\n007,007,1\n", like=preparation)
    assert later["code"].tolist() == ["012", "007"]
    assert later["shop"].tolist() == ["012", "007"]
    np.testing.assert_array_equal(preparation.features(later), [[0, 1, 0], [1, 0, 0]])


def test_decimal_commas_are_read_as_in_training():
    rows = "".join(f"{i},5;{i % 2}\n" for i in range(10))
    preparation = table.prepare(read("x;y\n" + rows), "y")
    alone = read("x;y\n1.250;0\n", like=preparation)  # alone, it could be one and a quarter
    values = np.arange(10) + 0.5
    np.testing.assert_allclose(preparation.features(alone), [[(1250 - values.mean()) / values.std()]], rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"ORC\1", "an ORC file; pandas.read_orc"),
        (b"\x89HDF\r\n", "an HDF5 file; pandas.read_hdf"),
        (b"SQLite format 3\0", "a database; pandas.read_sql"),
        (b"\x93NUMPY\1\0", "an array of NumPy; jaxbm.table.from_arrays"),
        (b"<!DOCTYPE html>\n<html>404, not found</html>\n", "a web page; download the file"),
        (b"\xef\xbb\xbf <?xml version='1.0'?>\n<rows a='1'/>\n", "XML; pandas.read_xml"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 1\n", "Git LFS's pointer to a file; git lfs pull"),
    ],
)
def test_files_of_other_kinds_are_named_with_the_way_out(data, kind):
    with pytest.raises(ValueError, match=f"expected a CSV, Parquet, Feather or JSON file, got {kind}"):
        table.read(io.BytesIO(data))


def test_blank_lines_between_all_rows_are_no_rows():
    """As Windows' Python writes them where `newline=""` was forgotten."""
    rows = "".join(f"{i},{i % 3},w{i % 2}\n" for i in range(20))
    want = read("a,b,c\n" + rows)
    for spaced in ("\n\na,b,c\n\n" + rows.replace("\n", "\n\n"), "a,b,c\r\r\n" + rows.replace("\n", "\r\r\n")):
        found = table.read(io.BytesIO(spaced.encode()))
        np.testing.assert_array_equal(found.to_numpy(), want.to_numpy())


@pytest.mark.parametrize(
    ("text", "columns", "remark"),
    [
        ("# by hand, on Monday\n#\n\na,b\nx,y\nz,w\n", {"a": ["x", "z"], "b": ["y", "w"]}, "skipped 2 lines"),
        ("# units: m\r\na;b\r\n1;2\r\n3;4\r\n", {"a": [1, 3], "b": [2, 4]}, "skipped 1 line of comments"),
        ("# made by savetxt\n# a,b\n1,2\n3,4\n", {"# a": [1, 3], "b": [2, 4]}, "skipped 1 line"),
        ("#id,b\nx,y\nz,w\n", {"#id": ["x", "z"], "b": ["y", "w"]}, ""),
        ("a,b\n#x,1\n#y,2\n", {"a": ["#x", "#y"], "b": [1, 2]}, ""),
        ("'a','b'\n'1,5','x'\n'2','y'\n", {"a": [1.5, 2], "b": ["x", "y"]}, "cells are in single quotes"),
        ("'tis,b\nx,1\ny,2\n", {"'tis": ["x", "y"], "b": [1, 2]}, ""),
        ("  a    b \n 10  2.5\n  3   4.5  \n", {"a": [10, 3], "b": [2.5, 4.5]}, "columns are aligned by blanks"),
        ('a  b\r\n1   "x  y" \r\n2 z\r\n', {"a": [1, 2], "b": ["x  y", "z"]}, "columns are aligned by blanks"),
    ],
)  # fmt: skip
def test_habits_that_no_reader_of_csv_knows(text, columns, remark):
    frame = read(text)
    assert frame.to_dict("list") == columns
    assert remark in told(frame)


def test_lines_above_the_header_and_a_separator_that_separates_nothing_are_named():
    with pytest.raises(
        ValueError, match="got 2 in line 3, 'a,b'; if that is the header, delete what stands above it"
    ):
        read("Sales\n\na,b\n1,2\n3,4\n")
    with pytest.raises(ValueError, match="sep: expected what separates 'a,b', ',', got ';'"):
        read("a,b\n1,2\n", sep=";")
    with pytest.raises(ValueError, match="got 3 in line 2"):  # an apostrophe is no quote
        read("'a','b'\n'1,5','O''Brien'\n")
    assert read("a\n1\n2\n", sep=";").to_dict("list") == {"a": [1, 2]}
