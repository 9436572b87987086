"""Grading a file of completions."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sal.grading.grader import Grader
from sal.grading.verdict import Verdict
from sal.records.fields import NoField, listed
from sal.records.fields import field as field_of
from sal.records.read import read_rows
from sal.records.row import RecordsError


class GradeFileError(Exception):
    """The file cannot be graded: not readable as rows, or a field is missing."""


@dataclass(slots=True)
class GradeSummary:
    """Counts over a graded file; `reasons` maps each reason to its number of rows."""

    total: int = 0
    correct: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def accuracy(self) -> float:
        """Share of correct rows, 0 for an empty file."""
        return self.correct / self.total if self.total else 0.0

    def add(self, verdict: Verdict) -> None:
        self.total += 1
        self.correct += verdict.correct
        self.reasons[verdict.reason] += 1


def grade_file(
    path: Path,
    out: Path,
    prediction_field: str,
    answer_field: str,
    grader: Grader,
    on_progress: Callable[[GradeSummary], None] | None = None,
    *,
    explain: bool = False,
) -> GradeSummary:
    """Grade every row of `path` into `out`: the row as it was, with `correct` and `reason`.

    The first field holds a completion (its final answer is extracted), the second a bare answer or
    a full solution; a number is taken as its digits, a boolean as its word, a list as several
    values. Fields inside objects are named with dots. `explain` adds `explanation` to each row.
    Rows stream where the notation allows; `out` appears only when all rows are graded. Raises
    `GradeFileError`, which names the line.
    """
    if path.resolve() == out.resolve():
        raise GradeFileError(f"{out}: the output would overwrite the input")
    if out.is_dir():
        raise GradeFileError(f"{out}: is a folder")
    partial = out.with_name(out.name + ".partial")
    summary = GradeSummary()
    rows: deque[dict[str, Any]] = deque()  # read ahead of the verdicts, in order

    def pairs() -> Iterator[tuple[str, str]]:
        for place, row in _rows(path, (prediction_field, answer_field)):
            pair = (_field(row, prediction_field, place), _field(row, answer_field, place))
            rows.append(row)
            yield pair

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # A lone surrogate (half an emoji, cut off) is written as the escape that JSON has for it.
        with partial.open("w", encoding="utf-8", errors="backslashreplace") as sink:
            for verdict in grader.grade_many(pairs()):
                row = rows.popleft() | {"correct": verdict.correct, "reason": verdict.reason}
                if explain:
                    row["explanation"] = verdict.explain()
                # Tables hold dates and decimals, for which JSON has no form but text.
                sink.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
                summary.add(verdict)
                if on_progress is not None:
                    on_progress(summary)
        partial.replace(out)
    except RecordsError as error:
        raise GradeFileError(str(error)) from error
    except OSError as error:
        raise GradeFileError(f"{error.filename or out}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return summary


def _rows(path: Path, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with their places, as a message names them."""
    for row in read_rows(path, names):
        if row.content is None:
            raise GradeFileError(f"{row.place(path)}: {row.fault}")
        yield row.place(path), row.content


def _field(row: dict[str, Any], name: str, place: str) -> str:
    try:
        value = field_of(row, name)
    except NoField as error:
        raise GradeFileError(f"{place}: no field {name!r} (it has {listed(list(row))})") from error
    text = answer_text(value)
    if text is None:
        kind = type(value).__name__
        raise GradeFileError(f"{place}: field {name!r} is a {kind}, not a string")
    return text


def answer_text(value: object) -> str | None:
    """An answer of a data set as text: a string, number or boolean, or a list of these.

    None for what is no answer.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, list) and value:
        items = [None if isinstance(item, list) else answer_text(item) for item in value]
        return ", ".join(filter(None, items)) if all(items) else None
    return None
