"""Searching the cells of a sweep: each pair of models served once, and nothing asked twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sal.runs.display import Begun, RunDisplay
from sal.runs.experiment import Elsewhere, Experiment, Interruption
from sal.runs.outlook import seconds_left
from sal.runs.planned_run import PlannedRun
from sal.runs.summary import Summary
from sal.runs.sweep.cells import Cell
from sal.runs.sweep.revote import families, vote_again
from sal.runtime.access import Access
from sal.runtime.client import Engine
from sal.runtime.plan import Plan, Role
from sal.runtime.shared import Replies, SharedEngine

Models = tuple[str, str | None]
"""A policy and a PRM."""


def served_together(cells: Sequence[Cell]) -> dict[Models, list[Cell]]:
    """Cells by the pair of models that they need, in their order.

    What needs no PRM joins the first pair of its policy.
    """
    pairs: dict[str, str | None] = {}
    for cell in cells:
        if pairs.get(cell.policy) is None:
            pairs[cell.policy] = cell.prm
    groups: dict[Models, list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.policy, cell.prm or pairs[cell.policy]), []).append(cell)
    return groups


class Sweep:
    """Runs in groups, each on the servers of its plan: those of one end before the next begins.

    What a killed sweep has finished is not searched again. Of runs that differ in an aggregate by
    which independent samples are weighed, one is searched, and the others vote again over what it
    found. Raises `FolderError` for a folder that a run cannot be in.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Plan, Sequence[PlannedRun]]],
        *,
        replies: Replies,
        display: RunDisplay,
        interruption: Interruption,
        client: Callable[..., Engine] = SharedEngine,
        access: Mapping[Role, Access] | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """`client` makes the client of a URL with an `Access` and `replies`; `elsewhere` is as
        `Experiment` has it."""
        self.runs = [run for _, runs in groups for run in runs]
        self._voted: dict[Path, Summary] = {}
        self._display = display
        self._interruption = interruption
        self._client = partial(client, replies=replies)
        self._access = access
        self._elsewhere = elsewhere
        self._families = {run.path: f for f in families(self.runs) for run in f}
        self._unlike: set[Path] = set()
        """Runs that no other's votes can stand for."""
        self._experiments = [self._experiment(plan, runs) for plan, runs in groups]

    @property
    def summaries(self) -> dict[Path, Summary]:
        """Of the runs that have come to their end, by their folders."""
        found = dict(self._voted)
        for experiment in self._experiments:
            found |= experiment.summaries
        return found

    @property
    def owed(self) -> list[PlannedRun]:
        """The runs that have not."""
        done = self.summaries
        return [run for run in self.runs if run.path not in done]

    def run(self) -> None:
        """Search until nothing is owed. Raises what `Experiment.run` raises."""
        for experiment in self._experiments:
            self._vote(experiment.runs)
            while owed := [run for run in experiment.runs if self._is_searched(run)]:
                experiment.run(owed)
                self._vote(experiment.runs)

    def _experiment(self, plan: Plan, runs: Sequence[PlannedRun]) -> Experiment:
        return Experiment(
            runs,
            plan,
            display=self._display,
            interruption=self._interruption,
            client=self._client,
            access=self._access,
            begun=self._begun,
            elsewhere=self._elsewhere,
        )

    def source(self, run: PlannedRun) -> PlannedRun:
        """The run whose search `run` is decided from: itself, where it is searched."""
        family = self._families[run.path]
        if run.path in self._unlike:
            return run
        return next((r for r in family if r.path in self.summaries), family[0])

    def _is_searched(self, run: PlannedRun) -> bool:
        return run.path not in self.summaries and self.source(run) == run

    def _vote(self, runs: Sequence[PlannedRun]) -> None:
        for run in runs:
            source = self.source(run)
            if run.path in self.summaries or source.path not in self.summaries:
                continue
            with self._interruption.deferred():
                voted = vote_again(source, run)
            if not voted:
                self._unlike.add(run.path)
                continue
            summary, _ = replace(run, retry_failed=False).look()
            if summary is not None:
                self._voted[run.path] = summary
                self._display.note(f"{run.name}: from what {source.name} found")

    def _begun(self, run: PlannedRun) -> Begun:
        owed = [other for other in self.owed if self._is_searched(other)]
        left = seconds_left(owed, self.runs, self.summaries)
        return Begun(run.name, run.path, self.runs.index(run) + 1, len(self.runs), left)
