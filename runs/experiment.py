"""An experiment: recipes, searched one after the other on the same servers, resumable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from sal.grading.graders import make_grader
from sal.grading.pool import GradingPool
from sal.runs.collector import collect_rarely
from sal.runs.display import Begun, RunDisplay
from sal.runs.endpoints import RunEndpoints
from sal.runs.errors import ServersLost
from sal.runs.execute import Outcome, execute
from sal.runs.folder import RunFolder
from sal.runs.live import TIME_LIMIT, LiveFile
from sal.runs.outlook import seconds_left
from sal.runs.planned_run import PlannedRun
from sal.runs.pulse import Pulse
from sal.runs.runner import TimeLimit
from sal.runs.snapshot import Snapshot
from sal.runs.summary import Summary
from sal.runtime.access import Access
from sal.runtime.client import Engine
from sal.runtime.placement import beside
from sal.runtime.plan import Plan, Role
from sal.runtime.session import Servers


class Interruption(Protocol):
    """How a user's wish to stop arrives: as a KeyboardInterrupt, or in `asked` while deferred."""

    asked: bool

    def deferred(self) -> AbstractContextManager[None]:
        """Within, nothing is raised."""
        ...


Execute = Callable[..., Outcome]
"""As `sal.runs.execute.execute`."""

Elsewhere = Callable[[PlannedRun, RunFolder, LiveFile], Outcome]
"""Has a run searched by others, into its folder."""


class Experiment:
    """Runs that share their servers, their grader and their display, which live as long as it does.

    Each run lives in its own folder: what a killed experiment has finished is not searched again.
    What is finished already is known from the start, in `outcomes`; when nothing is owed, no server
    is started and none is asked. Each run has clients of its own, made by `client` with the
    `access` of its role, and so counts its own requests. `time_limit` is asked when a run's search
    begins, `begun` before, where these runs are a part of something larger. A run is searched by
    `execute` on this machine, or with `elsewhere` by that, and no server is started here.

    Raises `FolderError` for a folder that a run cannot be in.
    """

    def __init__(
        self,
        runs: Sequence[PlannedRun],
        plan: Plan,
        *,
        display: RunDisplay,
        interruption: Interruption,
        client: Callable[[str, Access], Engine] = Engine,
        access: Mapping[Role, Access] | None = None,
        time_limit: Callable[[], TimeLimit | None] = lambda: None,
        begun: Callable[[PlannedRun], Begun] | None = None,
        execute: Execute = execute,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.runs = list(runs)
        self.outcomes: dict[Path, Outcome] = {}
        self._plan = plan
        self._display = display
        self._interruption = interruption
        self._client = client
        self._access = access
        self._time_limit = time_limit
        self._begun = begun or self._place
        self._execute = execute
        self._elsewhere = elsewhere
        for run in self.runs:
            summary, damaged = run.look()
            if damaged:
                lines = f"line{'s' * (len(damaged) > 1)} {', '.join(map(str, damaged))}"
                display.note(f"{run.path}/journal.jsonl: {lines} damaged, and passed over")
            if summary is not None:
                self.outcomes[run.path] = Outcome(summary, interrupted=False, timed_out=False)

    @property
    def owed(self) -> list[PlannedRun]:
        """The runs that have not come to their end."""
        return [
            run
            for run in self.runs
            if run.path not in self.outcomes or self.outcomes[run.path].interrupted
        ]

    @property
    def summaries(self) -> dict[Path, Summary]:
        """Of the runs that have, by their folders."""
        owed = {run.path for run in self.owed}
        return {p: outcome.summary for p, outcome in self.outcomes.items() if p not in owed}

    def run(self, only: Sequence[PlannedRun] | None = None) -> None:
        """Search until nothing is owed, or nothing of `only`, which are owed.

        Raises KeyboardInterrupt when asked to stop, after the run at work has written its results;
        `ServersLost`, `LaunchError`, `EndpointError`, `PolicyFault`, or OSError when a folder
        cannot be written.
        """
        with ExitStack() as stack:
            shared: tuple[Servers, GradingPool] | None = None
            for run in self.owed if only is None else only:
                self._display.begin(self._begun(run))
                try:
                    with run.open() as folder, LiveFile(run.path) as live:
                        if self._elsewhere is not None:
                            self._ended(run, live, self._elsewhere(run, folder, live))
                            continue
                        if shared is None:  # not before the first run's folder is known to be ours
                            shared = (self._servers(stack), stack.enter_context(GradingPool()))
                            collect_rarely()
                        self._search(run, folder, live, *shared)
                finally:
                    self._display.close()

    def _place(self, run: PlannedRun) -> Begun:
        left = seconds_left(self.owed, self.runs, self.summaries)
        return Begun(run.name, run.path, self.runs.index(run) + 1, len(self.runs), left)

    def _servers(self, stack: ExitStack) -> Servers:
        servers = Servers(
            self._plan, on_status=self._display.status, client=self._client, access=self._access
        )
        return stack.enter_context(servers)

    def _search(
        self,
        run: PlannedRun,
        folder: RunFolder,
        live: LiveFile,
        servers: Servers,
        pool: GradingPool,
    ) -> None:
        recipe = run.prepared.recipe
        grader = make_grader(recipe.grader, pool=pool, flexible=recipe.extract == "flexible")
        needed: list[Role] = ["policy"]
        if recipe.prm is not None and "prm" in {*self._plan.servers, *self._plan.urls}:
            needed.append("prm")
        servers.connect(needed)
        if servers.failed:  # between two runs
            raise ServersLost(servers.failed)
        if not servers.empty_caches():
            folder.note_warm()
        endpoints = RunEndpoints(servers, recipe)
        for note in endpoints.notes:
            self._display.note(note)

        def tick(seen: Snapshot) -> None:
            moment = replace(seen, retrying=endpoints.retrying())
            self._display.update(moment)
            live.update(moment)

        pulse = Pulse(servers.policy.generated)
        with (
            closing(grader),
            closing(endpoints),
            self._interruption.deferred(),
            beside(servers.policy),
            pulse,
        ):
            outcome = self._execute(
                run.prepared,
                folder,
                endpoints,
                grader,
                requests=lambda: servers.policy.in_flight,
                tick=tick,
                interrupted=lambda: self._interruption.asked,
                time_limit=self._time_limit(),
                retry_failed=run.retry_failed,
                written=lambda: pulse.written,
            )
        if grader.note:
            self._display.note(grader.note)
        self._ended(run, live, outcome)

    def _ended(self, run: PlannedRun, live: LiveFile, outcome: Outcome) -> None:
        self.outcomes[run.path] = outcome
        if outcome.interrupted:
            raise KeyboardInterrupt
        if outcome.timed_out:
            live.end(TIME_LIMIT)
