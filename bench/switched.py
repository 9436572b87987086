"""Each technique switched off in turn: seconds of a search without it / with it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import ours, without
from bench.parts import Part, spread
from sal.runtime.client import Engine
from sal.runtime.launch import Server
from sal.runtime.plan import Plan, Role

STRATEGIES = ("best-of-n", "dvts")
PROBLEMS = 16
BUDGET = 32
ROUNDS = 3


class Switched:
    """Rounds of one search with everything, and one without it, for each; `ratios[what][strategy]`.

    `servers` are the plan's, and behind them those that lack something, in their order.
    """

    def __init__(self, servers: Sequence[Server], console: Console) -> None:
        self.console = console
        self.engines: dict[Role, Engine] = {s.spec.role: Engine(s.url) for s in servers[:2]}
        self.lacking = [Engine(server.url) for server in servers[2:]]
        self.ratios: dict[str, dict[str, list[float]]] = {}

    def close(self) -> None:
        """Let go of the connections."""
        for engine in (*self.engines.values(), *self.lacking):
            engine.close()

    def parts(self) -> list[Part]:
        """A round for each strategy, `ROUNDS` times."""
        return [
            Part(f"round {number + 1} of {ROUNDS}: {name}", name, partial(self.round, name))
            for number in range(ROUNDS)
            for name in STRATEGIES
        ]

    def round(self, strategy: str) -> None:
        """Each in turn: with everything, then without it."""
        lacking: list[tuple[str, dict[str, Any]]] = [
            (technique.what, {"sal": without.command(name)})
            for name, technique in without.CLIENT.items()
        ]
        for lack, engine in zip(without.SERVER, self.lacking, strict=True):
            lacking.append((lack.what, {lack.role: engine}))
        for what, other in lacking:
            all_of_it = self._seconds(strategy)
            self._keep(what, strategy, self._seconds(strategy, **other) / all_of_it)

    def _seconds(self, strategy: str, **other: Any) -> float:
        """`other` takes the place of an engine or of the command."""
        given: dict[str, Any] = {"policy": self.engines["policy"], "prm": self.engines["prm"]}
        return ours.search(
            **(given | other), strategy=strategy, problems=PROBLEMS, budget=BUDGET
        ).seconds

    def _keep(self, what: str, strategy: str, ratio: float) -> None:
        self.ratios.setdefault(what, {}).setdefault(strategy, []).append(ratio)
        self.console.print(f"  {strategy:10} without {what:50} x {ratio:.2f}", highlight=False)


def servers(plan: Plan, logs: str) -> list[Server]:
    """Those of the plan, and one for each thing that a server can lack."""
    specs = [*plan.servers.values(), *(w.of(plan.servers[w.role]) for w in without.SERVER)]
    return [Server(spec, Path(tempfile.mkdtemp(dir=logs))) for spec in specs]


def table(ratios: dict[str, dict[str, list[float]]]) -> Table:
    """Medians, with the least and the most of the rounds."""
    made = Table(
        "without",
        *STRATEGIES,
        title=f"seconds without / with: {PROBLEMS} problems, budget {BUDGET}, {ROUNDS} rounds",
    )
    for what, by_strategy in ratios.items():
        made.add_row(what, *(spread(by_strategy[name]) for name in STRATEGIES))
    return made
