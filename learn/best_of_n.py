"""Best-of-N by another PRM, over the samples of a run that is there: nothing is sampled again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sal.learn.bench_folder import BenchFolder
from sal.learn.bench_prm import BenchSettings
from sal.learn.errors import LabelError
from sal.learn.rows import StepLabels
from sal.runs.at_n import sizes_up_to, values_at
from sal.runs.found import FoundRun, read_run
from sal.runs.journal import Record
from sal.runs.registry import find_strategy
from sal.runs.results import CompletionRow, ResultRow
from sal.runs.summary import Estimate
from sal.strategies.aggregate import Aggregate, aggregate

RULES = ("majority", "weighted", "naive", "pass")


def best_of_n(
    settings: BenchSettings,
    samples: Path,
    out: Path,
    how: Aggregate | None = None,
    **follow: Any,
) -> dict[str, Any] | None:
    """What votes and the best score come to at n <= N; None where solutions are still owed.

    `samples` is the folder of a run whose completions are independent. `how` reduces step scores,
    by default as the PRM's authors do. `follow` and what is raised are those of `BenchFolder.fill`;
    `LabelError` for a run of another kind.
    """
    run = read_run(samples)
    if not find_strategy(run.recipe.strategy).program.independent:
        raise LabelError(
            f"{samples}: {run.recipe.strategy} went by a PRM as it wrote, so that another one's "
            "choice among its completions says nothing: name a run of best-of-n"
        )
    with BenchFolder(out, settings, solutions(run)) as folder:
        if not folder.fill(**follow):
            return None
        chosen: Any = how or folder.aggregate
        rows = [rescored(row, folder.known, chosen) for row in run.rows]
        told = {"aggregate": chosen, **at_n(rows, run.budget)}
        folder.write(told)
        return told


def solutions(run: FoundRun) -> list[StepLabels]:
    """The completions that ended, as solutions to be scored."""
    return [
        StepLabels(id=_name(row, i), question=row.question, steps=c.steps)
        for row in run.rows
        for i, c in enumerate(row.completions)
        if _counts(c)
    ]


def rescored(row: ResultRow, known: Mapping[str, Record], how: Aggregate) -> ResultRow:
    """A problem whose completions weigh what the scores make of them; those without, nothing."""
    completions = []
    for i, completion in enumerate(row.completions):
        scores = known[_name(row, i)]["scores"] if _counts(completion) else None
        weight = None if scores is None else aggregate(scores, how)
        completions.append(replace(completion, scores=tuple(scores or ()), weight=weight))
    return replace(row, completions=tuple(completions))


def at_n(rows: Sequence[ResultRow], budget: int) -> dict[str, Any]:
    """Accuracies at 1, 2, 4, ... N by rule, and what each gains on the majority at N.

    Means over problems and their standard errors; the gain's is that of paired differences.
    """
    sizes = sizes_up_to(budget)
    values = values_at(rows, budget, sizes)
    majority = values["majority"][budget]
    return {
        "problems": len(rows),
        "accuracy": {
            rule: {str(n): Estimate.of(values[rule][n]).as_json() for n in sizes} for rule in RULES
        },
        "gain": {
            rule: Estimate.of(
                [a - b for a, b in zip(values[rule][budget], majority, strict=True)]
            ).as_json()
            for rule in ("weighted", "naive")
        },
    }


def _counts(completion: CompletionRow) -> bool:
    """Whether it is a solution: it ended, and has steps that say something."""
    return (
        completion.finish == "eot"
        and bool(completion.steps)
        and all(step.strip() for step in completion.steps)
    )


def _name(row: ResultRow, i: int) -> str:
    return f"{row.id}/{i}"
