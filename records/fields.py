"""Fields of a row by name, or by a path with dots into the objects that it holds."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_DEPTH = 3
_SHOWN = 20


class NoField(KeyError):
    """A row has no such field."""


def field(row: Mapping[str, Any], name: str) -> Any:
    """`row["a.b"]` where it is there, else `row["a"]["b"]`; raises `NoField`."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise NoField(name)
        value = value[part]
    return value


def paths(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of all fields, in the order of their first appearance, objects' own included."""
    found: dict[str, None] = {}
    for row in rows:
        if row.keys() <= found.keys() and dict not in map(type, row.values()):
            continue  # as nearly all rows of a large file
        _collect(row, "", _DEPTH, found)
    return list(found)


def _collect(row: Mapping[str, Any], above: str, depth: int, found: dict[str, None]) -> None:
    for name, value in row.items():
        found[above + name] = None
        if isinstance(value, dict) and depth > 1:
            _collect(value, f"{above}{name}.", depth - 1, found)


def find(known: Sequence[str], there: Iterable[str]) -> str | None:
    """The first of `known` that is there: as it is spelled, else in any case and spacing."""
    there = list(there)
    exact = next((name for name in known if name in there), None)
    if exact is not None:
        return exact
    spelled: dict[str, str] = {}
    for name in there:
        spelled.setdefault(_plain(name), name)
    return next((spelled[name] for name in known if name in spelled), None)


def _plain(name: str) -> str:
    return re.sub(r"[ _-]+", "_", name.strip().casefold())


def listed(there: Sequence[str]) -> str:
    """Names for a message, the first of many."""
    shown = ", ".join(f"{name:.60}" for name in there[:_SHOWN])
    return shown + f" and {len(there) - _SHOWN} more" * (len(there) > _SHOWN)


def nearest(name: str, there: Sequence[str]) -> str | None:
    """The name that was perhaps meant."""
    inside = next((other for other in there if other.rpartition(".")[2] == name), None)
    plain = {_plain(other): other for other in reversed(there)}
    close = difflib.get_close_matches(_plain(name), plain, n=1)
    return inside or (plain[close[0]] if close else None)
