"""`sal run` as a user runs it, watched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from sal.runs.problems import TINY
from sal.runtime.client import Engine
from sal.tiny.paths import POLICY, PROBLEMS

SAL = Path(sys.executable).with_name("sal")
LOOK_S = 0.1


@dataclass(slots=True)
class Searched:
    """A finished run: its summary, the traces by problem id, and what its process used.

    `cpu` is in seconds, of the process that talks to the engines, without its grading workers and
    without what it used before the search began; `memory` in bytes, at the peak.
    """

    summary: dict[str, Any]
    questions: dict[str, str]
    traces: dict[str, dict[str, Any]]
    cpu: float = 0.0
    threads: int = 0
    memory: int = 0
    wall: float = field(default=0.0)

    @property
    def seconds(self) -> float:
        """Of searching: from the first problem to the last."""
        return float(self.summary["seconds"])

    @property
    def requests(self) -> int:
        return sum(int(used["requests"]) for used in self.summary["usage"].values())

    @property
    def completions(self) -> int:
        return int(self.summary["completions"])

    @property
    def accuracy(self) -> dict[str, float]:
        """Mean and standard error of the weighted vote."""
        return dict(self.summary["accuracy"]["weighted"])


@dataclass(frozen=True, slots=True)
class Suite:
    """What is searched: the policy's tokenizer folder, and a file of problems ("id", "question",
    "answer"). `dataset` is how `sal run` calls that file."""

    policy: Path
    problems: Path
    dataset: str

    def rows(self, limit: int) -> list[dict[str, str]]:
        """The first problems."""
        return [json.loads(line) for line in self.problems.read_text().splitlines()[:limit]]


TINY_SUITE = Suite(POLICY, PROBLEMS["test"], TINY)


def search(
    policy: Engine,
    prm: Engine,
    strategy: str,
    problems: int,
    budget: int,
    suite: Suite = TINY_SUITE,
    sal: Sequence[str] = (str(SAL),),
) -> Searched:
    """Run `strategy` on the first `problems` of `suite`, from cold caches; `sal` is its command."""
    flush(policy, prm)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = [*sal, "run", strategy, "--limit", str(problems), "--out", str(out)]
        words += ["--dataset", suite.dataset]
        words += ["--policy", policy.url, "--prm", prm.url, "--display", "none", "--json"]
        if strategy != "greedy":
            words += ["--budget", str(budget)]
        began = time.monotonic()
        process = psutil.Popen(
            words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        cpu = before = 0.0
        threads = memory = 0
        while process.poll() is None:
            try:
                with process.oneshot():
                    used = process.cpu_times()
                    cpu = used.user + used.system
                    threads = max(threads, process.num_threads())
                    memory = max(memory, process.memory_info().rss)
            except psutil.Error:
                break
            if not before and (out / "journal.jsonl").exists():
                before = cpu
            time.sleep(LOOK_S)
        stdout, stderr = process.communicate()
        wall = time.monotonic() - began
        if process.returncode:
            raise RuntimeError(f"{' '.join(words)}\n{stderr}")
        rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
        traces = [json.loads(path.read_text()) for path in (out / "traces").iterdir()]
    return Searched(
        json.loads(stdout),
        {row["id"]: row["question"] for row in rows},
        {trace["id"]: trace for trace in traces},
        cpu - before,
        threads,
        memory,
        wall,
    )


def environment() -> dict[str, str]:
    """Ours, in which imports are compiled once and not by every run."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def cpu(pid: int) -> float:
    """Seconds of CPU that a process and those below it have used so far."""
    root = psutil.Process(pid)
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return float(sum(used.user + used.system for used in times))


def flush(*engines: Engine) -> None:
    """Empty the radix caches, so that every measurement starts cold; waits for running requests."""
    for engine in engines:
        words = ["curl", "-sf", "-X", "POST", f"{engine.url}/flush_cache?timeout=50"]
        subprocess.run(words, check=True, capture_output=True, timeout=60)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": sys.version.split()[0],
    }
