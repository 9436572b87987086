"""What workers have recorded, brought into the run's own folder, while they work or afterwards.

Each worker has a folder of its own in `workers/` of the run's, with a journal and traces. A record
is copied when it is whole. What was copied is not copied again, so that this can end at any moment
and go on: the run's own journal alone says what is finished.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from sal.runs.encoding import json_bytes
from sal.runs.folder import RunFolder, trace_file
from sal.runs.journal import Record, each_record
from sal.runs.recorded import is_usable, recorded_models
from sal.runs.results import ResultRow
from sal.runtime.model_cost import ModelCost

WORKERS = "workers"


class Gatherer:
    """Reads on, each time, where it ended the last time.

    What could not be written raises OSError then and each time afterwards: the workers' folders
    stay, and the next session finds in them what the run's own journal lacks.

    `begun` is told once, before any row: what the models compute of the first worker that begins.
    """

    def __init__(
        self, folder: RunFolder, begun: Callable[[dict[str, ModelCost | None]], object]
    ) -> None:
        self._begun: Callable[[dict[str, ModelCost | None]], object] | None = begun
        self._folder = folder
        self._ends: dict[Path, int] = {}
        self._failed: OSError | None = None

    def begin(self) -> None:
        """Have workers begin: they make folders of their own where this made one for them."""
        (self._folder.path / WORKERS).mkdir(exist_ok=True)

    def gather(self) -> list[tuple[int, ResultRow]]:
        """Copy what is new; returns the rows with their problems' numbers. Raises OSError."""
        if self._failed is not None:
            raise self._failed
        try:
            return self._copied()
        except OSError as error:
            self._failed = error
            raise

    def _copied(self) -> list[tuple[int, ResultRow]]:
        found = []
        for worker in sorted((self._folder.path / WORKERS).glob("*/")):
            for record in self._new(worker):
                row = ResultRow.from_json(record["row"])
                if self._is_known(record, row.id):
                    continue
                _share_trace(worker, self._folder.path, record["number"], row.id)
                self._folder.journal.append(record, sync=False)
                self._folder.recorded.take(record)
                found.append((record["number"], row))
        if found:
            self._folder.journal.sync()
        return found

    def clear(self) -> None:
        """Remove the workers' folders: all that they recorded is in the run's."""
        # Renamed first: a worker that was thought lost may still write, and finds no folder then.
        ended = self._folder.path / f".{WORKERS}"
        shutil.rmtree(ended, ignore_errors=True)
        with suppress(FileNotFoundError):
            (self._folder.path / WORKERS).rename(ended)
        shutil.rmtree(ended, ignore_errors=True)

    def _new(self, worker: Path) -> Iterator[Record]:
        journal = worker / "journal.jsonl"
        with suppress(FileNotFoundError):
            for start, size, record in each_record(journal, self._ends.get(journal, 0)):
                self._ends[journal] = start + size
                if not is_usable(record):
                    continue
                if record["type"] == "problem":
                    yield record
                elif record["type"] == "session" and self._begun is not None:
                    self._begun(recorded_models(record))
                    self._begun = None

    def _is_known(self, record: Record, id: str) -> bool:
        """Whether it is recorded, and not as failed: then this one may supersede it."""
        recorded = self._folder.recorded
        if id not in recorded.last:
            return False
        if id not in recorded.failed:
            return True
        there = self._folder.journal.records[recorded.last[id]]
        return json_bytes(there["row"]) == json_bytes(record["row"])


def gather_rest(folder: RunFolder) -> None:
    """Bring into `folder` what workers left there whose driver was killed; raises OSError."""
    if (folder.path / WORKERS).is_dir():
        gatherer = Gatherer(folder, lambda _: None)
        gatherer.gather()
        gatherer.clear()


def _share_trace(worker: Path, run: Path, number: int, id: str) -> None:
    """The same file under another name where the disk can; it is never written again."""
    source, target = trace_file(worker, number, id), trace_file(run, number, id)
    if not source.exists():
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
