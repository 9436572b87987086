"""Answers made to hang, to crash or to run code: each gets a verdict that says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sal.grading.grader import Grader
from sal.grading.pool import GradingPool

GUARDED = {
    "tower": "9^{9^{9^9}}",
    "tower without braces": "2^3^4",
    "huge exponent": "10^{1000000}",
    "huge factorial": "1000000!",
    "factorial of a factorial": "9!!!",
    "long sum": r"\sum_{n=1}^{1000000000} \frac{1}{n^2}",
    "deep fractions": r"\frac{1}{" * 60 + "1" + "}" * 60,
    "deep roots": r"\sqrt{" * 60 + "2" + "}" * 60,
    "parentheses": "(" * 200 + "1" + ")" * 200,
    "digits": "1" * 400,
    "letters": "x" * 600,
    "list": ",".join(map(str, range(300))),
}
STOPPED = {
    "expansion": "(x+1)^{1000}",
    "gamma": r"\Gamma(10^6)",
    "sum": r"\sum_{n=1}^{10000} \frac{1}{n^2}",
    "sines": r"\sin(" * 30 + "1" + ")" * 30,
}
NOT_RUN = {
    "import": "__import__('os').system('touch {mark}')",
    "attributes": "().__class__.__bases__[0].__subclasses__()",
    "no number": r"\frac{1}{0}",
    "zero byte": "5\x006",
    "half an emoji": "5\ud83d",
    "pieces of markup": r"\frac\text{\begin{cases}&&\\_{^",
    "braces": r"\{" * 30,
    "bars": "|" * 200,
    "spaces": r"5\," * 100 + "6",
}
UNEQUAL = ("mismatch", "no_answer", "timeout")


@pytest.fixture(scope="module")
def impatient() -> Iterator[Grader]:
    """Stops a comparison after 0.5 s of CPU time."""
    with Grader(pool=GradingPool(soft_seconds=0.5, hard_seconds=60)) as grader:
        yield grader


@pytest.mark.parametrize("answer", GUARDED.values(), ids=list(GUARDED))
def test_refused_before_parsing(answer: str) -> None:
    with Grader() as grader:
        grader.close()  # what needs a worker would fail
        verdicts = grader.grade(rf"\boxed{{{answer}}}", "5"), grader.equal(answer, r"\sqrt2")
        assert [verdict.reason for verdict in verdicts] == ["guarded"] * 2
        assert grader.equal(answer, answer).reason == "match"
        assert grader.cluster([answer, "5", answer])[::2] == [grader.cluster([answer])[0]] * 2


@pytest.mark.parametrize("answer", STOPPED.values(), ids=list(STOPPED))
def test_stopped_while_comparing(impatient: Grader, answer: str) -> None:
    assert impatient.grade(rf"\boxed{{{answer}}}", "5").reason == "timeout"
    assert impatient.equal("x+1", "1+x").reason == "match"


@pytest.mark.parametrize("answer", NOT_RUN.values(), ids=list(NOT_RUN))
def test_never_executed_never_equal_never_an_error(
    impatient: Grader, answer: str, tmp_path: Path
) -> None:
    mark = tmp_path / "executed"
    answer = answer.replace("{mark}", str(mark))
    for gold in ("5", r"\sqrt2", "x=5"):
        assert impatient.grade(rf"\boxed{{{answer}}}", gold).reason in UNEQUAL
        assert impatient.equal(answer, gold).reason in UNEQUAL
    assert not mark.exists()


@pytest.mark.parametrize("unit", ["x", "{", r"\frac", "9^", "1,", r"\text{", "~", "½", "[("])
def test_enormous_texts(impatient: Grader, unit: str) -> None:
    text = unit * (200_000 // len(unit))
    assert impatient.grade(text, "5").reason in ("no_answer", "guarded")
    assert impatient.grade(rf"\boxed{{{text}}}", "5").reason in ("no_answer", "guarded")
    assert impatient.equal("5", text).reason == "guarded"
    assert impatient.grade(r"\boxed{5}", text).reason == "guarded"


def test_a_long_row_of_capitals_is_compared_at_once(impatient: Grader) -> None:
    """Read as a name, it once had exponentially many ways to be one."""
    assert impatient.equal("x=" + "A" * 100 + "@", "5").reason == "mismatch"


def test_the_tower_that_answers_do_contain(grader: Grader) -> None:
    assert grader.equal("e^{-x^2}", r"\frac{1}{e^{x^2}}").reason == "match"
