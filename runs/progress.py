"""What a run has done so far, safe to read from another thread (a live display polls it)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sal.programs.trace import Trace
from sal.runs.results import ResultRow
from sal.runtime.usage import Usage


@dataclass(frozen=True, slots=True)
class InFlight:
    """A problem that is being searched: the program's phase, nodes so far, seconds so far."""

    id: str
    phase: str
    nodes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A problem that is done; `correct` by the rule of its strategy."""

    id: str
    correct: bool
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a run. `seconds`, usage and `finished` are of this session alone.

    `done` and `failed` include problems of earlier sessions. `accuracy` is that of the strategy's
    own rule over all that is done, None before the first. `eta` is in seconds, None while unknown;
    `limited` when it is the run's time limit that comes first, and not the last problem.
    """

    total: int
    done: int
    failed: int
    accuracy: float | None
    seconds: float
    eta: float | None
    policy: Usage
    prm: Usage
    in_flight: tuple[InFlight, ...]
    finished: tuple[Finished, ...]
    limited: bool = False


class Progress:
    """Written by the runner's threads; `snapshot()` is consistent.

    `until`: seconds after which a time limit ends the run.
    """

    def __init__(
        self,
        total: int,
        earlier: Iterable[ResultRow] = (),
        *,
        until: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._started = clock()
        self._total = total
        self._until = until
        self._in_flight: dict[str, tuple[float, Trace]] = {}
        self._finished: list[Finished] = []
        self._done = self._failed = self._correct = 0
        self._policy = self._prm = Usage()
        for row in earlier:
            self._count(row)

    @property
    def seconds(self) -> float:
        """Since the search began."""
        return self._clock() - self._started

    def begin(self, problem_id: str, trace: Trace) -> None:
        with self._lock:
            self._in_flight[problem_id] = (self._clock(), trace)

    def finish(self, row: ResultRow) -> None:
        with self._lock:
            self._in_flight.pop(row.id, None)
            self._count(row)
            self._policy += row.policy
            self._prm += row.prm
            self._finished.append(Finished(row.id, row.right, row.seconds, row.error))

    def drop(self, problem_id: str) -> None:
        """A search that was cut short: it is owed, and counts as nothing."""
        with self._lock:
            self._in_flight.pop(problem_id, None)

    def running(self) -> tuple[int, int]:
        """How many problems are being searched, and how many of them had no reply yet."""
        with self._lock:
            traces = [trace for _, trace in self._in_flight.values()]
        return len(traces), sum(not (trace.nodes or trace.policy.requests) for trace in traces)

    def typical_seconds(self) -> float | None:
        """The mean time of a problem in this session, None before the first has finished."""
        with self._lock:
            if not self._finished:
                return None
            return sum(item.seconds for item in self._finished) / len(self._finished)

    def snapshot(self) -> Snapshot:
        with self._lock:
            now = self._clock()
            seconds = now - self._started
            running = list(self._in_flight.items())
            eta = self._eta(seconds, len(running))
            left = None if self._until is None else max(0.0, self._until - seconds)
            limited = left is not None and (eta is None or left < eta)
            return Snapshot(
                total=self._total,
                done=self._done,
                failed=self._failed,
                accuracy=self._correct / self._done if self._done else None,
                seconds=seconds,
                eta=left if limited else eta,
                policy=sum((trace.policy for _, (_, trace) in running), self._policy),
                prm=sum((trace.prm for _, (_, trace) in running), self._prm),
                in_flight=tuple(
                    InFlight(id, trace.phase, len(trace.nodes), now - began)
                    for id, (began, trace) in running
                ),
                finished=tuple(self._finished),
                limited=limited,
            )

    def _eta(self, seconds: float, running: int) -> float | None:
        here = len(self._finished)
        if not here:
            return None
        owed = self._total - self._done
        typical = sum(item.seconds for item in self._finished) / here
        # The first to finish says little of the rate, but how long those beside it will take.
        return min(seconds / here * owed, typical * max(1.0, owed / max(1, running)))

    def _count(self, row: ResultRow) -> None:
        self._done += 1
        self._failed += bool(row.error)
        self._correct += row.right
