"""`just bench-gpu`: the figures of `just bench` and the hours of MATH-500, on a GPU.

The policy has the shape of Llama-3.2-1B and the PRM that of an 8B, with random weights; solutions
have recorded lengths (`bench.vocabulary` says how). `sal run`, lockstep, the stock frontend and
both servers run unchanged. Without a GPU the same runs on the CPU with tiny shapes and short
steps, to show that it works; its figures are kept nowhere.

Each part is saved when it is measured. Started again on the same machine with the same versions,
the benchmark goes on behind the parts that it has.
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import ours, projection
from bench.figures import STRATEGIES, Bench, Size, start_servers, table
from bench.lengths import Lengths, load
from bench.parts import Part, run
from bench.projection import Measured
from bench.shapes import LLAMA_3_1_8B, LLAMA_3_2_1B, TINY, Shapes, plan_servers
from bench.vocabulary import Vocabulary
from sal.runs.recipe import installed_versions
from sal.runtime.client import Engine
from sal.runtime.hardware import Hardware, detect
from sal.runtime.launch import Server, stop_all

HERE = Path(__file__).resolve().parent
SEED = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """What is served, how much is searched, and the problems and N that are projected from."""

    shapes: Shapes
    size: Size
    projected: int
    budget: int

    @property
    def most_problems(self) -> int:
        return max(self.size.problems, self.size.few, self.size.many, self.projected)


def on_gpu() -> Setting:
    """Meant for about 20 minutes on an H100. 512 tokens bound one step; 8 words for each place."""
    return Setting(
        Shapes(LLAMA_3_2_1B, LLAMA_3_1_8B, load().capped(512), variants=8),
        Size(problems=4, budget=64, rounds=3, few=4, many=16, narrow=16, wide=64),
        projected=4,
        budget=projection.BUDGET,
    )


def on_cpu() -> Setting:
    """Steps of an eighth of their length; minutes on 2 cores."""
    return Setting(
        Shapes(TINY, TINY, load().shrunk(8).capped(32), variants=2),
        Size(problems=2, budget=8, rounds=1, few=2, many=4, narrow=4, wide=8),
        projected=2,
        budget=16,
    )


@dataclass(slots=True)
class Results:
    """What is measured so far; `path` is written after each part, unless it is None.

    `complete` once nothing is owed: a later run then measures all anew.
    """

    path: Path | None
    about: dict[str, Any]
    done: list[str] = field(default_factory=list)
    rounds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    projected: dict[str, Measured] = field(default_factory=dict)
    complete: bool = False

    @classmethod
    def resume(cls, path: Path | None, about: dict[str, Any]) -> Results:
        """What `path` holds, if it is of the same machine, versions and size, and incomplete."""
        results = cls(path, about)
        if path is not None and path.exists():
            saved = json.loads(path.read_text())
            if saved["about"] == json.loads(json.dumps(about)) and not saved["complete"]:
                results.done = saved["done"]
                results.rounds = saved["rounds"]
                results.projected = {
                    strategy: Measured.from_json(row)
                    for strategy, row in saved["projection"].items()
                }
        return results

    def add(self, part: Part, rounds: Mapping[str, Mapping[str, list[float]]]) -> None:
        """Keep what there is after `part`."""
        self.done.append(part.name)
        self.rounds = {figure: dict(values) for figure, values in rounds.items()}
        self.save()

    def save(self) -> None:
        """Write all of it, or leave what was there."""
        if self.path is None:
            return
        content = {
            "about": self.about,
            "complete": self.complete,
            "done": self.done,
            "projection": {s: measured.as_json() for s, measured in self.projected.items()},
            "rounds": self.rounds,
        }
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(content, indent=1) + "\n")
        new.replace(self.path)


def measure(setting: Setting, hardware: Hardware, results: Results, console: Console) -> None:
    """Start the servers, and measure what `results` does not hold yet."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy_folder, prm_folder = setting.shapes.write(folder)
        problems = folder / "problems.jsonl"
        write_problems(
            problems, setting.most_problems, setting.shapes.lengths, setting.shapes.vocabulary
        )
        specs = plan_servers(hardware, policy_folder, prm_folder)
        for spec in specs:
            console.print(f"{spec.role}: {'; '.join(spec.reasons)}", highlight=False)
        servers = [Server(spec, folder / "logs") for spec in specs]
        start_servers(servers, console)
        try:
            with Engine(servers[0].url) as policy, Engine(servers[1].url) as prm:
                suite = ours.Suite(policy_folder, problems, str(problems))
                bench = Bench(policy, prm, setting.size, console, suite)
                for figure, by_strategy in results.rounds.items():
                    bench.rounds[figure].update(by_strategy)

                def project(strategy: str) -> None:
                    searched = bench.search(strategy, setting.projected, setting.budget)
                    measured = Measured.of(searched, setting.projected, setting.budget)
                    results.projected[strategy] = measured
                    console.print(f"  {strategy:10} hours of MATH-500 {measured.hours:.3g}")

                parts = [
                    Part(f"projection: {s}", "projection", partial(project, s)) for s in STRATEGIES
                ]
                parts += bench.parts()
                owed = [part for part in parts if part.name not in results.done]
                run(owed, console, after=lambda part: results.add(part, bench.rounds))
        finally:
            stop_all(servers)
    results.complete = True
    results.save()


def write_problems(path: Path, number: int, lengths: Lengths, vocabulary: Vocabulary) -> None:
    """Questions of recorded lengths, in words of the policy; the answer is a digit."""
    draw = random.Random(SEED)
    tokens = draw.choices([*lengths.question_tokens], [*lengths.question_tokens.values()], k=number)
    words = vocabulary.spelled[vocabulary.words :]
    rows = [
        {
            "id": f"drawn-{i}",
            "question": "".join(draw.choices(words, k=count)),
            "answer": str(draw.randrange(10)),
        }
        for i, count in enumerate(tokens)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def main(arguments: list[str]) -> int:
    if arguments:
        print("bench-gpu takes no arguments", file=sys.stderr)
        return 2
    console, hardware = Console(stderr=True), detect()
    real = bool(hardware.gpus)
    setting = on_gpu() if real else on_cpu()
    machine = ours.machine()
    name, path = machine["cpu"], None
    if real:
        name = machine["gpu"] = hardware.gpus[0].name
        path = HERE / f"results-gpu-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.json"
    else:
        console.print("no GPU: tiny shapes on the CPU, which say nothing of a GPU; nothing is kept")
    about = {
        "machine": machine,
        "versions": installed_versions(),
        "size": {**asdict(setting.size), "projected": setting.projected, "at": setting.budget},
    }
    results = Results.resume(path, about)
    measure(setting, hardware, results, console)
    out = Console(width=120)
    out.print(table(results.rounds, name, setting.size))
    out.print(projection.table(results.projected, name, real=real))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
