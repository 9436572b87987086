"""`just bench`: every figure of docs/performance.md, measured in one run."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import ours, switched
from bench.figures import Bench, Size, start_servers, table
from bench.parts import Part, run
from sal.runs.recipe import installed_versions
from sal.runtime.client import Engine
from sal.runtime.default_models import default_models
from sal.runtime.hardware import detect
from sal.runtime.launch import Server, stop_all
from sal.runtime.placement import beside
from sal.runtime.plan import make_plan

RESULTS = Path(__file__).with_name("results.json")

SIZES = {
    "quick": Size(problems=16, budget=16, rounds=3, few=16, many=64, narrow=16, wide=64),
    "full": Size(problems=32, budget=64, rounds=3, few=16, many=128, narrow=16, wide=256),
}


def main(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "quick"
    if name not in (*SIZES, "without"):
        print(f"bench takes one of {', '.join(SIZES)}, without; not {name!r}", file=sys.stderr)
        return 2
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as logs:
        plan = make_plan(detect(), *default_models(None, None))
        if name == "without":
            servers = switched.servers(plan, logs)
        else:
            servers = [Server(spec, Path(logs)) for spec in plan.servers.values()]
        start_servers(servers, console)
        try:
            made = without(servers, console) if name == "without" else size(name, servers, console)
        finally:
            stop_all(servers)
    Console(width=120).print(made)
    return 0


def size(name: str, servers: Sequence[Server], console: Console) -> Table:
    """Every figure at the size of that name; they are on disk as they are measured."""
    size, began = SIZES[name], time.monotonic()
    with Engine(servers[0].url) as policy, Engine(servers[1].url) as prm, beside(policy):
        pids: dict[str, int] = {server.spec.role: server.pid for server in servers}
        bench = Bench(policy, prm, size, console, pids=pids)

        def save(_: Part) -> None:
            about = {"size": {"name": name, **asdict(size)}, "rounds": bench.rounds}
            write(RESULTS, began, about)

        run(bench.parts(), console, save)
    return table(bench.rounds, name, size)


def without(servers: Sequence[Server], console: Console) -> Table:
    """What each technique is worth."""
    began = time.monotonic()
    with closing(switched.Switched(servers, console)) as bench:

        def save(_: Part) -> None:
            write(RESULTS.with_stem("results-without"), began, {"ratios": bench.ratios})

        run(bench.parts(), console, save)
    return switched.table(bench.ratios)


def write(path: Path, began: float, figures: dict[str, Any]) -> None:
    """What was measured so far, and on what."""
    about = {
        "machine": ours.machine(),
        "versions": installed_versions(),
        "seconds": round(time.monotonic() - began),
    }
    path.write_text(json.dumps(about | figures, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
