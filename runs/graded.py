"""The grader as a verifier, for programs that label: it knows the right answers."""

from __future__ import annotations

from collections.abc import Sequence

from sal.grading.graders import AnyGrader
from sal.grading.verdict import first_correct
from sal.programs.problem import SEPARATOR
from sal.runs.judging import judge_of
from sal.runs.problems import Question
from sal.verifiers.interface import Scored


class Graded:
    """A `Verifier` of one question's solutions: 1 for the right answer, 0 for any other or none."""

    outcome = True
    aggregate = "last"

    def __init__(self, question: Question, grader: AnyGrader) -> None:
        self._answers = question.answers
        self._judge = judge_of(question, grader)

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:  # noqa: ARG002
        """See `Verifier`; what was asked of the grader costs no endpoint anything."""
        text = SEPARATOR.join((*prefix, *steps))
        graded = self._judge.grade_many((text, answer) for answer in self._answers)
        right = first_correct(graded, len(self._answers)).correct
        return Scored((float(right),) * len(steps))
