"""What grading says about one completion."""

from __future__ import annotations

from dataclasses import dataclass
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
    (None where it came to no comparison).
    """

    correct: bool
    reason: Reason
    answer: str | None
    reference: str | None = None

    def explain(self) -> str:
        """What was compared with what, and how it ended, in one sentence."""
        if self.answer is None:
            return "the completion states no final answer"
        if self.reference is None:
            return f"the completion answers {self.answer!r}, and the reference holds no answer"
        return f"{self.answer!r} against the reference {self.reference!r}: {_ENDINGS[self.reason]}"
