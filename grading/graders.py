"""The graders that a run can name: `math`, `exact`, or a function of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from sal.grading.exact import ExactGrader
from sal.grading.function_grader import FunctionGrader
from sal.grading.functions import find_function
from sal.grading.grader import Grader
from sal.grading.names import EXACT, MATH, check_name
from sal.grading.pool import GradingPool
from sal.grading.verdict import Verdict


class Judge(Protocol):
    """Says of completions which answers are equal, and which are right."""

    def keys(self, texts: Sequence[str]) -> list[str]:
        """One key per completion: equal answers share it, "" is no answer."""
        ...

    def grade_many(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Verdict]:
        """Verdicts on (completion, gold) pairs in their order."""
        ...


class AnyGrader(Judge, Protocol):
    """A judge of all problems. `note` is what whoever follows should know of failures, or ""."""

    @property
    def note(self) -> str: ...

    def among(self, choices: Sequence[str]) -> Judge:
        """The judge of one problem with these choices."""
        ...

    def close(self) -> None:
        """Stop what was started; a pool that was given is left to its owner."""
        ...


def make_grader(
    name: str, *, workers: int = 1, pool: GradingPool | None = None, flexible: bool = False
) -> AnyGrader:
    """The grader `name`; raises `GraderError` for one that is not there."""
    if name == MATH:
        return Grader(workers, pool=pool, flexible=flexible)
    if name == EXACT:
        return ExactGrader(flexible=flexible)
    check_name(name)
    return FunctionGrader(name, Grader(pool=pool, flexible=flexible), workers=workers)


def grader_digest(name: str) -> str:
    """Of the file in which a user's function stands; "" for a grader of this package.

    Raises `GraderError` for a grader that is not there.
    """
    check_name(name)
    return "" if name in (MATH, EXACT) else find_function(name).digest
