"""Real model outputs whose verdicts are known, and MATH-500's answers against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sal.grading.grader import Grader

pytestmark = pytest.mark.recorded

DAMAGED_REFERENCE = (
    r"the recorded grader compared with `4:30p..`, what its clean-up left of `\text{4:30 p.m.}`, "
    "and marked the right `4:30 p.m.` wrong"
)
THOUSANDS = "the recorded grader did not read `10{,}000` as 10000"
MATH_100 = {(3, sample): DAMAGED_REFERENCE for sample in range(8)} | {(72, 7): THOUSANDS}
"""(problem, sample) -> why the recorded verdict, `wrong`, is itself wrong."""


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def boxed(answer: str) -> str:
    return rf"The answer is $\boxed{{{answer}}}$."


def test_gsm8k_solutions_are_graded_as_people_did(recorded_data: Path, grader: Grader) -> None:
    graded = [
        (solution["solution"], row["ground_truth"], solution["is_correct"])
        for row in rows(recorded_data / "gsm8k_model_solutions.jsonl")
        for solution in row.values()
        if isinstance(solution, dict)
    ]
    verdicts = grader.grade_many((text, gold) for text, gold, _ in graded)
    disagreements = [
        (text[-60:], gold[-20:], verdict)
        for (text, gold, right), verdict in zip(graded, verdicts, strict=True)
        if verdict.correct != right
    ]
    assert len(graded) == 5276
    assert disagreements == []


def math_100_disagreements(data: Path, grader: Grader, reference: str) -> set[tuple[int, int]]:
    samples = [
        ((row["idx"], index), text, row[reference], right)
        for row in rows(data / "math100x8_samples_rm.jsonl")
        for index, (text, right) in enumerate(zip(row["code"], row["score"], strict=True))
    ]
    assert len(samples) == 800
    verdicts = grader.grade_many((text, gold) for _, text, gold, _ in samples)
    return {
        where
        for (where, _, _, right), verdict in zip(samples, verdicts, strict=True)
        if verdict.correct != right
    }


def test_math_samples_against_the_reference_that_the_recorded_grader_used(
    recorded_data: Path, grader: Grader
) -> None:
    disagreements = math_100_disagreements(recorded_data, grader, "gt")
    assert disagreements == {(72, 7)}, THOUSANDS
    assert len(disagreements) <= 0.01 * 800


def test_math_samples_against_the_reference_as_the_dataset_has_it(
    recorded_data: Path, grader: Grader
) -> None:
    assert math_100_disagreements(recorded_data, grader, "answer") == set(MATH_100)


def test_every_math_500_answer_and_solution_verifies(recorded_data: Path, grader: Grader) -> None:
    problems = rows(recorded_data / "math500.jsonl")
    answers = [(boxed(row["answer"]), row["answer"]) for row in problems]
    solutions = [(row["solution"], row["answer"]) for row in problems]
    verdicts = list(grader.grade_many(answers + solutions))
    assert len(verdicts) == 1000
    assert [v for v in verdicts if v.reason != "match"] == []


def test_another_problems_answer_does_not_verify(recorded_data: Path, grader: Grader) -> None:
    answers = [row["answer"] for row in rows(recorded_data / "math500.jsonl")]
    crossed = [
        (gold, other)
        for shift in (1, 7, 100)
        for gold, other in zip(answers, answers[shift:] + answers[:shift], strict=True)
        if gold != other
    ]
    verdicts = list(grader.grade_many((boxed(other), gold) for gold, other in crossed))
    matches = [pair for pair, verdict in zip(crossed, verdicts, strict=True) if verdict.correct]
    assert len(crossed) > 1400
    assert matches == [("5", "x=5")]  # a value, and the same value stated with its name
    assert {verdict.reason for verdict in verdicts} == {"match", "mismatch"}
