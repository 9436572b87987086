"""`just bench-serve`: `sal serve` under load, on the tiny suite's two servers.

load    64 clients for five minutes, budgets 4 to 64: does each answer belong to its question, do
        memory and threads stay flat?
share   the same searches by `sal serve` and by `sal run`, in turn: seconds of the second / first,
        which is the ratio of their engine shares, for the requests alone take the same time
fair    a search of budget 4 after the other, alone and amid searches of budget 256
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import ours
from bench.figures import start_servers
from bench.serving import Asked, Gateway, Look
from sal.programs.problem import SEPARATOR
from sal.runs.recipe import installed_versions
from sal.runtime.client import Engine
from sal.runtime.default_models import default_models
from sal.runtime.hardware import detect
from sal.runtime.launch import Server, stop_all
from sal.runtime.placement import beside
from sal.runtime.plan import make_plan
from sal.strategies.answers import last_boxed
from sal.strategies.steps import split_steps
from sal.tiny.fresh import fresh_problems
from sal.tiny.oracle import step_labels
from sal.tiny.paths import POLICY

RESULTS = Path(__file__).with_name("results-serve.json")
CLIENTS = 64
LOAD_S = 300.0
MIX = ("dvts@4", "dvts@16", "best-of-n@16", "beam@16", "dvts@4", "dvts@64")
SHARES = ("dvts@16", "best-of-n@16", "beam@64")
SHARED = 64
"""Searches of each of `SHARES`."""
ROUNDS = 2
SMALL, LARGE, CROWD = "dvts@4", "dvts@256", 4
FAIR = 30
"""Small searches, alone and amid a `CROWD` of large ones."""
MOST_LARGE = 400
MOST_A_SECOND = 8
BEGIN_S = 3.0
GATEWAY = ("dvts", "--budget", "16", "--max-budget", "256")

Figures = dict[str, Any]


def load(gateway: Gateway, seconds: float = LOAD_S, clients: int = CLIENTS) -> Figures:
    """Every question is a new one."""
    problems = fresh_problems(int(MOST_A_SECOND * seconds) + clients, seed=1)
    answers = {p.question: str(p.answer) for p in problems}
    until = time.monotonic() + seconds
    first = len(gateway.looks)
    took, replies = gateway.ask_all(
        zip(answers, cycle(MIX), strict=False), clients, lambda: time.monotonic() > until
    )
    looks = gateway.looks[first:]
    asked = [reply.question for reply in replies]
    whose = Counter(_own_or_anothers(reply, asked) for reply in replies)
    return {
        "seconds": round(took, 1),
        "searches": len(replies),
        "failed": sum(reply.status != 200 for reply in replies),
        "answers to their own question": whose["own"],
        "answers to another's": whose["another's"],
        "right": _right(replies, answers),
        "memory by thirds, MiB": _by_thirds(looks, lambda look: look.memory / 2**20),
        "threads by thirds": _by_thirds(looks, lambda look: look.threads),
        "left behind": gateway.gauge("sal_serve_completions_in_flight"),
        "p50, p95 in s": {model: _seconds(replies, model) for model in dict.fromkeys(MIX)},
    }


def share(
    gateway: Gateway, policy: Engine, prm: Engine, *, searches: int = SHARED, rounds: int = ROUNDS
) -> Figures:
    """Both from cold caches, on the same problems."""
    rows = [
        {"id": p.id, "question": p.question, "answer": str(p.answer)}
        for p in fresh_problems(searches, seed=2)
    ]
    answers = {row["question"]: row["answer"] for row in rows}
    ratios: dict[str, list[float]] = defaultdict(list)
    right: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problems.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        suite = ours.Suite(POLICY, path, str(path))
        for model in SHARES * rounds:
            ours.flush(policy, prm)
            served, replies = gateway.ask_all(((r["question"], model) for r in rows), CLIENTS)
            right[model].append(_right(replies, answers))
            strategy, _, budget = model.partition("@")
            ran = ours.search(policy, prm, strategy, len(rows), int(budget), suite).seconds
            ratios[model].append(round(ran / served, 3))
    return {"seconds of sal run / sal serve": dict(ratios), "right": dict(right)}


def fair(gateway: Gateway, searches: int = FAIR, crowd: int = CROWD) -> Figures:
    """The large ones come one after the other from each of the crowd."""
    questions = (p.question for p in fresh_problems(3 * searches + MOST_LARGE, seed=3))

    def small() -> list[Asked]:
        wanted = [(next(questions), SMALL) for _ in range(searches)]
        return gateway.ask_all(wanted, clients=1)[1]

    small()  # warm
    alone = small()
    wanted = [(next(questions), LARGE) for _ in range(MOST_LARGE)]
    done = threading.Event()
    others: list[Asked] = []
    thread = threading.Thread(
        target=lambda: others.extend(gateway.ask_all(wanted, crowd, done.is_set)[1])
    )
    thread.start()
    time.sleep(BEGIN_S)
    amid = small()
    done.set()
    thread.join()
    before, after = _seconds(alone, SMALL)[1], _seconds(amid, SMALL)[1]
    return {
        "p95 alone, s": before,
        "p95 amid, s": after,
        "p95 amid / alone": round(after / before, 2),
        "failed": sum(reply.status != 200 for reply in (*alone, *amid, *others)),
        "large, p50, p95 in s": _seconds(others, LARGE),
    }


def _own_or_anothers(reply: Asked, questions: Sequence[str]) -> str:
    """Whose question is answered: "own" where the first step is a right one for it, "another's"
    where all steps are right for another, "" where that cannot be told."""
    steps = split_steps(reply.content, SEPARATOR)
    if any(step_labels(reply.question, steps)[:1]):
        return "own"
    solved = (q for q in questions if steps and all(step_labels(q, steps)))
    return "another's" if any(solved) else ""


def _right(replies: Sequence[Asked], answers: Mapping[str, str]) -> float:
    right = sum(last_boxed(reply.content) == answers[reply.question] for reply in replies)
    return round(right / max(1, len(replies)), 3)


def _seconds(replies: Sequence[Asked], model: str) -> list[float]:
    """The median, and what 95% take at most."""
    took = sorted(reply.seconds for reply in replies if reply.model == model)
    return [round(took[int(share * (len(took) - 1))], 2) for share in (0.5, 0.95)] if took else []


def _by_thirds(looks: Sequence[Look], of: Callable[[Look], float]) -> list[int]:
    """Medians of the beginning, the middle and the end."""
    size = max(1, len(looks) // 3)
    parts = [looks[i : i + size] for i in range(0, 3 * size, size)]
    return [round(median(map(of, part))) for part in parts if part]


def table(figures: Figures) -> Table:
    """A row a figure."""
    made = Table("part", "figure", "measured", title="sal serve under load")
    for part, by_name in figures.items():
        for name, value in by_name.items():
            rows = value.items() if isinstance(value, dict) else [("", value)]
            for of, measured in rows:
                made.add_row(part, f"{name} {of}".strip(), str(measured))
    return made


def main(arguments: Sequence[str]) -> int:
    wanted = list(arguments) or ["load", "share", "fair"]
    if unknown := set(wanted) - {"load", "share", "fair"}:
        print(f"bench.serve_load has load, share, fair; not {', '.join(unknown)}", file=sys.stderr)
        return 2
    console = Console(stderr=True)
    figures: Figures = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as logs:
        plan = make_plan(detect(), *default_models(None, None))
        servers = [Server(spec, Path(logs)) for spec in plan.servers.values()]
        start_servers(servers, console)
        try:
            with (
                Engine(servers[0].url) as policy,
                Engine(servers[1].url) as prm,
                beside(policy),
            ):
                measures: dict[str, Callable[[Gateway], Figures]] = {
                    "load": load,
                    "share": partial(share, policy=policy, prm=prm),
                    "fair": fair,
                }
                for name in wanted:
                    console.rule(name)
                    with Gateway(policy, prm, GATEWAY) as gateway:
                        figures[name] = measures[name](gateway)
                    about = {"machine": ours.machine(), "versions": installed_versions()}
                    RESULTS.write_text(json.dumps(about | figures, indent=1) + "\n")
        finally:
            stop_all(servers)
    Console(width=120).print(table({name: figures[name] for name in wanted}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
