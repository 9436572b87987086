"""`python -m bench.bookkeeping [PROBLEMS]`: what a run costs beside its search, and how it grows.

A scripted program finds every solution at once, so that what is left is the run's own: problems,
admission, nodes, traces, the journal, results, status, merge, report. Every phase is a process of
its own, whose peak of memory is that phase's.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.scripted import SCRIPTED, ScriptedEndpoints
from sal.runtime.frontend.light import use_light_frontend

HALF = 0.5
"""The share of the problems that is searched before the run is killed and goes on."""


def write_problems(path: Path, count: int) -> None:
    """Sums, each in as many words as a problem of MATH has on average."""
    story = "A farmer counts her apples and then counts them once more. " * 3
    with open(path, "w", encoding="utf-8") as file:
        for i in range(count):
            row = {"id": f"sum-{i}", "question": f"{story}{i} + 1?", "answer": str(i + 1)}
            file.write(json.dumps(row) + "\n")


def prepared(folder: Path, shard: str | None = None) -> Any:
    """Best-of-4 on the problems in `folder`, by the scripted program."""
    use_light_frontend()
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


def search(folder: Path, run: str = "run", shard: str | None = None, share: float = 1.0) -> int:
    """Search what is owed, or a `share` of all, and end in the way of an interrupted run."""
    ours = prepared(folder, shard)
    from sal.grading.graders import make_grader
    from sal.runs.collector import collect_rarely
    from sal.runs.execute import execute
    from sal.runs.folder import RunFolder

    most = int(share * len(ours.problems.questions))
    done = threading.Event()
    began = time.monotonic()
    with (
        closing(make_grader("exact")) as grader,
        RunFolder(folder / run, ours.recipe, resume=True) as there,
    ):
        collect_rarely()
        first: list[float] = []

        def tick(seen: Any) -> None:
            if not first:
                first.append(time.monotonic() - began)
            if share < 1 and seen.done >= most:
                done.set()

        before = time.monotonic()
        outcome = execute(
            ours,
            there,
            ScriptedEndpoints(),
            grader,
            requests=lambda: 0,
            tick=tick,
            interrupted=done.is_set,
        )
        seconds = outcome.summary.seconds
    print(
        json.dumps(
            {
                "open": round(before - began, 2),
                "first tick": round(first[0], 2),
                "searched": round(seconds, 2),
                "all": round(time.monotonic() - before, 2),
            }
        ),
        file=sys.stderr,
    )
    return outcome.summary.problems


def status(folder: Path) -> int:
    """The run's state, from its journal alone."""
    use_light_frontend()
    from sal.runs.status import run_status

    summary = folder / "run" / "summary.json"
    summary.unlink(missing_ok=True)
    return run_status(folder / "run").moment.done


def finish(folder: Path) -> int:
    """`sal run --resume` of a run that owes nothing."""
    ours = prepared(folder)
    from sal.runs.planned_run import PlannedRun

    summary, _ = PlannedRun(ours, folder / "run").look()
    return summary.problems if summary else 0


def report(folder: Path) -> int:
    """The page and its tables."""
    use_light_frontend()
    from sal.reports.report import write_report

    written = write_report([folder / "run"], folder / "report.html", "Sums", None)
    return written.page.stat().st_size


PHASES: dict[str, Callable[..., int]] = {
    "load": load,
    "search": search,
    "status": status,
    "finish": finish,
    "report": report,
}


def phase(name: str, folder: Path, *words: str) -> dict[str, float]:
    """Run one here; its seconds, and the peak of this process's memory in MiB."""
    began, busy = time.monotonic(), time.process_time()
    made = PHASES[name](folder, *words)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "made": made,
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - busy,
        "MiB": peak,
    }


if __name__ == "__main__":
    if sys.argv[1] in PHASES:
        print(json.dumps(phase(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])))
    else:
        write_problems(Path(sys.argv[2]) / "problems.jsonl", int(sys.argv[1]))
