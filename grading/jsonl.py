"""Grading a file of completions."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from sal.grading.graders import Judge
from sal.grading.verdict import Verdict, first_correct
from sal.records.fields import NoField, listed
from sal.records.fields import field as field_of
from sal.records.read import read_rows
from sal.records.row import RecordsError
from sal.records.several import several


class GradeFileError(Exception):
    """The file cannot be graded: not readable as rows, or a field is missing."""


@dataclass(slots=True)
class GradeSummary:
    """Counts over a graded file; `reasons` maps each reason to its number of rows.

    `skipped` rows were passed over, and are in no other count; `fault` is of the first.
    """

    total: int = 0
    correct: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    fault: str = ""

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
    grader: Judge,
    on_progress: Callable[[GradeSummary], None] | None = None,
    *,
    explain: bool = False,
    any_answer: bool = False,
    skip_bad_rows: bool = False,
) -> GradeSummary:
    """Grade every row of `path` into `out`: the row as it was, with `correct` and `reason`.

    The first field holds a completion (its final answer is extracted), the second a bare answer or
    a full solution; a number is taken as its digits, a boolean as its word, a list as several
    values that must all be given, or with `any_answer` one of them. Fields inside objects are named
    with dots. `explain` adds `explanation` to each row, `skip_bad_rows` passes over those that
    cannot be graded. Rows stream where the notation allows; `out` appears only when all rows are
    graded. Raises `GradeFileError`, which names the line.
    """
    if path.resolve() == out.resolve():
        raise GradeFileError(f"{out}: the output would overwrite the input")
    if out.is_dir():
        raise GradeFileError(f"{out}: is a folder")
    partial = out.with_name(out.name + ".partial")
    summary = GradeSummary()
    rows: deque[tuple[dict[str, Any], int]] = deque()  # read ahead of the verdicts, in order

    def pairs() -> Iterator[tuple[str, str]]:
        for row in read_rows(path, (prediction_field, answer_field)):
            try:
                content = row.content
                if content is None:
                    raise _BadRow(row.fault)
                text = _text(content, prediction_field)
                golds = _golds(content, answer_field, any_answer)
            except _BadRow as error:
                if not skip_bad_rows:
                    raise GradeFileError(f"{row.place(path)}: {error}") from error
                summary.skipped += 1
                summary.fault = summary.fault or f"{row.where}: {error}"
                continue
            rows.append((content, len(golds)))
            for gold in golds:
                yield text, gold

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # A lone surrogate (half an emoji, cut off) is written as the escape that JSON has for it.
        with partial.open("w", encoding="utf-8", errors="backslashreplace") as sink:
            verdicts = grader.grade_many(pairs())
            for first in verdicts:
                content, count = rows.popleft()
                verdict = first_correct(chain([first], verdicts), count)
                row = content | {"correct": verdict.correct, "reason": verdict.reason}
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


class _BadRow(Exception):
    """A row that cannot be graded."""


def _golds(row: dict[str, Any], name: str, any_answer: bool) -> list[str]:
    """The references, of which one is enough."""
    items = several(_value(row, name), written=True) if any_answer else None
    texts = [answer_text(item) for item in items or ()]
    return list(dict.fromkeys(filter(None, texts))) or [_text(row, name)]


def _value(row: dict[str, Any], name: str) -> Any:
    try:
        return field_of(row, name)
    except NoField as error:
        raise _BadRow(f"no field {name!r} (it has {listed(list(row))})") from error


def _text(row: dict[str, Any], name: str) -> str:
    value = _value(row, name)
    text = answer_text(value)
    if text is None:
        raise _BadRow(f"field {name!r} is a {type(value).__name__}, not a string")
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
