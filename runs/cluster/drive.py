"""A run that is searched by workers: one on each node, all fed from one queue.

A worker takes a problem when its engines have room for it, and no sooner: who is faster, or has
more of them, takes more. A worker that is gone costs what it was searching, which others search
again; a node that joins is given a worker.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from sal.programs.trace import Trace
from sal.runs.cluster.gather import Gatherer
from sal.runs.cluster.queue import Item, State
from sal.runs.errors import ServersLost
from sal.runs.execute import Outcome, session_record
from sal.runs.folder import RunFolder
from sal.runs.owed import OwedProblems, owed_problems
from sal.runs.planned_run import PlannedRun
from sal.runs.progress import Progress
from sal.runs.snapshot import Snapshot
from sal.runs.write_results import write_results
from sal.runtime.model_cost import ModelCost

AHEAD = 5_000
"""Problems that wait in the queue: more than all workers take between two looks at it."""

LOOK_S = 0.25
RETRIES = 2
"""Workers that are started again on a node on which one was lost."""

PATIENCE_S = 60.0
"""How long no node may have a worker before the run is given up, resumable."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker that is no more. `error` is what ended it, None where its queue was over; `lost`
    tells that nobody knows: its process or its node is gone."""

    worker: str
    node: str
    error: Exception | None = None
    lost: bool = False


class Cluster(Protocol):
    """Nodes on which workers can be started, and the queue that they ask.

    All that asks the queue raises `ServersLost` where that is gone.
    """

    def nodes(self) -> Collection[str]:
        """Those that live, and on which a worker can be."""
        ...

    def start(self, node: str, worker: str) -> None:
        """Start a worker there; what becomes of it `ended` tells."""
        ...

    def ended(self) -> list[Ended]:
        """Workers that ended since this was asked last."""
        ...

    def put(self, items: list[Item]) -> None: ...

    def lost(self, worker: str, recorded: list[int]) -> list[int]: ...

    def state(self) -> State: ...

    def notes(self) -> list[tuple[str, str]]: ...

    def end(self) -> None:
        """Tell the workers that nothing more comes."""
        ...

    def kill(self) -> None:
        """End all workers at once."""
        ...


@dataclass
class _Workers:
    """Who works where."""

    cluster: Cluster
    note: Callable[[str], object]
    session: int
    nodes: dict[str, str] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    refused: dict[str, Exception] = field(default_factory=dict)
    started: int = 0

    def start(self) -> None:
        """One on each node that has none, unless too many were lost there or it cannot have one."""
        for node in self.cluster.nodes():
            if node in self.nodes.values() or node in self.refused:
                continue
            if self.failures[node] > RETRIES:
                continue
            self.started += 1
            worker = f"{self.session:02d}-{self.started:03d}"
            self.nodes[worker] = node
            self.cluster.start(node, worker)

    def end(self, ended: Ended) -> None:
        """Know that one is no more."""
        self.nodes.pop(ended.worker, None)
        if ended.lost:
            self.failures[ended.node] += 1
            self.note(f"worker {ended.worker} on {ended.node} is gone: {ended.error}")
        elif ended.error is not None:
            self.refused[ended.node] = ended.error
            self.note(f"worker {ended.worker} on {ended.node} stopped: {ended.error}")


class Drive:
    """One run, from its first owed problem to its summary."""

    def __init__(
        self,
        run: PlannedRun,
        folder: RunFolder,
        cluster: Cluster,
        *,
        note: Callable[[str], object],
        tick: Callable[[Snapshot], object],
        interrupted: Callable[[], bool],
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._run, self._folder, self._cluster = run, folder, cluster
        self._note, self._tick, self._interrupted = note, tick, interrupted
        self._pause = pause
        self._gatherer = Gatherer(folder, self._say_session)
        recorded, prepared = folder.recorded, run.prepared
        total = len(prepared.problems.questions)
        rows = recorded.rows(folder.journal.records)
        self._owed: OwedProblems = owed_problems(
            prepared.problems, recorded.finished(again=run.retry_failed)
        )
        self._left = len(self._owed)
        self._recorded: set[int] = set()
        self._before = recorded.seconds()
        self._progress = Progress(
            total,
            recorded.done(
                rows, prepared.problems.questions, total - self._left, again=run.retry_failed
            ),
            budget=prepared.budget,
            before=self._before,
        )
        self._in_flight: set[str] = set()
        self._workers = _Workers(cluster, note, recorded.sessions + 1)

    def search(self) -> Outcome:
        """Until nothing is owed. Raises `ServersLost` when no worker is left, or what ended them.

        However it ends, all that was recorded anywhere is in the run's results, unless they cannot
        be written: that raises OSError, and the next session finds what workers recorded.
        """
        folder, prepared = self._folder, self._run.prepared
        alone = 0.0
        self._gatherer.begin()
        try:
            while self._left and not self._interrupted():
                self._workers.start()
                self._top_up()
                self._pause(LOOK_S)
                self._look()
                alone = 0.0 if self._workers.nodes else alone + LOOK_S
                if self._left and not self._workers.nodes:
                    self._check_hope(alone)
                self._tick(self._progress.snapshot())
        finally:
            with suppress(ServersLost):  # the queue may be what was lost
                self._cluster.end()
            if self._left:
                self._cluster.kill()
            self._gather()
            self._gatherer.clear()
            rows = folder.recorded.rows(folder.journal.records)
            seconds = self._before + self._progress.seconds
            summary = write_results(prepared, folder, rows, seconds, folder.recorded.models)
        return Outcome(summary, interrupted=self._left > 0, timed_out=False)

    def _say_session(self, models: Mapping[str, ModelCost | None]) -> None:
        session = session_record(self._run.prepared, self._before, models)
        self._folder.journal.append(session)
        self._folder.recorded.take(session)

    def _top_up(self) -> None:
        """Keep as many waiting as `AHEAD`."""
        room = AHEAD - self._cluster.state().waiting
        if len(self._owed) and room > AHEAD // 2:
            count = min(room, len(self._owed))
            self._cluster.put([self._owed.popleft() for _ in range(count)])

    def _look(self) -> None:
        ended = self._cluster.ended()  # first: what such a worker recorded is there by now
        self._gather()
        taken = self._cluster.state().taken
        for one in ended:
            self._workers.end(one)
            had = taken.get(one.worker, {})
            back = self._cluster.lost(one.worker, [n for n in had if n in self._recorded])
            if back:
                self._note(f"worker {one.worker}: {len(back)} problems go back to the queue")
        for worker, text in self._cluster.notes():
            self._note(f"worker {worker}: {text}")
        self._show(self._cluster.state().taken)

    def _gather(self) -> None:
        for number, row in self._gatherer.gather():
            if number in self._recorded:  # searched by two: the first was thought to be gone
                continue
            self._progress.finish(row)
            self._recorded.add(number)
            self._in_flight.discard(row.id)
            self._left -= 1

    def _show(self, taken: dict[str, dict[int, str]]) -> None:
        """Have the display tell which problems are searched, and where."""
        now = {
            id: worker
            for worker, items in taken.items()
            for number, id in items.items()
            if number not in self._recorded
        }
        for id in self._in_flight - now.keys():
            self._progress.drop(id)
        for id in now.keys() - self._in_flight:
            self._progress.begin(id, Trace(phase=f"worker {now[id]}"))
        self._in_flight = set(now)

    def _check_hope(self, alone: float) -> None:
        """Raises where no worker is left and none can be started."""
        workers = self._workers
        hopeful = [node for node in self._cluster.nodes() if node not in workers.refused]
        if not any(workers.failures[node] <= RETRIES for node in hopeful):
            if workers.refused:
                raise next(reversed(workers.refused.values()))
            if hopeful or alone >= PATIENCE_S:
                raise ServersLost("no worker is left: see what was said of each above")
