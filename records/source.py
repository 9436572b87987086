"""A file as bytes in UTF-8: unpacked, its encoding known, its size limited."""

from __future__ import annotations

import codecs
import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sal.records.row import RecordsError

LIMIT = 512 << 20
"""Bytes that one line, or one JSON value over many lines, may have."""

_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
_PACKED = (_GZIP, _BZIP2, _XZ, _ZSTD)
_PAGE = "a web page, not the data: was the address that of the raw file?"
_NOT_TEXT = {
    b"version https://git-lfs": "a pointer of Git LFS, not the data: run git lfs pull",
    b"<!": _PAGE,
    b"<html": _PAGE,
    b"PK\x03\x04": "a zip archive or a workbook: unpack it, or export it as CSV",
    b"PK\x05\x06": "an empty zip archive",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"Rar!": "a rar archive: unpack it",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: export it as CSV",
    b"SQLite format": "a database: export the table as CSV",
    b"\x89HDF": "an HDF5 file: convert it to parquet or JSON lines",
    b"\x93NUMPY": "a NumPy array: convert it to parquet or JSON lines",
    b"\x80\x04\x95": "a pickle, which could run code: convert it to parquet or JSON lines",
}
_MARKS = (  # of UTF-32 before those of UTF-16 that they begin with
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """The bytes of a file, unpacked if it is gzip, bzip2, xz or zstd by its content.

    Raises `RecordsError` for one that cannot be opened, and, within, for one that is damaged.
    """
    import lzma
    import zlib

    try:
        with path.open("rb") as packed, _unpacked(path, packed) as file:
            if file is not packed and file.peek(262)[257:262] == b"ustar":
                raise RecordsError(f"{path}: a tar archive: unpack it")
            yield file
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise RecordsError(f"{path}: cut off or damaged ({_one_line(error)})") from error
    except OSError as error:
        if error.strerror is None:  # of the decompressors
            raise RecordsError(f"{path}: cut off or damaged ({_one_line(error)})") from error
        if error.errno == errno.ENOENT and path.is_symlink():
            raise RecordsError(f"{path}: a link to nothing ({path.readlink()})") from error
        raise RecordsError(f"{path}: {error.strerror}") from error


def _unpacked(path: Path, packed: io.BufferedReader) -> io.BufferedReader:
    import bz2
    import gzip
    import lzma

    raw: Any
    head = packed.peek(32)[:32]
    for magic, what in _NOT_TEXT.items():
        if head.startswith(magic):
            raise RecordsError(f"{path}: {what}")
    if head.startswith(_GZIP):
        raw = gzip.GzipFile(fileobj=packed)
    elif head.startswith(_BZIP2):
        raw = bz2.BZ2File(packed)
    elif head.startswith(_XZ):
        raw = lzma.LZMAFile(packed)  # noqa: SIM115 (the caller closes it)
    elif head.startswith(_ZSTD):
        import pyarrow as pa  # tells a cut-off file, as other readers of zstd do not

        raw = pa.CompressedInputStream(pa.PythonFile(packed, "r"), "zstd")
    else:
        return packed
    file = io.BufferedReader(raw, 1 << 20)
    if file.peek(8).startswith(_PACKED):
        raise RecordsError(f"{path}: packed twice: unpack it once")
    return file


def as_utf8(path: Path, file: io.BufferedReader) -> io.BufferedReader:
    """`file` without its byte order mark; recoded where that says UTF-16 or UTF-32."""
    head = file.peek(4)[:4]
    if head.startswith(codecs.BOM_UTF8):
        file.read(len(codecs.BOM_UTF8))
        return file
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            try:
                text = whole(path, file).decode(encoding)
                return io.BufferedReader(cast(io.RawIOBase, io.BytesIO(text.encode())))
            except UnicodeError as error:
                raise RecordsError(f"{path}: damaged {encoding.upper()} ({error})") from error
    if b"\0" in head[:4] and head.strip(b"\0"):
        raise RecordsError(f"{path}: not UTF-8 text, but perhaps UTF-16: save it as UTF-8")
    return file


def whole(path: Path, file: io.BufferedReader, before: bytes = b"") -> bytes:
    """`before`, and what is left of `file`; raises `RecordsError` beyond `LIMIT`."""
    content = before + file.read(max(0, LIMIT + 1 - len(before)))
    if len(content) > LIMIT:
        raise RecordsError(
            f"{path}: more than {LIMIT >> 20} MiB in one piece: write it as JSON lines"
        )
    return content


def lines(path: Path, file: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1."""
    number = 0
    while line := file.readline(LIMIT + 1):
        number += 1
        if len(line) > LIMIT:
            raise RecordsError(f"{path}:{number}: a line of more than {LIMIT >> 20} MiB")
        if not line.isspace():
            yield number, line


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
