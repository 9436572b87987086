"""Runs that are looked at again and again while they are written: only what changed is read."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sal.reports.page_data import page_data
from sal.reports.run_data import RunData, run_data
from sal.reports.trace_data import trace_data
from sal.runs.found import FoundRun, read_run, read_trace, run_folders, traces_in_flight

Stamp = tuple[tuple[str, int, int], ...]
"""Names, sizes and times of files: what they hold has changed when this has."""


class FollowedRuns:
    """The runs below `path`, read and never written. May be used by several threads.

    A run is shown from its first finished problem on, and keeps its place among the shown ones, so
    that a place said earlier still names the same run. Raises `FolderError` where there is no run,
    then and later.
    """

    def __init__(self, path: Path, title: str) -> None:
        self._path = path
        self._title = title
        self._lock = threading.RLock()
        self._shown: dict[Path, tuple[Stamp, RunData]] = {}
        self._last: tuple[Path, Stamp, FoundRun] | None = None
        self._flight: dict[Path, tuple[Stamp, dict[str, dict[str, Any]]]] = {}
        run_folders(path)

    def version(self) -> str:
        """Another one whenever `data` has changed."""
        with self._lock:
            self._look()
            return _digest(stamp for stamp, _ in self._shown.values())

    def data(self) -> dict[str, Any]:
        """What the page shows of all finished problems."""
        with self._lock:
            self._look()
            return page_data([data for _, data in self._shown.values()], self._title)

    def in_flight(self) -> list[dict[str, Any]]:
        """Each problem that is being searched: its run, by name and by place, its id, its nodes.

        The place is None for a run that is not shown yet.
        """
        with self._lock:
            places = {run: place for place, run in enumerate(self._shown)}
            return [
                {
                    "run": self._name(run),
                    "place": places.get(run),
                    "id": id,
                    "nodes": len(trace["nodes"]),
                }
                for run in run_folders(self._path)
                for id, trace in self._flying(run).items()
            ]

    def trace(self, run: int, problem_id: str) -> dict[str, Any] | None:
        """The tree of a finished problem of the run at a place in `data`; None for no such."""
        with self._lock:
            self._look()
            runs = list(self._shown)
            if not 0 <= run < len(runs):
                return None
            found = self._read(runs[run])
            row = next((row for row in found.rows if row.id == problem_id), None)
            trace = row and read_trace(found.path, problem_id)
            separator = found.recipe.params.get("separator", "\n\n")
            return trace_data(trace, row, separator=separator) if trace else None

    def live_trace(self, run: str, problem_id: str) -> dict[str, Any] | None:
        """The tree so far of a problem in flight, by its run's name; None once it is finished."""
        with self._lock:
            for folder in run_folders(self._path):
                if self._name(folder) == run and (trace := self._flying(folder).get(problem_id)):
                    return trace_data(trace, None)
            return None

    def _name(self, run: Path) -> str:
        return run.resolve().relative_to(self._path.resolve().parent).as_posix()

    def _look(self) -> None:
        for run in run_folders(self._path):
            stamp = _stamp([run / "journal.jsonl", run / "recipe.yaml"])
            if run in self._shown and self._shown[run][0] == stamp:
                continue
            found = self._read(run)
            if found.rows or run in self._shown:
                self._shown[run] = (stamp, run_data(found))

    def _read(self, run: Path) -> FoundRun:
        """The run as it is now; the last one that was read is kept."""
        stamp = _stamp([run / "journal.jsonl", run / "recipe.yaml"])
        if self._last is None or self._last[:2] != (run, stamp):
            self._last = (run, stamp, read_run(run))
        return self._last[2]

    def _flying(self, run: Path) -> dict[str, dict[str, Any]]:
        stamp = _stamp([run / "journal.jsonl", *sorted((run / "nodes").glob("*.jsonl"))])
        if len(stamp) < 2:
            return {}
        if run not in self._flight or self._flight[run][0] != stamp:
            done = {row.id for row in self._read(run).rows}
            self._flight[run] = (stamp, traces_in_flight(run, done))
        return self._flight[run][1]


def _stamp(paths: Iterable[Path]) -> Stamp:
    stamps = []
    for path in paths:
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        stamps.append((str(path), stat.st_size, stat.st_mtime_ns))
    return tuple(stamps)


def _digest(value: Iterable[Any]) -> str:
    return hashlib.sha256(repr(list(value)).encode()).hexdigest()[:16]
