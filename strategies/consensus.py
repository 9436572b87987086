"""Two opinions on the first wrong step: a label is trusted where they agree.

As for Qwen2.5-Math-PRM (Zhang et al., arXiv 2501.07301, section 3.1), which kept a solution where
the rollouts and an LLM judge name the same first wrong step, or both none. Each of these names a
step by its index; -1 is none.
"""

from __future__ import annotations

from collections.abc import Sequence


def first_below(scores: Sequence[float]) -> int:
    """Index of the first step whose score is below a half, -1 for none."""
    return next((t for t, score in enumerate(scores) if score < 0.5), -1)


def first_bad(labels: Sequence[bool | int | float | None]) -> int | None:
    """Index of the first step whose label is bad, -1 for none, None where a label is missing first.

    Bad are False, a whole number below 0 (PRM800K's -1; its 0 is no error), and a decimal one below
    a half.
    """
    for t, label in enumerate(labels):
        if label is None:
            return None
        if label is False or (label < 0.5 if isinstance(label, float) else label < 0):
            return t
    return -1
