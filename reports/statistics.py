"""Is one method better than another on the same problems? Pure functions, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

from sal.runs.summary import Estimate


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """The mean of ours - theirs, problem by problem, and its standard error.

    What makes a problem hard is the same for both and drops out. Raises ValueError unless both
    have the same problems, in the same order.
    """
    return Estimate.of([float(a) - float(b) for a, b in zip(ours, theirs, strict=True)])


def mcnemar(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The exact, two-sided p-value of McNemar's test (1947).

    Only problems that one solved and the other did not say anything: were the methods equally
    good, each of these would be a coin toss. A value may be a mean over a few searches: then each
    difference is as likely to have the other sign (the sign-flip test, of which McNemar's is the
    case of one search). 1 where there is none. Raises ValueError as above.
    """
    pairs = zip(ours, theirs, strict=True)
    found = [Fraction(float(a) - float(b)).limit_denominator(1000) for a, b in pairs]
    unit = lcm(*(difference.denominator for difference in found))
    steps = [int(difference * unit) for difference in found if difference]
    chances = np.ones(1)  # of the sums of what was tossed so far, from the least to the largest
    for step in map(abs, steps):
        tossed = np.zeros(len(chances) + 2 * step)
        tossed[: len(chances)] += chances / 2
        tossed[2 * step :] += chances / 2
        chances = tossed
    middle = len(chances) // 2
    far = np.abs(np.arange(len(chances)) - middle) >= abs(sum(steps))
    return min(1.0, float(chances[far].sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being many (Holm, 1979), in the order given.

    Taking those below 0.05 as significant errs in any of them with a chance of at most 5 %.
    """
    adjusted = [1.0] * len(p_values)
    least = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = min(1.0, max(least, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = least
    return adjusted


def frontier(costs: Sequence[float], values: Sequence[float]) -> list[bool]:
    """Which points no other beats: as cheap and better, or as good and cheaper (Pareto)."""
    points = list(zip(costs, values, strict=True))
    return [
        not any(c <= cost and v >= value and (c, v) != (cost, value) for c, v in points)
        for cost, value in points
    ]
