"""The command: plan, run what is owed, write and print the tables."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import bench.compare
from bench import ours
from bench.compare.comparing import Comparing, Urls
from bench.compare.planned import Planned, plan_runs
from sal.cli.display.choose import choose_display
from sal.cli.display.interface import Display
from sal.cli.display.words import duration
from sal.cli.interrupt import EXIT_CODE, Interrupt
from sal.cli.search import collect_rarely
from sal.reports.comparison_tables import markdown
from sal.runs.errors import RunError, ServersLost
from sal.runs.recipe import installed_versions
from sal.runs.registry import summaries
from sal.runtime.default_models import default_models
from sal.runtime.endpoint_errors import EndpointError, LaunchError
from sal.runtime.hardware import detect
from sal.runtime.plan import make_plan
from sal.runtime.session import Servers

PROBLEMS = 200
BUDGETS = (4, 16, 64)
REPORT = Path(__file__).resolve().parents[1]
"""`bench/`, where the tables of the whole comparison are kept."""


def report(comparing: Comparing, folder: Path) -> str:
    """Write `compare.md` and `compare.json` to `folder`; returns the Markdown."""
    comparison = comparing.comparison()
    summaries = list(comparing.summaries.values())
    seconds = sum(summary.seconds for summary in summaries)
    machine = ours.machine()
    text = (
        f"# Every strategy on the same {comparison.problems} problems\n\n"
        "The tiny suite's policy, PRM and held-out problems, its five levels in turn; every "
        "parameter at its default, seed 0. Each answer is the strategy's own vote: weighted by "
        "the PRM's score (so best-of-n is weighted Best-of-N), for deepconf by the policy's "
        "confidence, for majority by nothing; the naive row takes the sample of best-of-n that has "
        "the highest score. All sample from one tree: the same path has the same seed, so what one "
        "strategy has asked, the next that takes its path is told from memory. Costs are those of "
        "each run by itself, from cold caches, no token of a text being read twice. ± is one "
        "standard error over problems; ▲ and ▼ are significant.\n\n"
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


def compare(
    planned: Sequence[Planned], interrupt: Interrupt, urls: Urls | None = None
) -> Comparing:
    """Do what is owed, on the servers at `urls`, or on warm or new ones of the tiny suite."""

    def display() -> Display:
        return choose_display("auto")

    comparing = Comparing(planned, interrupt, display)
    if not comparing.owed:
        return comparing
    collect_rarely()
    if urls is not None:
        comparing.run(urls)
        return comparing
    plan = make_plan(detect(), *default_models(None, None))
    if set(plan.servers) != {"policy", "prm"}:
        raise RunError("this checkout has no tiny weights")
    starting = display()
    with ExitStack() as stack:
        try:
            servers = stack.enter_context(Servers(plan, on_status=starting.status))
        finally:
            starting.close()  # before a run shows itself
        assert servers.prm is not None  # noqa: S101  # it is in the plan
        comparing.run({"policy": servers.policy.url, "prm": servers.prm.url})
    return comparing


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
            planned = plan_runs(list(summaries()), said.budgets, said.problems, folder)
            comparing = compare(planned, interrupt)
        except KeyboardInterrupt:
            print("compare: interrupted; `just compare` goes on", file=sys.stderr)
            return EXIT_CODE
        except (ServersLost, LaunchError, EndpointError, OSError) as error:
            print(f"compare: {error}\n`just compare` goes on", file=sys.stderr)
            return 1
        except RunError as error:
            print(f"compare: {error}", file=sys.stderr)
            return 2
    print(report(comparing, REPORT if whole else folder))
    return 1 if any(summary.failed for summary in comparing.summaries.values()) else 0


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted({_number(part) for part in text.split(",")}))
