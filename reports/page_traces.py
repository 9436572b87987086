"""Search trees for the page: as many as fit into it, the others in files beside it."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sal.reports.run_data import ProblemKey, problem_key, shown
from sal.runs.encoding import json_bytes, json_value
from sal.runs.folder import readable
from sal.runs.found import FoundRun
from sal.runs.results import ResultRow

WITHIN = 2_500_000
"""Bytes of traces that the page itself holds."""

FILE = 1_000_000
"""Bytes from which on another file is begun."""

_FAST = 4  # of gzip's levels: half the time of 6, a tenth more bytes

TraceData = Callable[[Mapping[str, Any], ResultRow], dict[str, Any]]
"""From a trace file's content and its row to what the explorer shows."""


def packed(trace: Mapping[str, Any]) -> str:
    """A trace as the page unpacks it: JSON, gzipped, in base64."""
    return base64.b64encode(gzip.compress(json_bytes(trace), _FAST, mtime=0)).decode("ascii")


class PackedTraces:
    """The traces of runs that are added one after the other, in the order of the report.

    Each is JSON, gzipped, in base64. The first `WITHIN` bytes are held for the page, all others
    go to files in `beside`, which replace those of an earlier report there.
    """

    def __init__(self, trace_data: TraceData, beside: Path) -> None:
        self._trace_data = trace_data
        self._beside = beside
        self._left = WITHIN
        self._packed: dict[str, str] = {}
        self._files: dict[int, list[tuple[int, str]]] = {}
        self._runs = 0
        for old in beside.glob("*.js") if beside.is_dir() else ():
            old.unlink()

    def add(self, found: FoundRun, numbers: Mapping[ProblemKey, int]) -> None:
        """The traces of one more run, by the report's `numbers` of problems."""
        run = self._runs
        self._runs += 1
        owed: dict[str, str] = {}
        first, size = 0, 0
        for place, problem, packed in self._pack(found, numbers):
            key = f"{run}/{problem}"
            if len(packed) <= self._left:
                self._left -= len(packed)
                self._packed[key] = packed
                continue
            self._left = 0  # from here on all go beside, so that files are runs of problems
            if not owed:
                first = place
            owed[key] = packed
            size += len(packed)
            if size >= FILE:
                self._write(run, first, owed)
                owed, size = {}, 0
        if owed:
            self._write(run, first, owed)

    def as_json(self) -> dict[str, Any]:
        """What the page is given of them (reports/page/traces.js)."""
        return {"packed": self._packed, "files": self._files, "url": ""}

    def _pack(
        self, found: FoundRun, numbers: Mapping[ProblemKey, int]
    ) -> Iterator[tuple[int, int, str]]:
        """Place among the rows, the report's number, and the packed trace, in the rows' order."""
        rows = shown(found)
        places = {row.id: place for place, row in enumerate(rows)}
        names = {readable(row.id) for row in rows}
        traces = found.path / "traces"
        files = os.scandir(traces) if traces.is_dir() else ()
        for name in sorted(f.name for f in files if _problem(f.name) in names):
            try:
                trace = json_value((traces / name).read_bytes())
            except (OSError, ValueError):  # it is being replaced, or the disk lost it
                continue
            place = places.get(str(trace.get("id"))) if isinstance(trace, dict) else None
            if place is None:
                continue
            row = rows[place]
            yield place, numbers[problem_key(row)], packed(self._trace_data(trace, row))

    def _write(self, run: int, first: int, packed: Mapping[str, str]) -> None:
        name = f"{run:03d}-{first:05d}.js"
        text = f"salTraces.add({json.dumps(packed, separators=(',', ':'))});\n"
        self._beside.mkdir(parents=True, exist_ok=True)
        (self._beside / name).write_text(text, encoding="ascii")
        self._files.setdefault(run, []).append((first, f"{self._beside.name}/{name}"))


def _problem(name: str) -> str:
    """What the name of a trace's file shows of the problem's id; "" for another file."""
    number, dash, rest = name.partition("-")
    return rest.removesuffix(".json") if number.isdecimal() and dash else ""
