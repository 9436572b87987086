"""How good a rule of choice is on problems that it was not fitted on.

Half of the problems choose (bins' edges, the actions of each bin, and how to look at a problem),
the other half measures, and the other way round (Snell et al., arXiv 2408.03314, section 3.2: two
folds). How to look is chosen inside the first half, by the same means: its own two halves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sal.strategies.compute_optimal import Allotment, Part, allot, best_within, hull
from sal.strategies.difficulty import ABSOLUTE, quantile_edges

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What each action comes to, under one way to look at a problem.

    A row is a look: `problem[r]` is whose, `ease[r]` what was seen. `right[r, a]` says whether
    action a was right then, `cost[r, a]` what look and action cost in the currency of the budget
    (infinite where a was not tried), `tokens[r, a]` the same in tokens. A problem weighs as much as
    any other, however many looks at it there are.
    """

    problem: Array
    ease: Array
    right: Array
    cost: Array
    tokens: Array

    @cached_property
    def part(self) -> Array:
        """The weight of a row within its problem."""
        counts: Array = np.bincount(self.problem)
        part: Array = 1.0 / counts[self.problem]
        return part


@dataclass(frozen=True, eq=False)
class Table:
    """Means over the problems of each bin: `accuracy[b, a]`, `cost[b, a]`; `sizes` sum to 1."""

    edges: tuple[float, ...]
    sizes: Array
    accuracy: Array
    cost: Array

    @cached_property
    def hulls(self) -> list[list[int]]:
        return [hull(a, c) for a, c in zip(self.accuracy, self.cost, strict=True)]

    def lagrangian(self, budget: float) -> Allotment | None:
        """The budget moved between bins: `compute_optimal.allot`."""
        return allot(self.accuracy, self.cost, self.sizes, budget, self.hulls)

    def snell(self, budget: float) -> Allotment | None:
        """The best action of each bin, none of which costs more than the budget."""
        best = [best_within(a, c, budget) for a, c in zip(self.accuracy, self.cost, strict=True)]
        if any(action is None for action in best):
            return None
        return Allotment(tuple(((a, 1.0),) for a in best if a is not None), 0.0)


Choose = Callable[[Table, float], Allotment | None]
"""`Table.snell` or `Table.lagrangian`."""


@dataclass(frozen=True, slots=True)
class Bins:
    """How problems are parted: into `count` quantiles, or by `ABSOLUTE` edges."""

    count: int = 5
    absolute: bool = False

    def edges(self, values: Array, weights: Array) -> tuple[float, ...]:
        return ABSOLUTE if self.absolute else quantile_edges(values, weights, self.count)


@dataclass(frozen=True, eq=False)
class Got:
    """What a rule came to on some problems: sums over them, of which each has its weight."""

    right: float
    cost: float
    tokens: float
    weight: float

    def __add__(self, other: Got) -> Got:
        return Got(
            self.right + other.right,
            self.cost + other.cost,
            self.tokens + other.tokens,
            self.weight + other.weight,
        )

    @property
    def accuracy(self) -> float:
        return self.right / self.weight


def tabulate(outcomes: Outcomes, weights: Array, bins: Bins) -> Table:
    """The table of the problems that `weights` counts (0: not at all).

    A bin into which none falls has the means over all.
    """
    rows = outcomes.part * weights[outcomes.problem]
    edges = bins.edges(outcomes.ease, rows)
    at = np.searchsorted(edges, outcomes.ease, side="right")
    inside = (at[None, :] == np.arange(len(edges) + 1)[:, None]) * rows[None, :]
    sizes = inside.sum(axis=1)
    inside[sizes == 0] = rows
    share = inside / inside.sum(axis=1, keepdims=True)
    known = np.isfinite(outcomes.cost[0])
    cost = np.full((len(sizes), len(known)), np.inf)
    cost[:, known] = share @ outcomes.cost[:, known]
    return Table(edges, sizes / sizes.sum(), share @ outcomes.right, cost)


def follow(
    outcomes: Outcomes,
    weights: Array,
    edges: Sequence[float],
    parts: Sequence[Sequence[Part]],
) -> Got:
    """What choosing by `parts` comes to; of two actions of a bin each counts by its share."""
    rows = outcomes.part * weights[outcomes.problem]
    at = np.searchsorted(edges, outcomes.ease, side="right")
    right = cost = tokens = 0.0
    for b, chosen in enumerate(parts):
        here = np.flatnonzero((at == b) & (rows > 0))
        for action, share in chosen:
            weight = rows[here] * share
            right += float(weight @ outcomes.right[here, action])
            cost += float(weight @ outcomes.cost[here, action])
            tokens += float(weight @ outcomes.tokens[here, action])
    return Got(right, cost, tokens, float(rows.sum()))


def two_fold(
    outcomes: Outcomes,
    weights: Array,
    fold: Array,
    bins: Bins,
    budgets: Sequence[float],
    choose: Choose,
) -> list[Got | None]:
    """Chosen on one fold (`fold[p]` is 0 or 1), measured on the other, both ways; per budget.

    None where a budget is too small for any choice.
    """
    total: list[Got | None] = [Got(0.0, 0.0, 0.0, 0.0) for _ in budgets]
    for half in (0, 1):
        table = tabulate(outcomes, weights * (fold == half), bins)
        others = weights * (fold != half)
        for i, budget in enumerate(budgets):
            allotted, so_far = choose(table, budget), total[i]
            total[i] = (
                None
                if allotted is None or so_far is None
                else so_far + follow(outcomes, others, table.edges, allotted.parts)
            )
    return total


def best_look(
    looks: Sequence[Outcomes],
    weights: Array,
    folds: Sequence[Array],
    bins: Bins,
    budgets: Sequence[float],
) -> list[int | None]:
    """Per budget the way to look that does best under the Lagrangian rule, by `two_fold`.

    Over several `folds` the mean counts; of equals the first.
    """
    accuracy = np.zeros((len(looks), len(budgets)))
    for fold in folds:
        for i, look in enumerate(looks):
            got = two_fold(look, weights, fold, bins, budgets, Table.lagrangian)
            accuracy[i] += [-np.inf if g is None else g.accuracy for g in got]
    best = accuracy.argmax(axis=0)
    return [int(i) if np.isfinite(accuracy[i, b]) else None for b, i in enumerate(best)]


def two_fold_nested(
    looks: Sequence[Outcomes],
    weights: Array,
    quarter: Array,
    bins: Bins,
    budgets: Sequence[float],
) -> list[Got | None]:
    """`two_fold` of the whole procedure, the choice of a look included; `quarter[p]` is 0 to 3.

    Quarters 0 and 1 are one fold, whose halves they are.
    """
    total: list[Got | None] = [Got(0.0, 0.0, 0.0, 0.0) for _ in budgets]
    for half in (0, 1):
        ours = weights * (quarter // 2 == half)
        others = weights * (quarter // 2 != half)
        chosen = best_look(looks, ours, [quarter % 2], bins, budgets)
        tables = {i: tabulate(looks[i], ours, bins) for i in set(chosen) if i is not None}
        for i, (budget, look) in enumerate(zip(budgets, chosen, strict=True)):
            allotted = None if look is None else tables[look].lagrangian(budget)
            so_far = total[i]
            if look is None or allotted is None or so_far is None:
                total[i] = None
                continue
            edges = tables[look].edges
            total[i] = so_far + follow(looks[look], others, edges, allotted.parts)
    return total


def quarters(problems: int, random: np.random.Generator) -> Array:
    """A random quarter for each problem, all of the same size but for one problem."""
    return random.permutation(np.arange(problems) % 4)
