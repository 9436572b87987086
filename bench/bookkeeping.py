"""`python -m bench.bookkeeping [PROBLEMS]`: what a run costs beside its search, and how it grows.

A scripted program finds every solution at once, so that what is left is the run's own: problems,
admission, nodes, traces, the journal, results, merge, status, report. Each phase is a process of
its own, whose peak of memory is that phase's. The folder is in TMPDIR: its disk is measured too.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from sal.runtime.frontend.light import use_light_frontend

if TYPE_CHECKING:
    from sal.runs.settings import Prepared

OWED = 1_000
"""Problems that are owed when a run goes on, or a half of all where these are few."""

TAIL = 16 << 20
"""Bytes that hold as many records."""


def write_problems(path: Path, count: int) -> None:
    """Sums, each in about as many words as a problem of MATH."""
    story = "A farmer counts her apples and then counts them once more. " * 3
    with open(path, "w", encoding="utf-8") as file:
        for i in range(count):
            row = {"id": f"sum-{i}", "question": f"{story}{i} + 1?", "answer": str(i + 1)}
            file.write(json.dumps(row) + "\n")


def prepared(folder: Path, shard: str | None = None) -> Prepared:
    """Best-of-4 on the problems in `folder`, by the scripted program."""
    use_light_frontend()
    from bench.scripted import SCRIPTED
    from sal.runs.settings import Settings, prepare

    settings = Settings(
        strategy="best-of-n",
        params={"budget": 4, "aggregate": "last"},
        dataset=str(folder / "problems.jsonl"),
        shard=shard,
    )
    return replace(prepare(settings, gpu=False), strategy=SCRIPTED)


def load(folder: Path) -> int:
    """Read the problems."""
    return len(prepared(folder).problems.questions)


def search(folder: Path, run: str = "merged", shard: str | None = None) -> int:
    """Search what is owed; how much was."""
    ours = prepared(folder, shard)
    from bench.scripted import ScriptedEndpoints
    from sal.grading.graders import make_grader
    from sal.runs.collector import collect_rarely
    from sal.runs.execute import execute
    from sal.runs.folder import RunFolder

    with (
        closing(make_grader("exact")) as grader,
        RunFolder(folder / run, ours.recipe, resume=True) as there,
    ):
        before = len(there.recorded.last)
        collect_rarely()
        outcome = execute(
            ours, there, ScriptedEndpoints(), grader, requests=lambda: 0, tick=lambda _: None
        )
    return outcome.summary.problems - before


def merge(folder: Path) -> int:
    """Two shards become one run."""
    use_light_frontend()
    from sal.runs.merge import merge as merged

    return merged(folder / "merged", [folder / "1", folder / "2"]).problems


def status(folder: Path) -> int:
    """The run's state, from its journal alone."""
    use_light_frontend()
    from sal.runs.status import run_status

    (folder / "merged/summary.json").rename(folder / "summary.json")
    return run_status(folder / "merged").moment.done


def resume(folder: Path) -> int:
    """Open a run of which little is owed, until it is known what; the number of its rows."""
    _owe(folder / "merged/journal.jsonl")
    ours = prepared(folder)
    from sal.runs.folder import RunFolder
    from sal.runs.owed import owed_problems

    with RunFolder(folder / "merged", ours.recipe, resume=True) as there:
        done = there.recorded.finished(again=False)
        owed = owed_problems(ours.problems, done)
        rows = there.recorded.rows(there.journal.records)
        there.recorded.done(rows, ours.problems.questions, len(done), again=False)
        return len(ours.problems.questions) - len(owed)


def finish(folder: Path) -> int:
    """Search what is owed, and write the results and the summary of all."""
    search(folder)
    return sum(1 for _ in open(folder / "merged/results.jsonl", "rb"))


def report(folder: Path) -> int:
    """The page and its tables."""
    use_light_frontend()
    from sal.reports.report import write_report
    from sal.runs.status import run_status

    write_report([folder / "merged"], folder / "report.html", "Sums", None)
    return run_status(folder / "merged").moment.done


def _owe(journal: Path) -> None:
    """Cut the last records off: a part of the file is looked at, which is large."""
    with open(journal, "rb+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        lines = file.read().splitlines(keepends=True)[1:]
        file.truncate(size - sum(map(len, lines[-min(OWED, len(lines) // 2) :])))


PHASES: dict[str, Callable[[Path], int]] = {
    "load": load,
    "search, half": lambda folder: search(folder, "1", "1/2"),
    "search, other half": lambda folder: search(folder, "2", "2/2"),
    "merge": merge,
    "status": status,
    "resume": resume,
    "finish": finish,
    "report": report,
}


def measured(name: str, folder: Path) -> dict[str, float]:
    """One phase, here: its problems, seconds, seconds of CPU, and the peak of memory in MiB."""
    began, busy = time.monotonic(), time.process_time()
    problems = PHASES[name](folder)
    return {
        "problems": problems,
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - busy,
        "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(arguments: list[str]) -> int:
    if len(arguments) == 2 and arguments[0] in PHASES:
        print(json.dumps(measured(arguments[0], Path(arguments[1]))))
        return 0
    count = int(arguments[0]) if arguments else 100_000
    console, rows = Console(stderr=True), []
    with tempfile.TemporaryDirectory() as name:
        write_problems(Path(name) / "problems.jsonl", count)
        for phase in PHASES:
            words = [sys.executable, "-m", "bench.bookkeeping", phase, name]
            told = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
            rows.append(_row(phase, json.loads(told)))
            console.print(*rows[-1], sep="  ")
    columns = ("", "problems", "seconds", "CPU seconds", "a second", "a CPU second", "peak, MiB")
    table = Table(*columns, title=f"{count:,} problems")
    for row in rows:
        table.add_row(*row)
    Console(width=100).print(table)
    return 0


def _row(phase: str, told: dict[str, Any]) -> list[str]:
    rates = [told["problems"] / told[name] for name in ("seconds", "cpu")]
    return [
        phase,
        f"{told['problems']:,}",
        *(f"{told[name]:.1f}" for name in ("seconds", "cpu")),
        *(f"{rate:,.0f}" for rate in rates),
        f"{told['MiB']:.0f}",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
