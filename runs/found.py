"""Runs that are there, read without being opened: also one that another process is writing.

What a reader of results starts from: `sal status`, reports, the compute-optimal fit, exports. A
sweep is a folder with runs in it, at any depth.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sal.runs.errors import FolderError
from sal.runs.folder import readable
from sal.runs.journal import Record, read_records
from sal.runs.node_records import node_json
from sal.runs.nodes import nodes_in_flight
from sal.runs.recipe import Recipe, read_recipe
from sal.runs.recorded import is_usable, recorded_models, seconds_spent
from sal.runs.results import ResultRow, Summary, summarise
from sal.runtime.model_cost import ModelCost


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run as its folder tells it now.

    `rows` are its finished problems in the order of the data set, `problems` all that it has to
    search (None where an older version did not record it), `seconds` its searching time so far.
    `models` are what its models compute, by endpoint.
    """

    path: Path
    recipe: Recipe
    rows: tuple[ResultRow, ...]
    problems: int | None
    seconds: float
    models: dict[str, ModelCost | None]

    @property
    def owed(self) -> int:
        """Problems that are not finished; 0 where it is unknown how many there are."""
        return 0 if self.problems is None else max(self.problems - len(self.rows), 0)

    @property
    def budget(self) -> int:
        """N; 1 for a strategy without search."""
        return int(self.recipe.params.get("budget", 1))

    def summary(self) -> Summary:
        """What the rows come to, without the numbers at n < N."""
        return summarise(
            self.rows,
            strategy=self.recipe.strategy,
            budget=self.budget,
            owed=self.owed,
            seconds=self.seconds,
            versions=self.recipe.versions,
            recipe=self.recipe.digest,
            models=self.models,
        )


def read_run(path: Path) -> FoundRun:
    """The run in the folder `path`; raises `FolderError` where there is none."""
    if not (path / "recipe.yaml").is_file():
        raise FolderError(f"{path}: holds no run")
    recipe = read_recipe(path / "recipe.yaml")
    try:
        records = [r for r in read_records(path / "journal.jsonl") if is_usable(r)]
    except OSError as error:
        raise FolderError(f"{error.filename}: {error.strerror}") from error
    models: dict[str, ModelCost | None] = {}
    problems: int | None = None
    for record in records:
        models.update(recorded_models(record))
        problems = record.get("problems", problems)
    return FoundRun(path, recipe, _rows(records), problems, seconds_spent(records), models)


def find_runs(path: Path) -> list[FoundRun]:
    """The run in `path`, or all runs below it, by their paths; raises `FolderError` for none."""
    return [read_run(folder) for folder in run_folders(path)]


def run_folders(path: Path) -> list[Path]:
    """The folder of the run in `path`, or of all below it, by their paths; hidden ones are not.

    Inside a run none is looked for: its traces are many. Raises `FolderError` where there is none.
    """
    if not path.is_dir():
        raise FolderError(f"{path}: no such folder")
    found = []
    for folder, names, files in os.walk(path):
        if "recipe.yaml" in files:
            found.append(Path(folder))
            names.clear()
        names[:] = [name for name in names if not name.startswith(".")]
    if not found:
        raise FolderError(f"{path}: holds no run")
    return sorted(found)


def read_trace(run: Path, problem_id: str) -> dict[str, Any] | None:
    """What the search of a problem left in the run's folder; None where there is nothing whole."""
    for path in sorted((run / "traces").glob(f"*-{readable(problem_id)}.json")):
        try:
            trace = json.loads(path.read_bytes())
        except (OSError, ValueError):  # it is being replaced, or the disk lost it
            continue
        if isinstance(trace, dict) and trace.get("id") == problem_id:
            return trace
    return None


def traces_in_flight(run: Path, done: Collection[str]) -> dict[str, dict[str, Any]]:
    """The nodes so far of problems that are begun and not `done`, by id, each as a trace has it."""
    return {
        problem_id: {"id": problem_id, "nodes": [node_json(node) for node in nodes]}
        for problem_id, nodes in nodes_in_flight(run, done).items()
    }


def _rows(records: list[Record]) -> tuple[ResultRow, ...]:
    """Of a problem that was searched again the last; in the order of the data set."""
    last = {r["row"]["id"]: r for r in records if r["type"] == "problem"}
    ordered = sorted(last.values(), key=lambda r: r.get("number", 0))
    return tuple(ResultRow.from_json(r["row"]) for r in ordered)
