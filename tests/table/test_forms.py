"""Tables from files that are no plain CSV: Parquet, Feather, JSON, and whatever is packed."""

import bz2
import contextlib
import gzip
import io
import json
import lzma
import sys
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest

from jaxbm import table
from jaxbm.table import packed

DATA = b"a,b\n1,2\n3,4\n"
FRAME = pd.DataFrame({"a": [1.5, None], "b": ["x", "y"], "d": pd.to_datetime(["2024-01-01", "2024-05-01"])})


def read(data, **options):
    return table.read(io.BytesIO(data), **options)


def zipped(**files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def tarred(**files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


MAC = {"__MACOSX/._t.csv": b"\0", "folder/": b"", "folder/t.csv": DATA, "folder/.DS_Store": b"\0"}
PACKED = {
    "gzip": gzip.compress(DATA),
    "two of gzip": gzip.compress(DATA[:8]) + gzip.compress(DATA[8:]),
    "bzip2": bz2.compress(DATA),
    "xz": lzma.compress(DATA),
    "zip": zipped(**{"t.csv": DATA}),
    "zip of a Mac": zipped(**MAC),
    "tar": tarred(**{"t.csv": DATA}),
    "tar.gz": gzip.compress(tarred(**{"t.csv": DATA})),
    "gzip in zip": zipped(**{"t.csv.gz": gzip.compress(DATA)}),
}


@pytest.mark.parametrize("kind", PACKED)
def test_packed_files(kind, tmp_path):
    (tmp_path / "t").write_bytes(PACKED[kind])
    assert table.read(tmp_path / "t").to_dict("list") == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zip"])
def test_a_damaged_packed_file_is_told(kind):
    """However it is damaged: these libraries raise half a dozen kinds of errors."""
    whole, told = PACKED[kind], f"expected a file packed by {kind}, could not unpack it"
    with pytest.raises(ValueError, match=told):
        read(whole[:-4])
    for place in range(8, len(whole) - 4, 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        with contextlib.suppress(ValueError):  # of some bytes nothing depends
            read(bytes(damaged))


def test_an_encrypted_archive_is_told():
    locked = bytearray(PACKED["zip"])
    locked[6] |= 1
    locked[locked.rfind(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ValueError, match=r"packed by zip, could not unpack it: .*password"):
        read(bytes(locked))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (zipped(), "an empty archive"),
        (zipped(a=DATA, b=DATA), "an archive of several files"),
        (tarred(a=DATA, b=DATA), "an archive of several files"),
        (zipped(**{"xl/workbook.xml": b"", "docProps/app.xml": b""}), "a spreadsheet"),
        (zipped(**{"mimetype": b"", "content.xml": b""}), "a spreadsheet"),
    ],
)
def test_archives_without_a_table(data, told):
    with pytest.raises(ValueError, match=f"got {told}; save its table as CSV"):
        read(data)


def test_what_is_packed_too_often_is_refused():
    data = DATA
    for _ in range(3):
        data = gzip.compress(data)
    assert read(data)["b"].tolist() == [2, 4]
    with pytest.raises(ValueError, match="expected a file packed at most 3 times"):
        read(gzip.compress(data))


def test_zstandard():
    pa = pytest.importorskip("pyarrow")
    data = pa.compress(DATA, codec="zstd", asbytes=True)
    assert read(data)["b"].tolist() == [2, 4]
    with pytest.raises(ValueError, match="packed by Zstandard, could not unpack it"):
        read(data[:-3])


def test_zstandard_without_pyarrow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"Zstandard needs pyarrow: pip install 'jaxbm\[parquet\]'"):
        packed.unpacked("t.csv.zst", b"\x28\xb5\x2f\xfd\0")


@pytest.mark.parametrize("form", ["Parquet", "Feather"])
def test_arrow_files(form, tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "t"
    getattr(FRAME, f"to_{form.lower()}")(path)
    got = table.read(path)
    assert got["a"].isna().tolist() == [False, True]
    assert got["b"].tolist() == ["x", "y"]
    assert table.prepare(got.assign(y=[0, 1]), "y").columns[2].kind == "date"
    assert table.read(path, missing=["x"])["b"].isna().tolist() == [True, False]
    with pytest.raises(ValueError, match=rf"sep: expected None for .*, a {form} file, got ';'"):
        table.read(path, sep=";")
    (tmp_path / "bad").write_bytes(path.read_bytes()[:6] + b" and nothing else")
    with pytest.raises(ValueError, match=f"expected a {form} file, could not read it"):
        table.read(tmp_path / "bad")


@pytest.mark.parametrize(("magic", "form"), [(b"PAR1", "Parquet"), (b"ARROW1", "Feather")])
def test_arrow_files_without_pyarrow_say_what_to_install(monkeypatch, magic, form):
    def absent(*_, **__):
        raise ImportError("no engine")

    monkeypatch.setattr(pd, f"read_{form.lower()}", absent)
    with pytest.raises(ModuleNotFoundError, match=rf"reading {form} needs pyarrow: pip install 'jaxbm\[parquet\]'"):
        read(magic)


ROWS = [{"a": 1, "zip": "007", "y": True}, {"a": 2.5, "zip": "x\u2028y", "y": None, "more": {"b": [3][0]}}]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n",
        json.dumps(ROWS, indent=1),
        "\ufeff" + "\r\n\r\n".join(json.dumps(row, indent=1) for row in ROWS),
    ],
)
def test_json_of_an_object_a_row(text):
    got = read(text.encode())
    assert list(got.columns) == ["a", "zip", "y", "more.b"]
    assert got["a"].tolist() == [1, 2.5]
    assert got["zip"].tolist() == ["007", "x\u2028y"]
    assert got["y"].isna().tolist() == [False, True]
    np.testing.assert_array_equal(got["more.b"], [np.nan, 3])
    assert read(gzip.compress(text.encode())).shape == got.shape
    assert read(text.encode(), missing=["007"])["zip"].isna().tolist() == [True, False]


def test_json_trains_as_csv_does():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"n": rng.normal(size=40).round(3), "c": rng.choice(["u", "v"], 40), "y": rng.choice(2, 40)})
    lines = frame.to_json(orient="records", lines=True).encode()
    of_csv = table.read(io.StringIO(frame.to_csv(index=False)))
    pd.testing.assert_frame_equal(read(lines), of_csv, check_dtype=False)
    preparation = table.prepare(of_csv, "y")
    new = read(lines, like=preparation)
    np.testing.assert_array_equal(preparation.features(new), preparation.features(of_csv))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": [1, 2], "b": [3, 4]}', "an object a row, one below the other or in a list; pandas.read_json"),
        ('{"a": {"0": 1, "1": 2}}', "an object a row"),
        ('[{"a": 1}, 3]', "an object a row"),
        ('{"a": 1}\n{"a": [2]}', "got lists in 'a'; pandas.read_json"),
        ('{"a": 1}\n{"a": 2', "expected JSON, could not read it: .*line 2"),
    ],
)
def test_json_of_other_forms_is_refused(text, told):
    with pytest.raises(ValueError, match=told):
        read(text.encode())


def test_what_is_no_file():
    for source in ("https://example.org/t.csv", "s3://bucket/t.csv", "file:///t.csv"):
        with pytest.raises(ValueError, match="got an address; download it first"):
            table.read(source)
    for source in (None, 3, b"t.csv", ["t.csv"], FRAME):
        with pytest.raises(TypeError, match="source: expected a path, '-' or an open file, got"):
            table.read(source)


def test_a_path_within_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "t.csv").write_bytes(DATA)
    assert len(table.read("~/t.csv")) == 2
