"""The comparisons of a sweep: for every pair of models, its methods on the same problems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sal.reports.comparison import Arm, Comparison
from sal.reports.comparison_tables import markdown
from sal.runs.planned_run import PlannedRun
from sal.runs.summary import Summary
from sal.runs.sweep.cells import Cell
from sal.runs.sweep.sweep import served_together

REFERENCES = ("majority", "best-of-n")
"""Strategies against which all others are held."""

BY_OTHER_RULES: dict[str, tuple[str, ...]] = {"best-of-n": ("naive",), "particle": ("weighted",)}
"""By strategy: rules by which the same run is decided too. All else is by the strategy's own."""


@dataclass(frozen=True, slots=True)
class Section:
    """What was compared with one policy and, where a method asks one, one PRM."""

    policy: str
    prm: str | None
    comparison: Comparison

    @property
    def models(self) -> str:
        return self.policy if self.prm is None else f"{self.policy}, judged by {self.prm}"


def sections(
    cells: Sequence[Cell], runs: Sequence[PlannedRun], summaries: Mapping[Path, Summary]
) -> list[Section]:
    """Of all cells whose runs have a summary; methods in the order of the sweep, seeds pooled.

    What asks no PRM stands beside each PRM of its policy.
    """
    order = {method: i for i, method in enumerate(dict.fromkeys(cell.method for cell in cells))}
    strategies = {cell.method: cell.prepared.recipe.strategy for cell in cells}
    done = [(c, r) for c, r in zip(cells, runs, strict=True) if r.path in summaries]
    done.sort(key=lambda pair: (order[pair[0].method], pair[0].prepared.budget))
    seeds: dict[tuple[str, str | None, str, int], list[Arm]] = {}
    for cell, run in done:
        for arm in _arms(cell, run, summaries[run.path]):
            key = (cell.policy, cell.prm, arm.method, arm.budget)
            seeds.setdefault(key, []).append(arm)
    pooled = [(policy, prm, Arm.pooled(of)) for (policy, prm, *_), of in seeds.items()]
    found = []
    for policy, prm in served_together(cells):
        arms = [arm for p, judge, arm in pooled if p == policy and judge in (None, prm)]
        methods = dict.fromkeys(arm.method for arm in arms)
        of = [next((m for m in methods if strategies.get(m) == name), "") for name in REFERENCES]
        found.append(Section(policy, prm, Comparison(arms, [method for method in of if method])))
    return found


def _arms(cell: Cell, run: PlannedRun, summary: Summary) -> Iterator[Arm]:
    rows = list(run.rows())
    yield Arm.of(cell.method, summary.rule, summary, rows)
    for rule in BY_OTHER_RULES.get(summary.strategy, ()):
        yield Arm.of(f"{cell.method}, {rule}", rule, summary, rows)


HOW = (
    "Each answer is the strategy's own choice: by the vote weighted by the PRM's score (so "
    "best-of-n is weighted Best-of-N), for deepconf by the policy's confidence, for majority and "
    "greedy by nothing; particle takes the particle that has the highest score, as its paper does, "
    "and the weighted vote over the same particles has a row of its own; so has the sample of "
    "best-of-n with the highest score (naive). All sample from one tree: the same path has the "
    "same seed, so what one strategy has asked, the next that takes its path is told from memory. "
    "Costs are those of each run by itself, from cold caches, no token of a text being read twice. "
    "± is one standard error over problems; ▲ and ▼ are significant."
)


def page(cells: Sequence[Cell], found: Sequence[Section], time: str) -> str:
    """All tables as Markdown, below a title and what was done; a heading for each pair of models.

    `time` says how long it took, and where.
    """
    problems, recipe = found[0].comparison.problems, cells[0].prepared.recipe
    seeds = sorted({cell.seed for cell in cells})
    sampled = f"seed {seeds[0]}"
    if len(seeds) > 1:
        sampled = f"seeds {', '.join(map(str, seeds))}, each problem the mean over them"
    models = "; ".join(section.models for section in found)
    what = f"{recipe.dataset} ({recipe.split}), {models}, {sampled}. {HOW}"
    parts = [f"# Every strategy on the same {problems} problems", what, time]
    for section in found:
        tables = markdown(section.comparison)
        if len(found) > 1:
            tables = f"## {section.models}\n\n" + re.sub("^##", "###", tables, flags=re.M)
        parts.append(tables)
    return "\n\n".join(parts) + "\n"


def as_json(found: Sequence[Section]) -> dict[str, Any]:
    """As `Comparison.as_json`, with the models of every arm and contrast."""
    content: dict[str, Any] = {
        "problems": found[0].comparison.problems,
        "arms": [],
        "contrasts": [],
    }
    for section in found:
        models = {"policy": section.policy, "prm": section.prm}
        compared = section.comparison.as_json()
        for name in ("arms", "contrasts"):
            content[name] += [{**entry, **models} for entry in compared[name]]
    return content
