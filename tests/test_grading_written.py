"""Answers as they are written: the tables of `grading_written`, and the recorded file of others."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from grading_written import ANSWERS, COMPLETIONS

from sal.grading.grader import Grader

SAME = [
    pytest.param(gold, text, id=f"{kind}: {gold!r} {text!r}")
    for kind, rows in ANSWERS.items()
    for gold, same, _ in rows
    for text in same
]
OTHER = [
    pytest.param(gold, text, id=f"{kind}: {gold!r} {text!r}")
    for kind, rows in ANSWERS.items()
    for gold, _, other in rows
    for text in other
]


@pytest.mark.parametrize(("gold", "text"), SAME)
def test_the_same_answer_is_found_the_same(grader: Grader, gold: str, text: str) -> None:
    assert grader.grade(rf"So it is \boxed{{{text}}}.", gold).reason == "match"


@pytest.mark.parametrize(("gold", "text"), OTHER)
def test_what_only_looks_the_same_is_not(grader: Grader, gold: str, text: str) -> None:
    assert not grader.grade(rf"So it is \boxed{{{text}}}.", gold).correct


@pytest.mark.parametrize(("text", "gold", "right"), COMPLETIONS)
def test_what_the_model_said_last_counts(grader: Grader, text: str, gold: str, right: bool) -> None:
    assert grader.grade(text, gold).correct is right


def wrong_verdicts(file: Path, grader: Grader) -> tuple[list[tuple[Any, ...]], int]:
    """(prediction, answer, reason, kind) of each row whose verdict is not the expected one."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    verdicts = grader.grade_many((row["prediction"], row["answer"]) for row in rows)
    wrong = [
        (row["prediction"], row["answer"], verdict.reason, row.get("kind", ""))
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict.correct != row["expected"]
    ]
    return wrong, len(rows)


def test_more_spellings_and_near_misses(grader: Grader) -> None:
    file = Path(__file__).parent / "golden" / "answers_written.jsonl"
    wrong, size = wrong_verdicts(file, grader)
    assert size > 1500
    assert wrong == []


AMBIGUOUS = {
    (r"\boxed{3n}", "3k"): "without a word on n and k, 3n and 3k are multiples of two numbers",
}
"""Rows whose verdict here differs on purpose, and why."""


@pytest.mark.recorded
def test_the_recorded_answers_as_written(recorded_data: Path, grader: Grader) -> None:
    wrong, size = wrong_verdicts(recorded_data / "answers_as_written.jsonl", grader)
    assert [row for row in wrong if row[2] == "match"] == []
    assert len(wrong) <= 0.02 * size, Counter(kind for *_, kind in wrong)
    assert {row[:2] for row in wrong} <= set(AMBIGUOUS)
