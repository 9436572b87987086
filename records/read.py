"""The rows of a file, by its suffixes and by how it begins."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sal.records.csv_rows import csv_rows
from sal.records.json_rows import Choose, json_rows
from sal.records.row import RecordsError, Row
from sal.records.source import opened
from sal.records.table_rows import ARROW, PARQUET, table_rows

JSON = (".jsonl", ".ndjson", ".jsonlines", ".json")
CSV = (".csv", ".tsv")
TABLES = (".parquet", ".arrow", ".feather")
PACKED = (".gz", ".zst", ".xz", ".bz2")


def suffix(path: str | Path) -> str:
    """The suffix that says the notation, lower case: `.csv` of `a.CSV.gz`; "" for any other."""
    name = str(path).lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return next((known for known in (*JSON, *CSV, *TABLES) if name.endswith(known)), "")


def read_rows(
    path: Path, names: Collection[str] = (), choose: Choose | None = None
) -> Iterator[Row]:
    """The rows of `path`, one at a time where the notation allows; JSON where no suffix says.

    `names` are fields by which a row is known; `choose` is asked which of several lists of rows in
    one JSON file is meant. Raises `RecordsError` for a file that is not one of rows; a row that
    cannot be used says so itself.
    """
    kind = suffix(path)

    def refuse(there: Sequence[str]) -> str:
        if len(there) == 1:
            return there[0]
        raise RecordsError(f"{path}: several lists of rows: {', '.join(there)}")

    with opened(path) as file:
        head = file.peek(8)
        if head.startswith(PARQUET) or (kind == ".parquet" and head):
            yield from table_rows(path, file, parquet=True)
        elif head.startswith(ARROW) or (kind in (".arrow", ".feather") and head):
            yield from table_rows(path, file, parquet=False)
        elif kind in CSV and not head.lstrip(b"\xef\xbb\xbf \r\n").startswith((b'{"', b"[{")):
            yield from csv_rows(path, file, tabs=kind == ".tsv")
        else:
            yield from json_rows(path, file, names, choose or refuse)
