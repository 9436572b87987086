"""Runs that are there, read without being opened: also one that another process is writing.

What a reader of results starts from: `sal status`, reports, the compute-optimal fit, exports. A
sweep is a folder with runs in it, at any depth.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from sal.runs.errors import FolderError
from sal.runs.folder import readable
from sal.runs.held import IN_MEMORY
from sal.runs.journal import Records, each_record
from sal.runs.node_records import node_json
from sal.runs.nodes import nodes_in_flight
from sal.runs.recipe import Recipe, read_recipe
from sal.runs.recorded import Recorded
from sal.runs.results import ResultRow
from sal.runs.summary import Summary, summarise
from sal.runtime.model_cost import ModelCost


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run as its folder tells it now.

    `rows` are its finished problems in the order of the data set (of a large run they stay on disk,
    and each is read when it is asked for), `problems` all that it has to
    search (None where an older version did not record it), `seconds` its searching time so far.
    `models` are what its models compute, by endpoint.
    """

    path: Path
    recipe: Recipe
    rows: Sequence[ResultRow]
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
    records, recorded = Records(path / "journal.jsonl"), Recorded()
    numbers = array("q")  # of the problems, in the data set
    try:
        for start, size, record in each_record(path / "journal.jsonl"):
            if recorded.take(record):
                records.add(start, size)
                numbers.append(record.get("number", 0))
    except OSError as error:
        raise FolderError(f"{error.filename}: {error.strerror}") from error
    places = sorted(recorded.last.values(), key=numbers.__getitem__)
    rows: Sequence[ResultRow] = RowsOnDisk(records, places)
    if len(rows) <= IN_MEMORY:
        rows = tuple(rows)
    return FoundRun(path, recipe, rows, recorded.problems, recorded.seconds(), recorded.models)


class RowsOnDisk(Sequence[ResultRow]):
    """Rows in the `places` of a journal's records, each read when it is asked for."""

    def __init__(self, records: Records, places: Iterable[int]) -> None:
        self._records = records
        self._places = array("q", places)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, item: int) -> ResultRow: ...
    @overload
    def __getitem__(self, item: slice) -> RowsOnDisk: ...
    def __getitem__(self, item: int | slice) -> ResultRow | RowsOnDisk:
        if isinstance(item, slice):
            return RowsOnDisk(self._records, self._places[item])
        return ResultRow.from_json(self._records[self._places[item]]["row"])


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
