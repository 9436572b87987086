"""The rows that one JSON value holds: a list, a list under a key, or columns as pandas writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from sal.records.row import RecordsError

_DEPTH = 3
"""Keys above a list of rows."""


def rows_within(
    path: Path,
    value: Any,
    names: Collection[str],
    choose: Callable[[Sequence[str]], str],
) -> list[Any]:
    """The rows of a file that is the one `value`.

    In order: a list is its items; columns (`{"q": {"0": ...}}`, `{"q": [...]}`, or pandas' "split"
    form) are turned; an object with one of `names` is a row itself; the lists of objects inside are
    rows, and where there are several `choose` is asked; objects under keys are rows with these as
    their ids. Raises `RecordsError` for another value.
    """
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or not value:
        raise RecordsError(f"{path}: no rows in it: JSON lines, or a list of objects, is wanted")
    turned = _split_form(value) or _columns(value)
    if turned is not None:
        return turned
    if any(name.partition(".")[0] in value for name in names) or _spelled(value, names):
        return [value]
    lists = dict(_lists(value, _DEPTH))
    if lists:
        return lists[choose(list(lists))]
    keyed = _keyed(value)
    return [value] if keyed is None else keyed


def _spelled(value: dict[str, Any], names: Collection[str]) -> bool:
    known = {name.casefold() for name in names}
    return any(key.casefold() in known for key in value)


def _columns(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    columns = list(value.values())
    if all(isinstance(column, dict) for column in columns):
        keys = list(columns[0])
        if not keys or not all(key.isdigit() for key in keys):
            return None
        if any(column.keys() != columns[0].keys() for column in columns):
            return None
        return [{name: column[key] for name, column in value.items()} for key in keys]
    if all(isinstance(column, list) for column in columns):
        if len({len(column) for column in columns}) != 1 or any(map(_of_objects, columns)):
            return None
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    return None


def _split_form(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    names, data = value.get("columns"), value.get("data")
    if not isinstance(names, list) or not isinstance(data, list) or not data:
        return None
    if not all(isinstance(row, list) and len(row) == len(names) for row in data):
        return None
    return [dict(zip(map(str, names), row, strict=True)) for row in data]


def _of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(i, dict) for i in value)


def _lists(value: dict[str, Any], depth: int, above: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Lists of objects, by their keys joined with dots; not the lists inside of rows."""
    for key, item in value.items():
        if _of_objects(item):
            yield above + key, item
        elif isinstance(item, dict) and depth > 1:
            yield from _lists(item, depth - 1, f"{above}{key}.")


def _keyed(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    if len(value) < 2 or not all(isinstance(row, dict) and row for row in value.values()):
        return None
    return [{"id": key} | row for key, row in value.items()]
