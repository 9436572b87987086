"""Rows of JSON: one value a line, values over many lines, or one value that holds them all."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from sal.records.row import RecordsError, Row, row_of
from sal.records.shapes import rows_within
from sal.records.source import as_utf8, lines, whole

Choose = Callable[[Sequence[str]], str]
"""Which of several named lists of rows is meant."""

_SPACE = re.compile(r"[ \t\r\n]*")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands twice in one object")
    return content


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def json_rows(
    path: Path, file: io.BufferedReader, names: Collection[str], choose: Choose
) -> Iterator[Row]:
    """Rows of the JSON in `file`, whatever its suffix says.

    A value of which one of `names` is a name is a row; another may hold the rows (`rows_within`).
    A line that cannot be read is a row with a fault. Raises `RecordsError` where it cannot be told
    what the rows are.
    """
    file = as_utf8(path, file)
    source = lines(path, file)
    number, line = next(source, (0, b""))
    if not line:
        return
    first = _line(0, line, number)
    if line.lstrip().startswith(b"[") or first.content is None:
        blank = b"\n" * (number - 1)
        yield from _values(path, whole(path, file, blank + line), first, names, choose)
        return
    second = next(source, None)
    if second is None:
        for i, value in enumerate(rows_within(path, first.content, names, choose)):
            yield row_of(i, value, number if value is first.content else 0)
        return
    yield first
    yield _line(1, second[1], second[0])
    for i, (number, line) in enumerate(source, 2):
        yield _line(i, line, number)


def _line(number: int, line: bytes, at: int) -> Row:
    try:
        return row_of(number, _DECODER.decode(line.decode().rstrip("\r\n")), at)
    except UnicodeDecodeError as error:
        return Row(number, None, at, f"not UTF-8 text ({error.reason})")
    except RecursionError:
        return Row(number, None, at, "not JSON that can be read: nested too deeply")
    except ValueError as error:
        return Row(number, None, at, f"not JSON ({_reason(error, of_line=True)})")


def _values(
    path: Path, content: bytes, first: Row, names: Collection[str], choose: Choose
) -> Iterator[Row]:
    """Rows of values that stand over many lines; `first` is what the first line was alone.

    Where they cannot be read, and half of the lines are rows, the others are faulty ones.
    """
    try:
        values = _sequence(content.decode())
    except (ValueError, RecursionError) as error:
        if not content.lstrip().startswith(b"["):
            numbered = ((n, line) for n, line in enumerate(content.split(b"\n"), 1) if line.strip())
            rows = [_line(i, line, number) for i, (number, line) in enumerate(numbered)]
            if 2 * sum(row.content is not None for row in rows) >= len(rows):
                yield from rows
                return
        raise RecordsError(_fault(path, content, first, error)) from error
    if len(values) == 1:
        values = rows_within(path, values[0], names, choose)
    for i, value in enumerate(values):
        yield row_of(i, value)


def _sequence(text: str) -> list[Any]:
    """Values one after the other, with nothing but space between them."""
    values = []
    at = _end(text, 0)
    while at < len(text):
        value, at = _DECODER.raw_decode(text, at)
        values.append(value)
        at = _end(text, at)
    return values


def _end(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def _fault(path: Path, content: bytes, first: Row, error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        line = content.count(b"\n", 0, error.start) + 1
        return f"{path}:{line}: not UTF-8 text ({error.reason}): save the file as UTF-8"
    if isinstance(error, RecursionError):
        return f"{path}:{first.line}: not JSON that can be read: nested too deeply"
    line = first.line
    if isinstance(error, json.JSONDecodeError):  # at its end, the last line with something in it
        line = error.doc.count("\n", 0, min(error.pos, len(error.doc.rstrip()))) + 1
    return f"{path}:{line}: not JSON ({_reason(error, of_line=False)})"


def _reason(error: ValueError | Exception, *, of_line: bool) -> str:
    if isinstance(error, json.JSONDecodeError):
        at = f"{error.msg.removesuffix(' at')} at column {error.colno}"
        if error.pos == _end(error.doc, 0) and error.doc[error.pos : error.pos + 1].isprintable():
            return f"{at}: a CSV file wants the suffix .csv"
        cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
        end = "line" if of_line else "file"
        return at + f": the {end} is cut off" * cut
    if "int_max_str_digits" in str(error):
        return "a number of more digits than Python reads: write it as a text"
    return " ".join(str(error).split())
