"""A row of a file, and what is raised where a file holds none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


class RecordsError(Exception):
    """A file that cannot be read as rows: one sentence, with the file and the remedy."""


@dataclass(slots=True)
class Row:
    """One row. `number` counts from 0; `line` from 1, and is 0 where rows are not lines.

    `content` is None where the row cannot be used, and `fault` says why.
    """

    number: int
    content: dict[str, Any] | None
    line: int = 0
    fault: str = ""

    @property
    def where(self) -> str:
        return f"line {self.line}" if self.line else f"row {self.number}"

    def place(self, file: str | Path) -> str:
        """`file:7`, which editors open; `file: row 7` where rows are not lines."""
        return f"{file}:{self.line}" if self.line else f"{file}: row {self.number}"


def row_of(number: int, value: object, line: int = 0) -> Row:
    """`value` as a row; it has to be an object."""
    if isinstance(value, dict):
        return Row(number, value, line)
    return Row(number, None, line, f"not a JSON object but {_kind(value)}")


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a text", bool: "a truth value", int: "a number"}
    return kinds.get(type(value), "null" if value is None else "a number")
