"""Fitting a rule, and what its file says of where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sal.runs.optimal.costs import Currency
from sal.runs.optimal.curves import CURVES, SPLITS, Point, Ways, measure_curves
from sal.runs.optimal.outcomes import Action, Grid, Look, looks
from sal.runs.optimal.sweep import SAMPLES, NoFit, Sweep, read_sweep
from sal.runs.recipe import installed_versions
from sal.strategies.compute_optimal import Part
from sal.strategies.cross_fit import (
    Bins,
    Outcomes,
    Table,
    best_look,
    quarters,
    tabulate,
)
from sal.strategies.difficulty import ABSOLUTE
from sal.strategies.rule import Choice, Decision, Rule

PROBES = (1, 2, 4, 8)
"""Sizes of a probe among which a fit chooses."""

LEAST = 10
"""Problems of a bin in a quarter: an action's accuracy is known to 16 points then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """What a fit may be told. `budgets` are those of the rule; () takes the sweep's own."""

    budgets: tuple[int, ...] = ()
    probes: tuple[int, ...] = PROBES
    bins: Bins = Bins()
    cost: Currency = "completions"
    resamples: int = 200


@dataclass(frozen=True, eq=False)
class Fitted:
    """The rule, the way to its numbers, and the numbers."""

    rule: Rule
    snell: dict[int, list[Action]]
    """Per budget the best action of each bin by pass@1: Snell et al.'s table, hardest bin first."""
    rates: dict[int, float]
    curves: dict[str, dict[int, Point | None]]
    provenance: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            **self.rule.as_json(),
            "digest": self.rule.digest,
            "rates": {str(n): rate for n, rate in self.rates.items()},
            "table": {
                str(n): [[a.label, a.completions, a.rule] for a in actions]
                for n, actions in self.snell.items()
            },
            "curves": {
                name: {str(n): point and point.as_json() for n, point in points.items()}
                for name, points in self.curves.items()
            },
            "provenance": self.provenance,
        }


def fit(path: Path, settings: FitSettings) -> Fitted:
    """Fit a rule on the runs below `path`; raises `NoFit` or `FolderError`."""
    sweep = read_sweep(path)
    bins = settings.bins
    count = len(ABSOLUTE) + 1 if bins.absolute else bins.count
    if sweep.problems < 4 * LEAST * count:
        raise NoFit(
            f"{path}: {sweep.problems} problems are too few for {count} bins: each wants "
            f"{4 * LEAST}, {LEAST} for each quarter on which something is chosen or measured"
        )
    largest = max(settings.probes, default=0)
    if sweep.samples.n < 2 * largest:
        raise NoFit(
            f"{path}: a probe of {largest} wants a run of {SAMPLES} with at least {2 * largest} "
            f"samples; the largest has {sweep.samples.n}"
        )
    grid = Grid(sweep, settings.cost)
    budgets = settings.budgets or tuple(sorted({arm.n for arm in (*sweep.arms, sweep.samples)}))
    prices = [grid.price(budget) for budget in budgets]
    ways = list(looks(grid, settings.probes))
    known = [outcomes for _, outcomes in ways]
    rule, rates = _rule(grid, ways, bins, budgets, prices)
    curves = measure_curves(
        Ways(grid.blind, grid.oracle, grid.predicted, known), bins, prices, settings.resamples
    )
    by_budget = {name: dict(zip(budgets, points, strict=True)) for name, points in curves.items()}
    table = tabulate(grid.oracle, np.ones(sweep.problems), bins)
    return Fitted(
        rule,
        {n: _cells(grid, table, price) for n, price in zip(budgets, prices, strict=True)},
        rates,
        by_budget,
        _provenance(sweep, settings, table, dict(zip(budgets, prices, strict=True))),
    )


def _rule(
    grid: Grid,
    ways: Sequence[tuple[Look, Outcomes]],
    bins: Bins,
    budgets: Sequence[int],
    prices: Sequence[float],
) -> tuple[Rule, dict[int, float]]:
    """On all problems: per budget the look that does best across two halves, then its table."""
    ones = np.ones(grid.sweep.problems)
    random = np.random.default_rng(0)
    folds = [quarters(len(ones), random) // 2 for _ in range(SPLITS)]
    chosen = best_look([o for _, o in ways], ones, folds, bins, prices)
    decisions: dict[int, Decision] = {}
    rates: dict[int, float] = {}
    for budget, price, at in zip(budgets, prices, chosen, strict=True):
        if at is None:
            raise NoFit(f"no search of the sweep costs as little as N = {budget} on average")
        look, outcomes = ways[at]
        table = tabulate(outcomes, ones, bins if look.probe else Bins(1))
        allotted = table.lagrangian(price)
        if allotted is None:
            raise NoFit(f"no search of the sweep costs as little as N = {budget} on average")
        choices = tuple(_choices(grid.actions, parts) for parts in allotted.parts)
        decisions[budget] = Decision(look.probe, look.measure, table.edges, choices)
        rates[budget] = allotted.rate
    used = {c.name for d in decisions.values() for parts in d.choices for c in parts}
    arms = {a.label: (a.strategy, a.params) for a in (*grid.sweep.arms, grid.sweep.samples)}
    arms[SAMPLES] = (SAMPLES, grid.sweep.samples.params)
    strategies = {label: arms[label] for label in sorted(used)}
    return Rule(grid.sweep.samples.params, strategies, decisions), rates


def _choices(actions: Sequence[Action], parts: Sequence[Part]) -> tuple[Choice, ...]:
    return tuple(
        Choice(actions[a].label, actions[a].completions, actions[a].rule, round(share, 6))
        for a, share in parts
    )


def _cells(grid: Grid, table: Table, price: float) -> list[Action]:
    allotted = table.snell(price)
    return [] if allotted is None else [grid.actions[parts[0][0]] for parts in allotted.parts]


def _provenance(
    sweep: Sweep, settings: FitSettings, table: Table, prices: dict[int, float]
) -> dict[str, Any]:
    recipe = sweep.samples.run.recipe
    return {
        "policy": recipe.policy,
        "prm": recipe.prm,
        "dataset": recipe.dataset,
        "split": recipe.split,
        "problems": sweep.problems,
        "problems_digest": recipe.problems_digest,
        "seed": recipe.seed,
        "samples": sweep.samples.n,
        "probes": list(settings.probes),
        "bins": "absolute" if settings.bins.absolute else settings.bins.count,
        "pass@1 edges": list(table.edges),
        "cost": settings.cost,
        "prices": {str(n): price for n, price in prices.items()},
        "resamples": settings.resamples,
        "recipes": {f"{a.label} {a.n}": a.run.recipe.digest for a in (sweep.samples, *sweep.arms)},
        "passed over": list(sweep.passed_over),
        "versions": installed_versions(),
        "curves": CURVES,
    }
