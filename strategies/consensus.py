"""Two opinions on the first wrong step: a label is trusted where they agree.

As for Qwen2.5-Math-PRM (Zhang et al., arXiv 2501.07301, section 3.1), which kept a solution where
the rollouts and an LLM judge name the same first wrong step, or both none.
"""

from __future__ import annotations

from collections.abc import Sequence

from sal.strategies.rollouts import first_error


def first_below(scores: Sequence[float], threshold: float = 0.5) -> int:
    """Index of the first step whose score is below the threshold, -1 for none."""
    return next((t for t, score in enumerate(scores) if score < threshold), -1)


def agree(right: Sequence[int], rollouts: Sequence[int], judged: Sequence[float]) -> bool:
    """Whether the counts and the judge name the same first wrong step.

    Not where the counts do not tell.
    """
    return first_error(right, rollouts) == first_below(judged)
