"""Accuracy against the budget, each way to choose, with intervals.

Intervals are 95 % by the bootstrap: problems are drawn anew, with all that was found on them, and
the whole procedure (halves, bins, choice of a look, table, measure) is done again on the draw. A
problem that is drawn twice is in one half both times. Given is the estimate on the problems
themselves +- 1.96 standard deviations of those on the draws, within [0, 1]: a draw holds fewer
different problems to learn from, so that its own mean is too low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sal.strategies.compute_optimal import SLACK
from sal.strategies.cross_fit import (
    Bins,
    Got,
    Outcomes,
    Table,
    quarters,
    two_fold,
    two_fold_nested,
)

Array = np.ndarray[Any, np.dtype[Any]]

SPLITS = 5
"""The halves of an estimate are drawn so often, and the results averaged; once for a bootstrap."""

CURVES = {
    "fixed": "the best single strategy at N",
    "oracle": "the best per bin by pass@1, N for each bin (not paid for)",
    "predicted": "the best per bin by the mean score, N for each bin (not paid for)",
    "oracle, moved": "as oracle, the budget moved between bins",
    "predicted, moved": "as predicted, the budget moved between bins",
    "auto": "the best per bin by a probe that is paid for, the budget moved between bins",
    "bound": "the best within N for each problem, known afterwards",
    "gain": "auto less fixed",
}


@dataclass(frozen=True, slots=True)
class Point:
    """Accuracy with its interval, and the mean costs: in the currency of the budget, and tokens."""

    accuracy: float
    low: float
    high: float
    cost: float
    tokens: float

    def as_json(self) -> dict[str, float | None]:
        return {name: _rounded(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, eq=False)
class Ways:
    """What curves are made of: the outcomes under each way to look."""

    blind: Outcomes
    oracle: Outcomes
    predicted: Outcomes
    looks: Sequence[Outcomes]
    """All among which auto may choose."""


def measure_curves(
    ways: Ways, bins: Bins, budgets: Sequence[float], resamples: int, seed: int = 0
) -> dict[str, list[Point | None]]:
    """Each of `CURVES`, a point for each budget; None where it is too small."""
    random = np.random.default_rng(seed)
    problems = len(ways.blind.problem)
    ones = np.ones(problems)
    found = [_all(ways, ones, bins, budgets, random) for _ in range(SPLITS)]
    drawn = [
        _all(ways, random.multinomial(problems, ones / problems) * 1.0, bins, budgets, random)
        for _ in range(resamples)
    ]
    means = _mean(found)
    spread = np.nanstd(np.array(drawn)[..., 0], axis=0, ddof=1) if resamples > 1 else None
    points: dict[str, list[Point | None]] = {}
    for c, name in enumerate(CURVES):
        least, most = (-1.0, 1.0) if name == "gain" else (0.0, 1.0)
        points[name] = []
        for b in range(len(budgets)):
            accuracy, cost, tokens = map(float, means[c, b])
            off = 1.96 * float(spread[c, b]) if spread is not None else float("nan")
            low, high = max(accuracy - off, least), min(accuracy + off, most)
            known = not np.isnan(accuracy)
            points[name].append(Point(accuracy, low, high, cost, tokens) if known else None)
    return points


def _all(
    ways: Ways, weights: Array, bins: Bins, budgets: Sequence[float], random: np.random.Generator
) -> Array:
    """Of each curve at each budget: accuracy, cost, tokens."""
    quarter = quarters(len(weights), random)
    half = quarter // 2
    got = [
        two_fold(ways.blind, weights, half, bins, budgets, Table.snell),
        two_fold(ways.oracle, weights, half, bins, budgets, Table.snell),
        two_fold(ways.predicted, weights, half, bins, budgets, Table.snell),
        two_fold(ways.oracle, weights, half, bins, budgets, Table.lagrangian),
        two_fold(ways.predicted, weights, half, bins, budgets, Table.lagrangian),
        two_fold_nested(ways.looks, weights, quarter, bins, budgets),
        [_bound(ways.blind, weights, budget) for budget in budgets],
    ]
    table = np.array([[_numbers(one) for one in line] for line in got])
    names = list(CURVES)
    gain = table[names.index("auto")] - table[names.index("fixed")]
    return np.concatenate([table, gain[None]])


def _bound(outcomes: Outcomes, weights: Array, budget: float) -> Got | None:
    """The cheapest right action within the budget, problem by problem, else the cheapest."""
    able = np.where(outcomes.cost <= budget * (1 + SLACK), outcomes.cost, np.inf)
    if not np.isfinite(able).any(axis=1).all():
        return None
    right = np.where(outcomes.right > 0, able, np.inf)
    any_right = np.isfinite(right).any(axis=1)
    best = np.where(any_right, right.argmin(axis=1), able.argmin(axis=1))
    rows = np.arange(len(best))
    return Got(
        float(weights @ any_right),
        float(weights @ outcomes.cost[rows, best]),
        float(weights @ outcomes.tokens[rows, best]),
        float(weights.sum()),
    )


def _numbers(got: Got | None) -> tuple[float, float, float]:
    if got is None:
        return (np.nan, np.nan, np.nan)
    return (got.accuracy, got.cost / got.weight, got.tokens / got.weight)


def _mean(found: Sequence[Array]) -> Array:
    """NaN where a split has none."""
    mean: Array = np.mean(np.array(found), axis=0)
    return mean


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.6g}")
