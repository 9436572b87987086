"""The folder of a benchmark: the scores of its solutions by one PRM, and what they come to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sal.learn.bench_prm import BenchSettings, served_verifier, weights_of
from sal.learn.rows import StepLabels
from sal.learn.scoring import Tick, quiet, recorded, score_all
from sal.runs.errors import FolderError
from sal.runs.folder import write_atomically
from sal.runs.journal import Journal, read_records
from sal.runtime.launch import OnStatus
from sal.runtime.usage import Usage
from sal.verifiers.interface import Traits, Verifier

JOURNAL = "scores.jsonl"
FIGURES, PAGE, PLOT = "bench.json", "bench.md", "calibration.svg"


class BenchFolder:
    """What was scored so far, by one PRM on the same solutions; a context manager.

    Raises `FolderError` for a folder with scores of another benchmark.
    """

    def __init__(self, path: Path, settings: BenchSettings, rows: Sequence[StepLabels]) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.journal = Journal(path / JOURNAL)
        self._settings, self._rows = settings, rows
        told = {"prm": settings.prm, "family": settings.family, "solutions": _digest(rows)}
        weights = weights_of(settings)
        self._look()
        differ = [k for k, v in told.items() if self._begun.get(k) != v]
        if not differ and None not in (weights, self.weights) and weights != self.weights:
            differ = ["weights"]
        if differ and self.known:
            self.journal.close()
            other = ", ".join(differ)
            raise FolderError(f"{path} holds a benchmark of other {other}: name another --out")
        if differ:  # a PRM that could not be served, mistyped perhaps, leaves nothing to keep
            self.journal.append({"type": "bench"} | told)
            self._look()
        self._note(weights)

    def __enter__(self) -> BenchFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()

    @property
    def owed(self) -> list[StepLabels]:
        """Solutions without scores."""
        return [row for row in self._rows if row.id not in self.known]

    def fill(
        self,
        on_status: OnStatus | None = None,
        tick: Tick = quiet,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Score what is owed, on a server if anything is; whether all is scored now.

        Raises as `served_verifier` and `score_all` do.
        """
        if self.owed:
            with served_verifier(self._settings, on_status) as (verifier, workers):
                self._note(weights_of(self._settings))  # a model of the Hub is here now
                self.score(verifier, workers, tick=tick, stop=stop)
        return not self.owed

    def score(self, verifier: Verifier, workers: int, **follow: Any) -> int:
        """Score what is owed (`score_all`); how many requests failed."""
        how = Traits.of(verifier).aggregate or "last"
        self.journal.append({"type": "prm", "aggregate": how})
        try:
            return score_all(verifier, self.owed, self.journal, workers=workers, **follow)
        finally:
            self._look()

    @property
    def usage(self) -> Usage:
        """What the PRM was asked for the solutions that it scored, in all sessions."""
        spent = (Usage(**r["usage"]) for r in self.known.values() if "usage" in r)
        return sum(spent, Usage())

    def write(self, told: Mapping[str, Any]) -> None:
        """bench.json; raises OSError."""
        write_atomically(self.path / FIGURES, (json.dumps(told, indent=1) + "\n").encode())

    def write_page(self, page: str, plot: str) -> None:
        """bench.md with the plot that it shows; raises OSError."""
        write_atomically(self.path / PLOT, plot.encode())
        write_atomically(self.path / PAGE, page.encode())

    def _look(self) -> None:
        records = read_records(self.journal.path)
        self.known = recorded(records)
        self.aggregate: str | None = None
        """How the PRM's own step scores are reduced; None before it was asked."""
        self.weights: str | None = None
        """The digest of the PRM's (`sal.learn.weights`); None while they are not here."""
        self._begun: Mapping[str, Any] = {}
        for record in records:
            if record.get("type") == "bench":
                self._begun, self.weights, self.aggregate = record, None, None
            self.aggregate = record.get("aggregate", self.aggregate)
            self.weights = record.get("weights", self.weights)

    def _note(self, weights: str | None) -> None:
        if weights is not None and self.weights is None:
            self.journal.append({"type": "weights", "weights": weights})
            self.weights = weights


def _digest(rows: Sequence[StepLabels]) -> str:
    """Of all that is scored, with its labels."""
    found = hashlib.sha256()
    for row in rows:
        found.update(json.dumps(row.as_json()).encode())
    return found.hexdigest()[:16]
