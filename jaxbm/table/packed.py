"""Packed files, unpacked: gzip, bzip2, xz, Zstandard, and archives of one file."""

from __future__ import annotations

import importlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterable

_DEEPEST = 3
_TAR, _AT = b"ustar", 257  # where an archive of tar says so


def unpacked(name: str, data: bytes) -> bytes:
    """The bytes of a file that may be packed, a few times over (`t.csv.gz` in an archive).

    Raises:
      ValueError: it is damaged or encrypted, a spreadsheet, or an archive of none or several files.
      ModuleNotFoundError: it is packed by Zstandard, and pyarrow, which unpacks that, is absent.

    Example:
      >>> import gzip
      >>> from jaxbm.table.packed import unpacked
      >>> unpacked("t.csv.gz", gzip.compress(b"a,b"))
      b'a,b'
    """
    for _ in range(_DEEPEST):
        found = _packing(data)
        if found is None:
            return data
        kind, unpack = found
        try:
            data = unpack(name, data)
        except _Told as error:
            raise ValueError(str(error)) from None
        except _damages() as error:
            raise ValueError(f"{name}: expected a file packed by {kind}, could not unpack it: {error}") from None
    if _packing(data) is not None:
        raise ValueError(f"{name}: expected a file packed at most {_DEEPEST} times, got one within another")
    return data


class _Told(ValueError):
    """What is wrong is said already."""


def _packing(data: bytes) -> tuple[str, Callable[[str, bytes], bytes]] | None:
    """What `data` is packed by, and what unpacks it."""
    for magic, found in _PACKINGS.items():
        if data.startswith(magic):
            return found
    return ("tar", _one_of_tar) if data[_AT : _AT + len(_TAR)] == _TAR else None


def _damages() -> tuple[type[Exception], ...]:
    """What these libraries raise of bytes that are not what they begin as, or of a missing password."""
    import tarfile
    import zipfile

    plain = EOFError, OSError, ValueError, RuntimeError
    return (*plain, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)


def _by(module: str) -> Callable[[str, bytes], bytes]:
    def unpack(name: str, data: bytes) -> bytes:
        del name
        return importlib.import_module(module).decompress(data)

    return unpack


def _zstandard(name: str, data: bytes) -> bytes:
    try:
        import pyarrow as pa
    except ImportError:
        raise ModuleNotFoundError(
            f"{name}: unpacking Zstandard needs pyarrow: pip install 'jaxbm[parquet]'; or pack it by gzip, bzip2, xz "
            "or zip"
        ) from None
    with pa.input_stream(pa.py_buffer(data), compression="zstd") as stream:
        return stream.read()


def _one_of_zip(name: str, data: bytes) -> bytes:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.namelist()
        if any(member.startswith("xl/") or member == "content.xml" for member in members):
            raise _Told(
                f"{name}: expected a CSV, Parquet, Feather or JSON file, got a spreadsheet; save its table as CSV"
            )
        return archive.read(_only(name, members))


def _one_of_tar(name: str, data: bytes) -> bytes:
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        file = archive.extractfile(_only(name, [member.name for member in archive if member.isfile()]))
        assert file is not None
        return file.read()


def _only(name: str, members: Iterable[str]) -> str:
    """The archive's file, beside what a Mac's desktop adds."""
    files = [
        member
        for member in members
        if not member.endswith(("/", ".DS_Store")) and not member.rpartition("/")[2].startswith("._")
    ]
    if len(files) != 1:
        held = "an archive of several files" if files else "an empty archive"
        raise _Told(f"{name}: expected a CSV, Parquet, Feather or JSON file, got {held}; save its table as CSV")
    return files[0]


#: How packed files begin, what they are packed by, and what unpacks them.
_PACKINGS: dict[bytes, tuple[str, Callable[[str, bytes], bytes]]] = {
    b"\x1f\x8b": ("gzip", _by("gzip")),
    b"BZh": ("bzip2", _by("bz2")),
    b"\xfd7zXZ\x00": ("xz", _by("lzma")),
    b"\x28\xb5\x2f\xfd": ("Zstandard", _zstandard),
    b"PK\x03\x04": ("zip", _one_of_zip),
    b"PK\x05\x06": ("zip", _one_of_zip),  # empty
}
