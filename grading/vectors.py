r"""Vectors and matrices beyond LaTeX's environments: `3i - 2j + k`, `[[1,2],[3,4]]`, transposes."""

from __future__ import annotations

import re

from sal.grading.brackets import closing

_UNIT_VECTOR = re.compile(
    r"\\(?:vec|hat|widehat|overrightarrow|bar|underline)\s*\{?\s*(?:\\text\{\s*)?\\?([ijk])(?:math)?(?:\s*\})?\s*\}?"
    r"|\\text\{\s*([ijk])\s*\}|\\([ij])math(?![a-zA-Z])|(?<![a-zA-Z\\])([ijk])(?![a-zA-Z])"
)
_TERM = re.compile(r"([+-]?)\s*([^+\-@]*)@([ijk])\s*")
_TRANSPOSED = re.compile(
    r"\s*(?:\^\s*\{?\s*(?:\\text\{\s*T\s*\}|T|\\top|\\intercal|\\prime)\s*\}?|')$"
)
_ROWS = re.compile(r"^[\[(]\s*([\[(].*[\])])\s*,?\s*[\])]$", re.DOTALL)


def along_axes(text: str) -> tuple[str, ...] | None:
    r"""Components of `\mathbf{i} - 2\mathbf{j} + 3\mathbf{k}`; None for all else.

    A sum of `i` alone is a complex number.
    """
    if "j" not in text and "k" not in text and not re.search(r"\\(?:vec|hat|widehat)", text):
        return None
    marked = _UNIT_VECTOR.sub(lambda m: f"@{m[1] or m[2] or m[3] or m[4]}", text)
    marked = (
        re.sub(r"@([ijk])\s*\}", r"@\1", marked)
        if marked.count("}") > marked.count("{")
        else marked
    )
    found: dict[str, str] = {}
    at = 0
    for match in _TERM.finditer(marked):
        if match.start() != at or match[3] in found or (at and not match[1]):
            return None
        at = match.end()
        size = match[2].strip().removesuffix(r"\cdot").removesuffix("*").strip()
        if re.search(r"(?<![a-zA-Z\\])[ijk](?![a-zA-Z])", size):
            return None
        found[match[3]] = ("-" if match[1] == "-" else "") + (size or "1")
    if at != len(marked) or not (set(found) & {"j", "k"} or "\\" in text):
        return None
    return tuple(found.get(axis, "0") for axis in "ijk")


def nested_rows(text: str) -> list[list[str]] | None:
    """Rows of `[[1,2],[3,4]]`, of `[1,2;3,4]`; None for all else."""
    rows = _bracketed_rows(text) if text[:1] in "[(" else None
    if (
        rows is None
        and text[:1] == "["
        and ";" in text
        and "," in text
        and closing(text, 0) == len(text)
    ):
        rows = [_cells(row) for row in text[1:-1].split(";")]
    if rows is None or len(rows) < 1 or len({len(row) for row in rows}) != 1:
        return None
    return rows if len(rows) > 1 or len(rows[0]) > 1 else None


def _bracketed_rows(text: str) -> list[list[str]] | None:
    if not text.startswith("[") or closing(text, 0) != len(text):
        return None
    rows: list[list[str]] = []
    at = 1
    while at < len(text) - 1:
        if text[at] in ", ":
            at += 1
            continue
        end = closing(text, at) if text[at] == "[" else 0
        if not end:
            return None
        rows.append(_cells(text[at + 1 : end - 1]))
        at = end
    return rows or None


def _cells(row: str) -> list[str]:
    cells: list[str] = []
    depth = begin = 0
    for at, char in enumerate(row):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            cells.append(row[begin:at].strip())
            begin = at + 1
    return [*cells, row[begin:].strip()]


def without_transpose(text: str) -> str | None:
    r"""What `(1,2,3)^T` or `\begin{pmatrix}...^T` transposes; None where nothing is transposed."""
    match = _TRANSPOSED.search(text)
    if match is None:
        return None
    body = text[: match.start()].rstrip()
    whole = body[:1] in ("(", "[") and closing(body, 0) == len(body)
    return body if whole or (body.startswith("\\begin") and body.endswith("}")) else None
