"""Grading a file of completions, one JSON object a line."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sal.grading.grader import Grader
from sal.grading.verdict import Verdict


class GradeFileError(Exception):
    """The file cannot be graded: not readable, not JSON lines, or a field is missing."""


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
    Streams; `out` appears only when all rows are graded. Raises `GradeFileError`, which names the
    line.
    """
    if path.resolve() == out.resolve():
        raise GradeFileError(f"{out}: the output would overwrite the input")
    if out.is_dir():
        raise GradeFileError(f"{out}: is a folder")
    partial = out.with_name(out.name + ".partial")
    summary = GradeSummary()
    rows: deque[dict[str, Any]] = deque()  # read ahead of the verdicts, in order

    def pairs() -> Iterator[tuple[str, str]]:
        for number, row in _rows(path):
            pair = (
                _field(row, prediction_field, path, number),
                _field(row, answer_field, path, number),
            )
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
                sink.write(json.dumps(row, ensure_ascii=False) + "\n")
                summary.add(verdict)
                if on_progress is not None:
                    on_progress(summary)
        partial.replace(out)
    except OSError as error:
        raise GradeFileError(f"{error.filename or out}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return summary


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as source:
        try:
            for number, line in enumerate(source, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise GradeFileError(f"{path}:{number}: not JSON ({error})") from error
                if not isinstance(row, dict):
                    raise GradeFileError(f"{path}:{number}: not a JSON object")
                yield number, row
        except UnicodeDecodeError as error:
            raise GradeFileError(f"{path}: not UTF-8 text") from error


def _field(row: dict[str, Any], name: str, path: Path, number: int) -> str:
    value: Any = row
    if name in row:
        value = row[name]
    else:
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                known = ", ".join(map(str, list(row)[:12]))
                raise GradeFileError(f"{path}:{number}: no field {name!r} (it has {known})")
            value = value[part]
    text = answer_text(value)
    if text is None:
        kind = type(value).__name__
        raise GradeFileError(f"{path}:{number}: field {name!r} is a {kind}, not a string")
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
