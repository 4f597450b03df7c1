"""A file's bytes, unpacked, and its text in whatever encoding it has."""

from __future__ import annotations

import codecs
import os
import pathlib
import re
import sys
from typing import Any, NamedTuple

from jaxbm.core.checks import told
from jaxbm.table.packed import unpacked

#: How files of other kinds begin, what they are, and what to do with them.
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": ("a spreadsheet", "save its table as CSV"),
    b"ORC": ("an ORC file", "pandas.read_orc reads it, its to_parquet makes a Parquet file"),
    b"\x89HDF": ("an HDF5 file", "pandas.read_hdf reads it, its to_csv makes a CSV file"),
    b"SQLite format 3": ("a database", "pandas.read_sql reads a table of it, its to_csv makes a CSV file"),
    b"\x93NUMPY": ("an array of NumPy", "jaxbm.table.from_arrays makes a table of it"),
    b"%PDF": ("a PDF document", "save its table as CSV"),
    b"<!doctype": ("a web page", "download the file itself"),
    b"<html": ("a web page", "download the file itself"),
    b"<?xml": ("XML", "pandas.read_xml reads it, its to_csv makes a CSV file"),
    b"version https://git-lfs": ("Git LFS's pointer to a file", "git lfs pull fetches the file"),
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Encodings that tables are found in, besides Unicode's.
_USUAL = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp932", "gb18030", "big5", "euc_kr", "euc_jp", "koi8_r"]
_SAMPLE = 100_000
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class Source(NamedTuple):
    """Where a table comes from."""

    name: str
    data: bytes


def load(source: Any) -> Source:
    """The bytes of a path, of standard input for "-", or of an open file; unpacked where they are packed.

    Raises:
      FileNotFoundError: there is no such file.
      TypeError: it is no path.
      ValueError: it is a folder, an address, damaged, of another kind, or an archive of several files.
      ModuleNotFoundError: it is packed by Zstandard, and pyarrow is absent.
    """
    if hasattr(source, "read"):
        data = source.read()
        name = str(getattr(source, "name", "file"))
        return Source(name, _known(name, data.encode() if isinstance(data, str) else data))
    if str(source) == "-":
        return Source("standard input", _known("standard input", sys.stdin.buffer.read()))
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"source: expected a path, '-' or an open file, got {told(source)}")
    if isinstance(source, str) and _URL.match(source):
        raise ValueError(f"{source}: expected a file on this machine, got an address; download it first")
    path = pathlib.Path(os.path.expanduser(source))
    if path.is_dir():
        raise ValueError(f"{path}: expected a file, got a folder")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    return Source(str(path), _known(str(path), path.read_bytes()))


def _known(name: str, data: bytes) -> bytes:
    """The bytes, unpacked; ValueError where they are of a kind that is no table."""
    data = unpacked(name, data)
    head = data[:200].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for magic, (kind, way_out) in _FOREIGN.items():
        if data.startswith(magic) or head.startswith(magic):
            raise ValueError(f"{name}: expected a CSV, Parquet, Feather or JSON file, got {kind}; {way_out}")
    return data


def decode(source: Source, encoding: str | None = None) -> tuple[str, str]:
    """The text and its encoding: by a byte order mark, UTF-8, else what charset-normalizer finds most likely.

    Raises:
      ValueError: `encoding` is unknown, or the bytes aren't text in it.
    """
    name, data = source
    found = encoding or _encoding_of(data)
    try:
        text = data.decode(found)
    except LookupError:
        raise ValueError(
            f"encoding: unknown name {encoding!r}; expected one of Python's, such as utf-8 or cp1252"
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name}: expected text in {found}, byte {error.object[error.start]:#04x} at {error.start} isn't; name "
            "another one with --encoding (encoding=...)"
        ) from None
    if "\x00" in text:
        raise ValueError(f"{name}: expected a CSV, Parquet, Feather or JSON file, got bytes that are no text")
    text = text.removeprefix("\ufeff")
    return (text if "\n" in text else text.replace("\r", "\n")), found


def _encoding_of(data: bytes) -> str:
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        head = data[:2000]
        if len(head) < 4 or head.count(0) < len(head) / 5:
            return "utf-8"
    head = data[:2000]
    if head.count(0) >= len(head) / 5:  # the letters of most tables are ASCII: every other byte is 0
        return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
    return _likely(data)


def _likely(data: bytes) -> str:
    """An 8-bit or Asian encoding; cp1252, that of most such files, where no other one reads much better."""
    if not _decodes(data, "cp1252"):
        usual, default = _USUAL[1:], "latin-1"
    else:
        usual, default = _USUAL, "cp1252"
    try:
        from charset_normalizer import from_bytes
    except ModuleNotFoundError:
        return default
    sample = b"\n".join(line for line in data.splitlines() if not line.isascii())[:_SAMPLE]  # ASCII says nothing
    best = from_bytes(sample, cp_isolation=usual).best()
    own = from_bytes(sample, cp_isolation=[default]).best()
    if best is None or (own is not None and own.chaos <= best.chaos + 0.15):
        return default
    return best.encoding if _decodes(data, best.encoding) else default


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
