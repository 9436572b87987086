"""Labelling steps by rollouts: how many, behind which prefix next, and what their counts say.

A prefix is named by the index of its last step. It can be finished where a rollout from it came to
the right answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

HARD, EASY = 0.1, 0.9
"""Below and above which pass@1 a problem gets more rollouts, and fewer (GenPRM)."""


def rollouts_for(pass_at_1: float, least: int) -> int:
    """Rollouts for each step of a problem's solutions: 4, 2 or 1 times `least`.

    With `least` = 32 they are those of GenPRM (arXiv 2504.00891): 128 where the policy is right
    less than one time in ten, 64 below nine in ten, else 32.
    """
    return least * (4 if pass_at_1 < HARD else 2 if pass_at_1 < EASY else 1)


def is_instructive(right: Iterable[bool]) -> bool:
    """Whether some solutions of a problem are right and some wrong: only then do labels differ."""
    return len(set(right)) == 2


def next_prefix(known: Mapping[int, bool], steps: int) -> int | None:
    """The prefix of a wrong solution to try next, by binary search (OmegaPRM, arXiv 2406.06592).

    `known` says of tried prefixes whether they can be finished. It is assumed that none can be
    behind one that cannot: so log2(`steps`) prefixes tell the first wrong step. None when they do.
    """
    high = min((t for t, good in known.items() if not good), default=steps - 1)
    low = max((t for t, good in known.items() if good and t < high), default=-1)
    return None if high - low <= 1 else (low + high) // 2


def first_error(right: Sequence[int], rollouts: Sequence[int]) -> int | None:
    """The first step behind which no rollout was right: `right[t]` of `rollouts[t]` were.

    A prefix that can be finished has no error in it, whatever the counts before its end. -1 where
    that is the whole solution; None where the step behind the last such prefix has no rollouts.
    """
    good = max((t for t, k in enumerate(right) if k), default=-1)
    if good == len(right) - 1:
        return -1
    return good + 1 if rollouts[good + 1] else None
