"""What grading says about one completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["match", "mismatch", "guarded", "timeout", "error"]
"""How a comparison of two answers ended."""
Reason = Literal["match", "mismatch", "no_answer", "guarded", "timeout", "error"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`correct` is true for the reason `match` alone.

    mismatch: compared and different. no_answer: the text has no final answer. guarded: refused
    before parsing. timeout: the comparison was stopped. error: the worker failed or died, or the
    reference holds no answer. `answer` is what was extracted.
    """

    correct: bool
    reason: Reason
    answer: str | None
