"""Rows of CSV and TSV."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sal.records.row import RecordsError, Row
from sal.records.source import LIMIT, as_utf8

_DELIMITERS = ",;\t|"
_NESTED = ("[{", '{"', "{'")
_NESTED_LIMIT = 1 << 20


def csv_rows(path: Path, file: io.BufferedReader, *, tabs: bool) -> Iterator[Row]:
    """Rows under the names of the first line, separated by what separates these (`tabs`: by tabs).

    A cell that is empty is None; one that holds an object or a list of objects, as JSON or as
    Python writes it, is that. A row with another number of cells has a fault.
    """
    text = io.TextIOWrapper(as_utf8(path, file), "utf-8", "surrogateescape", newline="")
    head, above = text.readline(LIMIT), 0
    while head and head.isspace():
        head, above = text.readline(LIMIT), above + 1
    delimiter = "\t" if tabs and "\t" in head else max(_DELIMITERS, key=head.count)
    names: list[str] | None = None
    reader = csv.reader(_lines(path, head, text), delimiter=delimiter, strict=True)
    number = 0
    line = above + 1
    while True:
        try:
            cells = _next(reader)
        except csv.Error as error:
            if names is None:
                raise RecordsError(f"{path}:{line}: not a CSV header ({error})") from error
            yield Row(number, None, line, f"not CSV ({error})")
            number, line = number + 1, above + reader.line_num + 1
            continue
        if cells is None:
            return
        if names is None:
            names = _header(path, cells)
        elif cells:
            yield _row(number, names, cells, line)
            number += 1
        line = above + reader.line_num + 1


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    """The next row, its cells as long as a line may be; the limit is the whole process's, and is
    left as it was."""
    before = csv.field_size_limit(LIMIT)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _lines(path: Path, head: str, text: io.TextIOWrapper) -> Iterator[str]:
    line = head
    while line:
        if len(line) == LIMIT:
            raise RecordsError(f"{path}: a line of more than {LIMIT >> 20} MiB")
        yield line
        line = text.readline(LIMIT)


def _header(path: Path, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RecordsError(f"{path}:1: two columns are named {twice!r}: rename one")
    return names


def _row(number: int, names: list[str], cells: list[str], line: int) -> Row:
    if len(cells) != len(names):
        fault = f"{len(cells)} cells where the header has {len(names)}: is one not quoted?"
        return Row(number, None, line, fault)
    for cell in cells:
        if not cell.isascii() and any("\udc80" <= char <= "\udcff" for char in cell):
            return Row(number, None, line, "not UTF-8 text: save the file as UTF-8")
    return Row(number, dict(zip(names, map(_value, cells), strict=True)), line)


def _value(cell: str) -> Any:
    if not cell:
        return None
    if not cell.startswith(_NESTED):
        return cell
    for read in (json.loads, ast.literal_eval) if len(cell) < _NESTED_LIMIT else ():
        try:
            value = read(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, dict | list):
            return value
    return cell
