"""The grader as a verifier, and the programs that are given it."""

from __future__ import annotations

import pytest

from sal.grading.grader import Grader
from sal.runs.errors import RunError
from sal.runs.graded import Graded
from sal.runs.problems import Question
from sal.runs.registry import LABELLERS, STRATEGIES, find_strategy, summaries


def test_it_knows_every_right_answer(grader: Grader) -> None:
    judge = Graded(Question("q", "1+1?", "2", others=("two",)), grader)
    for answer, right in (("2", 1.0), ("\\text{two}", 1.0), ("3", 0.0)):
        scored = judge.score("1+1?", ["first"], ["then", f"\\boxed{{{answer}}}"])
        assert scored.scores == (right, right)
        assert scored.usage.requests == 0


def test_what_does_not_answer_is_not_right(grader: Grader) -> None:
    judge = Graded(Question("q", "1+1?", "2"), grader)
    assert judge.score("1+1?", [], ["2 and 2 is 4"]).scores == (0.0,)


def test_of_a_multiple_choice_the_letter_or_the_text_is_right(grader: Grader) -> None:
    judge = Graded(Question("q", "?", "B", choices=("red", "blue")), grader)
    assert judge.score("?", [], ["\\boxed{blue}"]).scores == (1.0,)
    assert judge.score("?", [], ["\\boxed{A}"]).scores == (0.0,)


def test_a_labeller_is_found_and_is_no_search_that_a_run_may_name() -> None:
    assert find_strategy("step-rollouts").program.labels
    assert "step-rollouts" not in summaries()
    assert not any(strategy.program.labels for strategy in STRATEGIES.values())
    assert all(strategy.program.labels for strategy in LABELLERS.values())
    assert not any(strategy.program.needs_prm for strategy in LABELLERS.values())
    with pytest.raises(RunError, match="step-nothing"):
        find_strategy("step-nothing")
