"""The figures of docs/performance.md: what each one is, and how it is measured on two servers."""

from __future__ import annotations

import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import lockstep, ours, replay, stock
from bench.parts import Part, spread
from sal.runtime.client import Engine
from sal.runtime.launch import Server, start_all
from sal.runtime.tokenizer import Tokenizer

STRATEGIES = ("best-of-n", "beam", "dvts")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is searched: `many` and `wide` are the long ends of the growth figures."""

    problems: int
    budget: int
    rounds: int
    few: int
    many: int
    narrow: int
    wide: int


class Bench:
    """Measures on two servers and remembers every round: `rounds[figure][strategy]`."""

    def __init__(
        self,
        policy: Engine,
        prm: Engine,
        size: Size,
        console: Console,
        suite: ours.Suite = ours.TINY_SUITE,
        pids: Mapping[str, int] | None = None,
    ) -> None:
        """`pids` are the two servers' processes, where they are this machine's."""
        self.pids = pids or {}
        self.policy, self.prm, self.size, self.console = policy, prm, size, console
        self.suite = suite
        self.verifier = lockstep.causal_verifier(prm)
        tokenizer = Tokenizer.load(str(suite.policy))
        if tokenizer is None:
            raise SystemExit(f"{suite.policy} holds no tokenizer")
        self.tokenizer = tokenizer
        self.rows = suite.rows(size.problems)
        self.rounds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def parts(self) -> list[Part]:
        """Every figure, `size.rounds` times, interleaved."""
        made = []
        for number in range(1, self.size.rounds + 1):
            for strategy in STRATEGIES:
                name = f"round {number} of {self.size.rounds}: {strategy}"
                made += [
                    Part(name, strategy, partial(self.round, strategy)),
                    Part(f"{name}, growth", f"{strategy}, growth", partial(self.growth, strategy)),
                ]
            made.append(Part(f"round {number} of {self.size.rounds}: start", "start", self.start))
        return made

    def search(self, strategy: str, problems: int, budget: int) -> ours.Searched:
        """`sal run` on the suite."""
        return ours.search(self.policy, self.prm, strategy, problems, budget, self.suite)

    def round(self, strategy: str) -> None:
        """Ours, its replay, both locksteps, and the stock frontend, one after the other."""
        size = self.size
        before = {role: ours.cpu(pid) for role, pid in self.pids.items()}
        searched = self.search(strategy, size.problems, size.budget)
        busy = {role: ours.cpu(self.pids[role]) - spent for role, spent in before.items()}
        asked = replay.requests(searched, self.tokenizer, self.verifier.format)
        alone = replay.replay(self.policy, self.prm, asked)
        keep = self._keeper(strategy)
        keep("seconds", searched.seconds)
        keep("accuracy", searched.accuracy["mean"])
        keep("engine share", alone / searched.seconds)
        usage = searched.summary["usage"]
        trees = {"policy": asked.written, "prm": [p["input_ids"] for p in asked.prm]}
        for role, sequences in trees.items():
            prefilled = usage[role]["prompt_tokens"] - usage[role]["cached_tokens"]
            keep(f"prefill factor, {role}", prefilled / replay.distinct(sequences))
            if role == "policy":
                keep("prefill factor, policy, equal nodes apart", prefilled / asked.nodes)
        for part, seconds in (busy | {"client": searched.cpu}).items():
            keep(f"cores busy, {part}", seconds / searched.seconds)
        keep("client CPU, ms a request", 1000 * searched.cpu / searched.requests)
        keep("threads at the peak", searched.threads)
        keep("memory at the peak, MiB", searched.memory / 2**20)
        questions = [row["question"] for row in self.rows]
        endpoints = self.policy, self.prm, self.tokenizer, self.verifier.format
        for scored in ("every", "newest"):
            schedule = lockstep.Lockstep(*endpoints, newest_only=scored == "newest")
            slow, chosen = schedule.run(strategy, questions, size.budget)
            keep(f"against lockstep, {scored} step scored", slow / searched.seconds)
            keep(f"accuracy in lockstep, {scored} step scored", self._accuracy(chosen))
        slow, chosen = stock.run(
            self.policy, self.prm, self.verifier, strategy, self.rows, size.budget
        )
        keep("against the stock frontend", slow / searched.seconds)
        keep("accuracy on the stock frontend", self._accuracy(chosen))

    def growth(self, strategy: str) -> None:
        """How the wall time of a completion grows with the budget and with the problems."""
        size, keep = self.size, self._keeper(strategy)

        def per_completion(problems: int, budget: int) -> tuple[float, ours.Searched]:
            searched = self.search(strategy, problems, budget)
            return searched.seconds / searched.completions, searched

        narrow, _ = per_completion(size.few, size.narrow)
        wide, _ = per_completion(max(2, size.few * size.narrow // size.wide), size.wide)
        keep(f"growth, budget {size.wide} / {size.narrow}", wide / narrow)
        few, small = per_completion(size.few, size.narrow)
        many, large = per_completion(size.many, size.narrow)
        keep(f"growth, problems {size.many} / {size.few}", many / few)
        keep(f"memory, problems {size.many} / {size.few}", large.memory / small.memory)

    def start(self) -> None:
        """A warm `sal run greedy --limit 1`, against one bare request; the CPU of `sal --help`."""
        keep = self._keeper("greedy")
        searched = self.search("greedy", 1, 1)
        body = {"text": self.rows[0]["question"] + "\n\n", "sampling_params": {"temperature": 0}}
        began = time.monotonic()
        subprocess.run(
            ["curl", "-s", "-d", json.dumps(body), f"{self.policy.url}/generate"],
            check=True,
            capture_output=True,
        )
        keep("start: warm greedy run, s", searched.wall)
        keep("start: one request by curl, s", time.monotonic() - began)
        keep("start: sal --help, s of CPU", _cpu_of([str(ours.SAL), "--help"]))

    def _keeper(self, strategy: str) -> Any:
        def keep(figure: str, value: float) -> None:
            self.rounds[figure][strategy].append(value)
            self.console.print(f"  {strategy:10} {figure:40} {value:.3f}", highlight=False)

        return keep

    def _accuracy(self, chosen: Sequence[str | None]) -> float:
        right = [key == row["answer"] for key, row in zip(chosen, self.rows, strict=True)]
        return float(sum(right) / len(right))


def start_servers(servers: Sequence[Server], console: Console) -> None:
    """Start the servers, telling how far each one is."""
    console.print("starting the servers")
    said: dict[str, str] = {}
    with console.status("starting the servers") as line:

        def on_status(role: str, text: str) -> None:
            said[role] = text
            line.update(", ".join(f"{role}: {text}" for role, text in said.items()))

        start_all(servers, on_status)


def _cpu_of(words: list[str]) -> float:
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def table(rounds: dict[str, dict[str, list[float]]], name: str, size: Size) -> Table:
    """Medians, with the least and the most of the rounds."""
    title = f"{name}: {size.problems} problems, budget {size.budget}, {size.rounds} rounds"
    columns = (*STRATEGIES, "greedy")
    made = Table("figure", *columns, title=title)
    for figure, by_strategy in rounds.items():
        made.add_row(figure, *(spread(by_strategy.get(column, [])) for column in columns))
    return made
