"""How well a PRM finds the first wrong step: on ProcessBench, or on any labelled solutions."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sal.learn.bench_figures import figures
from sal.learn.errors import LabelError
from sal.learn.processbench import SUBSETS, read_subset
from sal.learn.rows import StepLabels
from sal.learn.scoring import known_error, measured, recorded, score_all
from sal.learn.sources import labels_from
from sal.runs.endpoints import model_location, prm_serving
from sal.runs.errors import FolderError, RunError
from sal.runs.folder import write_atomically
from sal.runs.journal import Journal, read_records
from sal.runtime.client import Engine
from sal.runtime.hardware import detect
from sal.runtime.launch import OnStatus
from sal.runtime.model_files import NoModelFiles
from sal.runtime.needed_flags import with_needed_flags
from sal.runtime.plan import Plan, PlanError, make_plan
from sal.runtime.session import Servers
from sal.verifiers.contract import Serving
from sal.verifiers.family import load_verifier
from sal.verifiers.interface import Verifier

JOURNAL = "scores.jsonl"
FIGURES = "bench.json"
WORKERS = 16
"""Solutions at a time, where the server does not say how many requests it runs."""

Sets = Mapping[str, Sequence[StepLabels]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """Which PRM, as `--prm` and `--prm-family` name it, with SGLang's flags for its server."""

    prm: str
    family: str | None = None
    prm_args: tuple[str, ...] = ()


def read_sets(
    names: Sequence[str], limit: int | None = None, say: Callable[[str], object] = lambda _: None
) -> dict[str, list[StepLabels]]:
    """Labelled solutions by the names of their sets: subsets of ProcessBench, or any labels.

    Those whose first wrong step is not known are left out, and `say` is told how many; `limit`
    takes the first ones of each set. Raises `LabelError` for a set without solutions of both kinds,
    and `DatasetError`.
    """
    found: dict[str, list[StepLabels]] = {}
    for name in names:
        rows = read_subset(name) if name in SUBSETS else labels_from(name).rows
        known = [row for row in rows if known_error(row) is not None]
        if len(known) < len(rows):
            unknown = len(rows) - len(known)
            say(f"{name}: {unknown:,} of {len(rows):,} are left out: what is wrong is not known")
        found[name] = known[:limit]
        if len({known_error(row) == -1 for row in found[name]}) < 2:
            raise LabelError(f"{name}: F1 needs solutions with a wrong step, and without one")
    seen = Counter(row.id for rows in found.values() for row in rows)
    if twice := [id for id, count in seen.items() if count > 1]:
        raise LabelError(f"{len(twice):,} ids are there more than once, as {twice[0]}")
    return found


class BenchFolder:
    """What was scored so far, by one PRM on the same sets. Raises `FolderError` for others."""

    def __init__(self, path: Path, settings: BenchSettings, sets: Sets) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.journal = Journal(path / JOURNAL)
        told = {"prm": settings.prm, "family": settings.family, "solutions": _digest(sets)}
        before = next((r for r in self.journal.records if r.get("type") == "bench"), None)
        if before is None:
            self.journal.append({"type": "bench"} | told)
        elif names := [k for k, v in told.items() if before.get(k) != v]:
            self.journal.close()
            raise FolderError(
                f"{path} holds a benchmark of other {', '.join(names)}: name another --out"
            )
        self._sets = sets
        self.known = recorded(self.journal.records)

    @property
    def owed(self) -> list[StepLabels]:
        """Solutions without scores."""
        rows = (row for rows in self._sets.values() for row in rows)
        return [row for row in rows if row.id not in self.known]

    def score(self, verifier: Verifier, workers: int, **follow: Any) -> int:
        """Score what is owed (`score_all`); how many requests failed."""
        try:
            return score_all(verifier, self.owed, self.journal, workers=workers, **follow)
        finally:
            self.known = recorded(read_records(self.journal.path))

    def write(self) -> dict[str, Any]:
        """bench.json, from the scores of all solutions."""
        told = figures({name: measured(rows, self.known) for name, rows in self._sets.items()})
        write_atomically(self.path / FIGURES, (json.dumps(told, indent=1) + "\n").encode())
        return told


@contextmanager
def served_verifier(
    settings: BenchSettings, on_status: OnStatus | None = None
) -> Iterator[tuple[Verifier, int]]:
    """The PRM, served here or where its URL says, and how many solutions to score at a time.

    Raises `RunError`, `LaunchError`, `EndpointError`.
    """
    serving = prm_serving(settings.prm, settings.family)
    if serving.model is None:  # it needs no server
        yield _verifier(None, model_location(settings.prm, "prm"), settings.family), WORKERS
        return
    with Servers(_plan(serving, settings), on_status=on_status) as servers:
        engine = cast(Engine, servers.prm)
        engine.find_replicas()
        yield _verifier(engine, None, settings.family), engine.capacity() or WORKERS


def _plan(serving: Serving, settings: BenchSettings) -> Plan:
    try:
        plan = make_plan(detect(), None, serving.model, prm_args=settings.prm_args)
    except (PlanError, NoModelFiles) as error:
        raise RunError(str(error)) from error
    return with_needed_flags(plan, "prm", serving.args, serving.reason)


def _verifier(engine: Engine | None, model: str | None, family: str | None) -> Verifier:
    try:
        return load_verifier(engine, model, family)
    except (ValueError, OSError) as error:
        raise RunError(" ".join(str(error).split())) from error


def bench(
    settings: BenchSettings,
    sets: Sets,
    out: Path,
    *,
    on_status: OnStatus | None = None,
    tick: Callable[[int, int], object] = lambda _done, _failed: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any] | None:
    """Score what is owed in the folder `out`, and measure; None where solutions are still owed.

    A folder in which nothing is owed needs no server. Raises as `served_verifier` does, and
    `ServersLost`.
    """
    folder = BenchFolder(out, settings, sets)
    try:
        if folder.owed:
            with served_verifier(settings, on_status) as (verifier, workers):
                folder.score(verifier, workers, tick=tick, stop=stop)
        return None if folder.owed else folder.write()
    finally:
        folder.journal.close()


def _digest(sets: Sets) -> str:
    """Of all that is scored, with its labels."""
    found = hashlib.sha256()
    for name, rows in sets.items():
        found.update(json.dumps([name, [row.as_json() for row in rows]]).encode())
    return found.hexdigest()[:16]
