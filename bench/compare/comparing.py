"""What a comparison is of: the runs that are done, and how each decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sal.reports.comparison import Arm, Comparison
from sal.runs.planned_run import PlannedRun
from sal.runs.results import Summary

REFERENCES = ("majority", "best-of-n")

BY_OTHER_RULES: dict[str, dict[str, str]] = {
    "best-of-n": {"best-of-n, naive": "naive"},
    "particle": {"particle, weighted": "weighted"},
}
"""The same run, decided in another way too. All else is by the strategy's own rule."""


def comparison_of(runs: Sequence[PlannedRun], summaries: Mapping[Path, Summary]) -> Comparison:
    """Of everything that is done: strategies in the order in which they were planned."""
    names = list(dict.fromkeys(run.prepared.recipe.strategy for run in runs))

    def order(run: PlannedRun) -> tuple[int, int]:
        return names.index(run.prepared.recipe.strategy), run.prepared.budget

    arms = []
    for run in sorted(runs, key=order):
        summary = summaries.get(run.path)
        if summary is None:
            continue
        rows = list(run.rows())
        arms.append(Arm.of(summary.strategy, summary.rule, summary, rows))
        for method, rule in BY_OTHER_RULES.get(summary.strategy, {}).items():
            arms.append(Arm.of(method, rule, summary, rows))
    present = {arm.method for arm in arms}
    return Comparison(arms, [name for name in REFERENCES if name in present])
