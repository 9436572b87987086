"""A run that differs from a finished one in its aggregate alone, or in nothing, without a request.

Where the completions of a strategy are independent samples, its aggregate decides nothing but what
their votes weigh. Another aggregate is another count of the same votes: `min` costs nothing once
`last` was searched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sal.runs.folder import trace_file
from sal.runs.owed import owed_problems
from sal.runs.planned_run import PlannedRun
from sal.runs.results import ResultRow
from sal.strategies.aggregate import Aggregate, aggregate
from sal.strategies.voting import elect


def families(runs: Sequence[PlannedRun]) -> list[list[PlannedRun]]:
    """`runs` by what they search: those of one list differ in their aggregate at most."""
    found: dict[str, list[PlannedRun]] = {}
    for run in runs:
        found.setdefault(_searched(run), []).append(run)
    return list(found.values())


def _searched(run: PlannedRun) -> str:
    recipe = run.prepared.recipe
    if not run.prepared.strategy.program.independent or not recipe.params.get("aggregate"):
        return recipe.digest
    return replace(recipe, params={**recipe.params, "aggregate": None}).digest


def vote_again(source: PlannedRun, run: PlannedRun) -> bool:
    """Write what `run` would have found, from what `source` has; False where that cannot be.

    It cannot where `source` is not what its own aggregate makes of its scores: another package's
    strategy may weigh its votes in a way of its own. Costs are those of the search, for that is
    what the run costs by itself. Killed, it goes on where it was. Raises `FolderError`, or OSError
    when the folder cannot be written.
    """
    ours, theirs = (r.prepared.recipe for r in (run, source))
    with source.open() as folder:
        records, recorded = folder.journal.records, folder.recorded
    rows = recorded.rows(records)
    differ = ours.digest != theirs.digest
    if differ:
        was = theirs.params["aggregate"]
        if any(_counted(row, was) != row for row in rows.values()):
            return False
    session = next(r for r in reversed(records) if r["type"] == "session")
    with run.open() as folder:
        done = folder.recorded.finished(again=run.retry_failed)
        from_ = os.path.relpath(source.path, run.path)
        folder.journal.append({**session, "before": recorded.seconds(), "votes_of": from_})
        for number, question in owed_problems(run.prepared.problems, done):
            row, record = rows[question.id], records[recorded.last[question.id]]
            if differ:
                row = _counted(row, ours.params["aggregate"])
            trace = trace_file(source.path, number, question.id)
            _share(trace, run.path / "traces" / trace.name)
            folder.journal.append({**record, "at": 0.0, "row": row.as_json()})
    return True


def _counted(row: ResultRow, how: Aggregate) -> ResultRow:
    """`row` by the votes of another aggregate. A truncated completion has no vote."""
    if row.error:
        return row
    weights = [aggregate(c.scores, how) if c.finish == "eot" else None for c in row.completions]
    chosen = elect([c.key for c in row.completions], weights)
    right = [c.verdict == "match" for c in row.completions]
    return replace(
        row,
        completions=tuple(
            replace(c, weight=w if c.scores else None)
            for c, w in zip(row.completions, weights, strict=True)
        ),
        chosen=chosen,
        correct={
            **{rule: i is not None and right[i] for rule, i in chosen.items()},
            "pass": row.correct["pass"],
        },
    )


def _share(trace: Path, path: Path) -> None:
    """The same file under another name where the disk can; it is never written again."""
    if path.exists() or not trace.exists():
        return
    try:
        os.link(trace, path)
    except OSError:
        shutil.copyfile(trace, path)
