"""Does the runs that are owed, one after the other, on one pair of servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.compare.planned import Planned
from bench.compare.shared import Replies, SharedEngine
from sal.cli.display.interface import Display
from sal.cli.display.words import duration
from sal.cli.interrupt import Interrupt
from sal.grading.grader import Grader
from sal.reports.comparison import Arm, Comparison
from sal.runs.endpoints import RunEndpoints
from sal.runs.execute import execute
from sal.runs.folder import RunFolder
from sal.runs.results import Summary
from sal.runtime.placement import beside
from sal.runtime.plan import Plan, Role
from sal.runtime.session import Servers

REFERENCES = ("majority", "best-of-n")

BY_OTHER_RULES: dict[str, dict[str, str]] = {"best-of-n": {"best-of-n, naive": "naive"}}
"""The same run, decided in another way too. All else is by the weighted vote, which is the
majority's where nothing weighs the completions."""

Urls = Mapping[Role, str]


class Comparing:
    """Does what is owed of `planned`, and says what is done and how long the rest may take."""

    def __init__(
        self, planned: Sequence[Planned], interrupt: Interrupt, display: Callable[[], Display]
    ) -> None:
        self.planned = planned
        self.summaries: dict[Path, Summary] = {}
        self._interrupt = interrupt
        self._display = display
        replies: Replies = {}
        self._client = partial(SharedEngine, replies=replies)
        for run in planned:
            summary = run.done()
            if summary is not None:
                self.summaries[run.path] = summary

    @property
    def owed(self) -> list[Planned]:
        return [run for run in self.planned if run.path not in self.summaries]

    def run(self, urls: Urls) -> None:
        """Search until nothing is owed. Raises KeyboardInterrupt when asked to stop."""
        with Grader() as grader:
            for run in self.owed:
                self._one(run, urls, grader)

    def _one(self, run: Planned, urls: Urls, grader: Grader) -> None:
        recipe = run.prepared.recipe
        needed: dict[Role, str] = {"policy": urls["policy"]}
        if recipe.prm is not None:
            needed["prm"] = urls["prm"]
        display = self._display()
        number = f"{self.planned.index(run) + 1}/{len(self.planned)}"
        display.header(f"{number}  {run.name}", self._outlook())
        try:
            with (
                RunFolder(run.path, recipe, resume=True) as folder,
                Servers(Plan(urls=needed), client=self._client) as servers,
                self._interrupt.deferred(),
                beside(servers.policy),
            ):
                outcome = execute(
                    run.prepared,
                    folder,
                    RunEndpoints(servers, recipe),
                    grader,
                    tick=display.update,
                    interrupted=lambda: self._interrupt.asked,
                )
        finally:
            display.close()
        if outcome.interrupted:
            raise KeyboardInterrupt
        self.summaries[run.path] = outcome.summary

    def _outlook(self) -> dict[str, str]:
        """From the seconds a completion of this strategy took so far, else of all."""
        seconds = work = 0.0
        rates: dict[str, float] = {}
        for run in self.planned:
            summary = self.summaries.get(run.path)
            if summary is not None and summary.budget > 1:
                rates[summary.strategy] = summary.seconds / run.work
                seconds, work = seconds + summary.seconds, work + run.work
        if not work:
            return {}
        typical = seconds / work
        left = sum(rates.get(r.prepared.recipe.strategy, typical) * r.work for r in self.owed)
        return {"left": f"about {duration(left)}"}

    def comparison(self) -> Comparison:
        """Of everything that is done."""
        arms = []
        for run in sorted(self.planned, key=self._order):
            summary = self.summaries.get(run.path)
            if summary is None:
                continue
            rows = list(run.rows())
            arms.append(Arm.of(summary.strategy, "weighted", summary, rows))
            for method, rule in BY_OTHER_RULES.get(summary.strategy, {}).items():
                arms.append(Arm.of(method, rule, summary, rows))
        present = {arm.method for arm in arms}
        return Comparison(arms, [name for name in REFERENCES if name in present])

    def _order(self, run: Planned) -> tuple[int, int]:
        names = list(dict.fromkeys(r.prepared.recipe.strategy for r in self.planned))
        return names.index(run.prepared.recipe.strategy), run.prepared.budget
