"""Is one method better than another on the same problems? Pure functions, no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from sal.runs.results import Estimate


def paired_difference(ours: Sequence[bool], theirs: Sequence[bool]) -> Estimate:
    """The mean of ours - theirs, problem by problem, and its standard error.

    What makes a problem hard is the same for both and drops out. Raises ValueError unless both
    have the same problems, in the same order.
    """
    return Estimate.of([float(a) - float(b) for a, b in zip(ours, theirs, strict=True)])


def mcnemar(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """The exact, two-sided p-value of McNemar's test (1947), by the binomial distribution.

    Only problems that one solved and the other did not say anything: were the methods equally
    good, each of these would be a coin toss. 1 where there is none. Raises ValueError as above.
    """
    from scipy.stats import binomtest  # as late as this: it takes a second

    pairs = list(zip(ours, theirs, strict=True))
    wins = sum(a and not b for a, b in pairs)
    losses = sum(b and not a for a, b in pairs)
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


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
