"""What grading says about one completion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

Outcome = Literal["match", "mismatch", "guarded", "timeout", "error"]
"""How a comparison of two answers ended."""
Reason = Literal["match", "mismatch", "no_answer", "guarded", "timeout", "error"]


_ENDINGS: dict[Reason, str] = {
    "match": "the same answer",
    "mismatch": "different answers",
    "guarded": "not compared, one of them is too large to be parsed safely",
    "timeout": "not decided, comparing them took too long",
    "error": "not decided, the comparison failed",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`correct` is true for the reason `match` alone.

    mismatch: compared and different. no_answer: the text has no final answer. guarded: refused
    before parsing. timeout: the comparison was stopped. error: the worker failed or died, or the
    reference holds no answer. `answer` is what was extracted, `reference` what it was compared with
    (None where it came to no comparison). `fault` says what went wrong inside a grader of the
    user's own.
    """

    correct: bool
    reason: Reason
    answer: str | None
    reference: str | None = None
    fault: str = ""

    def explain(self) -> str:
        """What was compared with what, and how it ended, in one sentence."""
        if self.answer is None:
            return "the completion states no final answer"
        if self.reference is None:
            return f"the completion answers {self.answer!r}, and the reference holds no answer"
        fault = f" ({self.fault})" if self.fault else ""
        ending = f"{_ENDINGS[self.reason]}{fault}"
        return f"{self.answer!r} against the reference {self.reference!r}: {ending}"


def first_correct(verdicts: Iterator[Verdict], count: int) -> Verdict:
    """The next `count` verdicts, on one text, as one: the first that is correct, else the first.

    One for each right answer, of which one is enough.
    """
    seen = list(islice(verdicts, count))
    return next((verdict for verdict in seen if verdict.correct), seen[0])
