"""Runs as points of curves: the seeds of one setting are pooled, its budgets are a line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sal.reports.run_data import CHOSEN, RunData
from sal.runs.results import RULES
from sal.runs.summary import Estimate

GREEDY = "greedy"
NAMED = ("policy", "prm", "data")
"""What the name of a line says where the runs have several."""


@dataclass(frozen=True)
class Point:
    """All runs of one setting, which differ in their seeds alone."""

    runs: tuple[RunData, ...]

    @property
    def budget(self) -> int:
        return self.runs[0].summary.budget

    @property
    def strategy(self) -> str:
        return self.runs[0].recipe.strategy

    @property
    def problems(self) -> int:
        """How many are done, in the run that has most."""
        return max(run.summary.problems for run in self.runs)

    @property
    def partial(self) -> bool:
        """Whether a problem is owed."""
        return any(run.summary.owed for run in self.runs)

    def accuracy(self, rule: str) -> Estimate:
        """Over problems, each the mean over its runs: a seed more is no problem more.

        Of one run all its problems count, of several those that are shown.
        """
        if len(self.runs) == 1 and len(self.runs[0].columns.problems) < self.problems:
            summary = self.runs[0].summary
            return summary.accuracy[summary.rule if rule == CHOSEN else rule]
        return self._pooled([run.columns.right[rule] for run in self.runs])

    def cost(self, axis: str) -> float | None:
        """The mean over runs of a problem's cost; None where one is unknown."""
        costs = [cost for run in self.runs if (cost := run.cost[axis]) is not None]
        return sum(costs) / len(costs) if costs and len(costs) == len(self.runs) else None

    @cached_property
    def samples(self) -> dict[str, dict[int, Estimate]]:
        """By rule and n, what n of the samples come to; empty where they do not tell."""
        if not all(run.samples for run in self.runs):
            return {}
        return {
            rule: {n: self._pooled([run.samples[rule][n] for run in self.runs]) for n in by_n}
            for rule, by_n in self.runs[0].samples.items()
        }

    def _pooled(self, values: Iterable[Sequence[float]]) -> Estimate:
        by_problem: dict[Any, list[float]] = defaultdict(list)
        for run, column in zip(self.runs, values, strict=True):
            for problem, value in zip(run.columns.problems, column, strict=True):
                by_problem[problem].append(float(value))
        return Estimate.of([sum(of) / len(of) for of in by_problem.values()])


@dataclass(frozen=True)
class Series:
    """A line: the points of one setting by their budgets, ascending. `policy` has a short name."""

    name: str
    policy: str
    points: tuple[Point, ...]

    @property
    def strategy(self) -> str:
        return self.points[0].strategy


def series_of(runs: Iterable[RunData]) -> list[Series]:
    """A line for every setting, named by what sets it apart, in the order of the runs.

    A setting that differs between points of one strategy at one budget parts them into lines; one
    that only follows the budget (a width of √N) does not.
    """
    runs = list(runs)
    points: dict[tuple[Any, ...], list[RunData]] = defaultdict(list)
    for run in runs:
        points[_frozen(_setting(run))].append(run)
    by_strategy: dict[str, list[Point]] = defaultdict(list)
    for of in points.values():
        by_strategy[of[0].recipe.strategy].append(Point(tuple(of)))
    names = {key: short_names(_setting(run)[key] for run in runs) for key in NAMED}
    everywhere = [key for key in NAMED if len(names[key]) > 1]
    lines = []
    for strategy, found in by_strategy.items():
        parting = _parting(found)
        named: dict[str, list[Point]] = defaultdict(list)
        for point in found:
            setting = _setting(point.runs[0])
            models = [names[key][setting[key]] for key in everywhere if setting[key] is not None]
            own = [f"{key}={setting.get(key)}" for key in parting if key not in everywhere]
            named[" · ".join([strategy, *models, *own])].append(point)
        lines += [
            Series(
                name,
                names["policy"][line[0].runs[0].policy],
                tuple(sorted(line, key=lambda point: point.budget)),
            )
            for name, line in named.items()
        ]
    return lines


def short_names(names: Iterable[str | None]) -> dict[str, str]:
    """Of each path or model its last part; the whole where another's is the same."""
    lasts = {name: name.rstrip("/").rpartition("/")[2] for name in names if name is not None}
    often = Counter(lasts.values())
    return {name: last if often[last] == 1 else name for name, last in lasts.items()}


def accuracies(point: Point) -> dict[str, Estimate]:
    """By the strategy's own rule and by each of the field's."""
    return {rule: point.accuracy(rule) for rule in (CHOSEN, *RULES)}


def _setting(run: RunData) -> dict[str, Any]:
    """What sets a run apart but its seed and, in the names of lines, its budget."""
    recipe = run.recipe
    keys = {
        key.removeprefix("params."): value
        for key, value in recipe.flat().items()
        if key.partition(".")[0] not in ("policy", "prm", "seed") and key not in _DATA
    }
    limit = "" if recipe.limit is None else f"[:{recipe.limit}]"
    return keys | {
        "policy": run.policy,
        "prm": run.prm,
        "data": f"{recipe.dataset} {recipe.split}{limit}",
        "problems": recipe.problems_digest,
    }


_DATA = frozenset({"dataset", "split", "limit", "problems_digest"})


def _parting(points: Sequence[Point]) -> list[str]:
    """The keys whose values differ among points of one budget."""
    by_budget: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for point in points:
        by_budget[point.budget].append(_setting(point.runs[0]))
    return sorted(
        {
            key
            for settings in by_budget.values()
            for key in set().union(*settings)
            if len({_frozen(setting.get(key)) for setting in settings}) > 1
        }
    )


def _frozen(value: Any) -> Any:
    """Anything of JSON as something that can be a key."""
    if isinstance(value, Mapping):
        return tuple((key, _frozen(item)) for key, item in sorted(value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return value
