"""How long the runs of an experiment may still take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sal.runs.planned_run import PlannedRun
from sal.runs.summary import Summary


def seconds_left(
    owed: Iterable[PlannedRun], runs: Sequence[PlannedRun], summaries: Mapping[Path, Summary]
) -> float | None:
    """From the seconds a completion of each strategy took so far, else of all; None before that.

    Runs without search say nothing: their completions cost less.
    """
    seconds = work = 0.0
    rates: dict[str, float] = {}
    for run in runs:
        summary = summaries.get(run.path)
        if summary is not None and summary.budget > 1:
            rates[summary.strategy] = summary.seconds / run.work
            seconds, work = seconds + summary.seconds, work + run.work
    if not work:
        return None
    return sum(rates.get(r.prepared.recipe.strategy, seconds / work) * r.work for r in owed)
