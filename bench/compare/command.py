"""The command: plan, run what is owed, write and print the tables."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import bench.compare
from bench import ours
from bench.compare.comparing import comparison_of
from bench.compare.shared import Replies, SharedEngine
from sal.cli.display.choose import choose_display
from sal.cli.display.words import duration
from sal.cli.interrupt import EXIT_CODE, Interrupt
from sal.reports.comparison_tables import markdown
from sal.runs.errors import RunError, ServersLost
from sal.runs.experiment import Experiment
from sal.runs.planned_run import PlannedRun, plan_runs
from sal.runs.problems import TINY
from sal.runs.recipe import installed_versions
from sal.runs.registry import summaries
from sal.runs.server_plan import plan_servers
from sal.runs.settings import Settings
from sal.runtime.endpoint_errors import EndpointError, LaunchError
from sal.runtime.hardware import detect
from sal.runtime.plan import Plan, Role
from sal.runtime.policy import PolicyFault

Runs = Sequence[PlannedRun]
Urls = Mapping[Role, str]

PROBLEMS = 200
BUDGETS = (4, 16, 64)
REPORT = Path(__file__).resolve().parents[1]
"""`bench/`, where the tables of the whole comparison are kept."""


def report(experiment: Experiment, folder: Path) -> str:
    """Write `compare.md` and `compare.json` to `folder`; returns the Markdown."""
    comparison = comparison_of(experiment.runs, experiment.summaries)
    seconds = sum(summary.seconds for summary in experiment.summaries.values())
    machine = ours.machine()
    text = (
        f"# Every strategy on the same {comparison.problems} problems\n\n"
        "The tiny suite's policy, PRM and held-out problems, its five levels in turn; every "
        "parameter at its default, seed 0. Each answer is the strategy's own choice: by the vote "
        "weighted by the PRM's score (so best-of-n is weighted Best-of-N), for deepconf by the "
        "policy's confidence, for majority and greedy by nothing; particle takes the particle that "
        "has the highest score, as its paper does, and the weighted vote over the same particles "
        "has a row of its own; so has the sample of best-of-n with the highest score (naive). All "
        "sample from one tree: the same path has the same seed, so what one strategy has asked, "
        "the next that takes its path is told from memory. Costs are those of each run by itself, "
        "from cold caches, no token of a text being read twice. ± is one standard error over "
        "problems; ▲ and ▼ are significant.\n\n"
        f"{duration(seconds)} of searching on {machine['cores']} cores ({machine['cpu']}).\n\n"
        f"{markdown(comparison)}\n"
    )
    content = {
        **comparison.as_json(),
        "machine": machine,
        "versions": installed_versions(),
        "seconds": round(seconds),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.md").write_text(text, encoding="utf-8")
    (folder / "compare.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return text


def plan(strategies: Sequence[str], budgets: Sequence[int], problems: int, folder: Path) -> Runs:
    """Every strategy at every budget on the first problems of the tiny suite."""
    tiny = Settings(strategy="", params={}, dataset=TINY, limit=problems)
    return plan_runs(tiny, strategies, budgets, folder, gpu=False)


def compare(runs: Runs, interrupt: Interrupt, urls: Urls | None = None) -> Experiment:
    """Do what is owed, on the servers at `urls`, or on warm or new ones of the tiny suite."""
    replies: Replies = {}
    recipes = [run.prepared.recipe for run in runs]
    servers = plan_servers(recipes, detect()) if urls is None else Plan(urls=dict(urls))
    experiment = Experiment(
        runs,
        servers,
        display=choose_display("auto"),
        interruption=interrupt,
        client=partial(SharedEngine, replies=replies),
    )
    experiment.run()
    return experiment


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "compare", description=(bench.compare.__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("--problems", type=_number, default=PROBLEMS)
    parser.add_argument("--budgets", type=_numbers, default=BUDGETS, metavar="N,N,...")
    said = parser.parse_args(arguments)
    folder = Path("runs-out", "compare", f"{said.problems}-problems")
    whole = (said.problems, said.budgets) == (PROBLEMS, BUDGETS)
    with Interrupt() as interrupt:
        try:
            runs = plan(list(summaries()), said.budgets, said.problems, folder)
            experiment = compare(runs, interrupt)
        except KeyboardInterrupt:
            print("compare: interrupted; `just compare` goes on", file=sys.stderr)
            return EXIT_CODE
        except (ServersLost, LaunchError, EndpointError, PolicyFault, OSError) as error:
            print(f"compare: {error}\n`just compare` goes on", file=sys.stderr)
            return 1
        except RunError as error:
            print(f"compare: {error}", file=sys.stderr)
            return 2
    print(report(experiment, REPORT if whole else folder))
    return 1 if any(summary.failed for summary in experiment.summaries.values()) else 0


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted({_number(part) for part in text.split(",")}))
