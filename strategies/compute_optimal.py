"""What to spend on which bin of problems: two rules over a table of accuracies and costs.

A row of the table is a bin, a column an action: a strategy with a budget. Snell et al. (arXiv
2408.03314, section 3.1) give every bin the same budget and choose its best action. The Lagrangian
rule (arXiv 2604.14853) moves budget between bins: argmax_a accuracy(a) - rate * cost(a) in each,
with the rate at which the mean cost is the budget.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

Part = tuple[int, float]
"""An action and the share of a bin's problems that it is for."""


SLACK = 1e-9
"""A budget is met to this part of it: sums of costs are not exact."""


@dataclass(frozen=True, slots=True)
class Allotment:
    """`parts[b]` is what the problems of bin b get, `rate` what the last of the budget bought.

    At most one bin has two actions: between them no single action meets the budget. `rate` is in
    accuracy per unit of cost; 0 where the budget buys all that is worth having.
    """

    parts: tuple[tuple[Part, ...], ...]
    rate: float


def best_within(accuracy: Array, cost: Array, budget: float) -> int | None:
    """The most accurate action that costs `budget` at most, of equals the cheapest, or None."""
    able = np.flatnonzero(cost <= budget * (1 + SLACK))
    if not len(able):
        return None
    return int(min(able, key=lambda a: (-accuracy[a], cost[a], a)))


def hull(accuracy: Array, cost: Array) -> list[int]:
    """The actions that are best at some rate, by rising cost: the upper concave hull.

    The first is the cheapest, which is best at a very high rate, the last the most accurate.
    """
    kept: list[int] = []
    for action in sorted(np.flatnonzero(np.isfinite(cost)), key=lambda a: (cost[a], -accuracy[a])):
        if kept and accuracy[action] <= accuracy[kept[-1]]:
            continue
        while len(kept) > 1 and _rate(accuracy, cost, kept[-1], action) >= _rate(
            accuracy, cost, kept[-2], kept[-1]
        ):
            kept.pop()
        kept.append(int(action))
    return kept


def allot(
    accuracy: Array, cost: Array, sizes: Array, budget: float, hulls: Sequence[list[int]]
) -> Allotment | None:
    """The Lagrangian rule for bins that hold `sizes` of all problems, which sum to 1.

    Along `hulls`, those of the bins, the steps to a dearer action are taken in the order of what
    they gain for their cost, which is that of a falling rate, until the mean cost is `budget`. The
    step that would exceed it is taken for a part of its bin. None where the budget is too small for
    the cheapest actions, or a bin has none.
    """
    if not all(hulls):
        return None
    left = budget - sum(float(size) * float(cost[b, h[0]]) for b, (size, h) in _each(sizes, hulls))
    if left < -SLACK * budget:
        return None
    chosen: list[tuple[Part, ...]] = [((h[0], 1.0),) for h in hulls]
    steps = sorted(
        (-_rate(accuracy[b], cost[b], low, high), b, low, high)
        for b, (size, h) in _each(sizes, hulls)
        if size > 0
        for low, high in pairwise(h)
    )
    for falling, b, low, high in steps:
        price = float(sizes[b] * (cost[b, high] - cost[b, low]))
        if price > left + SLACK * budget:
            share = max(left, 0.0) / price
            if share > SLACK:
                chosen[b] = ((low, 1.0 - share), (high, share))
            return Allotment(tuple(chosen), -falling)
        chosen[b] = ((high, 1.0),)
        left -= price
    return Allotment(tuple(chosen), 0.0)


def _each(sizes: Array, hulls: Sequence[list[int]]) -> list[tuple[int, tuple[Any, list[int]]]]:
    return list(enumerate(zip(sizes, hulls, strict=True)))


def _rate(accuracy: Array, cost: Array, low: int, high: int) -> float:
    """Accuracy gained per unit of cost from one action to a dearer one."""
    more = float(cost[high] - cost[low])
    return float(accuracy[high] - accuracy[low]) / more if more > 0 else math.inf
