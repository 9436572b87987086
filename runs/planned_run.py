"""A run and the folder that it lives in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sal.runs.cluster.gather import gather_rest
from sal.runs.execute import finished
from sal.runs.folder import RunFolder
from sal.runs.results import ResultRow
from sal.runs.settings import Prepared
from sal.runs.summary import Summary


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that could start in `path`. With `resume`, one that is there already goes on.

    With `retry_failed`, problems that failed in it are searched again. `title` is what a display
    calls it, where strategy and N do not tell it from others. A `part` of a run has no problems of
    its own: it is handed them while it is searched.
    """

    prepared: Prepared
    path: Path
    resume: bool = True
    retry_failed: bool = False
    title: str = ""
    part: bool = False

    @property
    def name(self) -> str:
        return self.title or f"{self.prepared.recipe.strategy}, N = {self.prepared.budget}"

    @property
    def work(self) -> int:
        """Completions that it may sample."""
        return self.prepared.budget * len(self.prepared.problems.questions)

    def open(self) -> RunFolder:
        """Its folder, for writing, with what workers left there; raises `FolderError`, for a part
        also where the run that it is a part of has ended."""
        folder = RunFolder(
            self.path, self.prepared.recipe, resume=self.resume, parents=not self.part
        )
        try:
            gather_rest(folder)
        except BaseException:
            folder.journal.close()
            raise
        return folder

    def look(self) -> tuple[Summary | None, list[int]]:
        """Its summary if nothing is owed, and the damaged lines of its journal.

        Reads the journal, and makes the folder.
        """
        if self.part:
            return None, []
        with self.open() as folder:
            summary = finished(self.prepared, folder, retry_failed=self.retry_failed)
            return summary, folder.journal.damaged

    def rows(self) -> Iterator[ResultRow]:
        """Its results, once there are some."""
        with open(self.path / "results.jsonl", encoding="utf-8") as lines:
            for line in lines:
                yield ResultRow.from_json(json.loads(line))
