"""What a run has done so far, safe to read from another thread (a live display polls it)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from sal.programs.trace import ROLLOUT, Trace
from sal.runs.results import ResultRow
from sal.runs.snapshot import Finished, InFlight, Snapshot, Spent
from sal.runtime.usage import Usage

LATEST = 5_000
"""Finished problems that are told one by one: more than end between two looks at them."""

RATE_SECONDS = 15.0
"""The rate of tokens is that of the last seconds: it falls when nothing moves any more."""


@dataclass(slots=True)
class Done:
    """What finished problems come to; `right` counts those whose chosen answer is."""

    problems: int = 0
    failed: int = 0
    right: int = 0
    policy: Usage = Usage()
    prm: Usage = Usage()

    @classmethod
    def of(cls, rows: Iterable[ResultRow]) -> Self:
        """Of all `rows`."""
        done = cls()
        for row in rows:
            done.add(row)
        return done

    def add(self, row: ResultRow) -> None:
        """One more; where that raises, for a damaged row, nothing is counted."""
        policy, prm = self.policy + row.policy, self.prm + row.prm
        self.right += row.right
        self.policy, self.prm = policy, prm
        self.problems += 1
        self.failed += bool(row.error)

    def __add__(self, other: Done) -> Done:
        return Done(
            self.problems + other.problems,
            self.failed + other.failed,
            self.right + other.right,
            self.policy + other.policy,
            self.prm + other.prm,
        )


class _Running:
    """A search under way: since when, and its completions so far, each node looked at once."""

    def __init__(self, began: float, trace: Trace) -> None:
        self.began = began
        self.trace = trace
        self._seen = self._ended = 0

    def ended(self, budget: int) -> int:
        """Completions, at most `budget`: a search may finish more than it keeps."""
        new = self.trace.nodes[self._seen :]
        self._seen += len(new)
        self._ended += sum(
            n.finish not in ("separator", "cut") and n.id[-1:] != (ROLLOUT,) for n in new
        )
        return min(self._ended, budget)


class Progress:
    """Written by the runner's threads; `snapshot()` is consistent.

    `until`: seconds after which a time limit ends the run. `budget`: completions that a problem may
    have. `written`: tokens that the policy's server has generated in this session, if it tells.
    `earlier` are the rows of earlier sessions, or what they come to; those searched for `before`
    seconds.
    """

    def __init__(
        self,
        total: int,
        earlier: Iterable[ResultRow] | Done = (),
        *,
        until: float | None = None,
        budget: int = 1,
        before: float = 0.0,
        written: Callable[[], int | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._started = clock()
        self._total = total
        self._until = until
        self._budget = budget
        self._written = written
        self._lately: deque[tuple[float, int]] = deque()
        self._in_flight: dict[str, _Running] = {}
        self._finished: deque[Finished] = deque(maxlen=LATEST)
        self._seconds = 0.0
        self._recalled = 0
        self._before = earlier if isinstance(earlier, Done) else Done.of(earlier)
        self._here = Done()
        self._earlier = Spent(before, self._before.policy, self._before.prm)

    @property
    def seconds(self) -> float:
        """Since the search began."""
        return self._clock() - self._started

    def begin(self, problem_id: str, trace: Trace) -> None:
        with self._lock:
            self._in_flight[problem_id] = _Running(self._clock(), trace)

    def finish(self, row: ResultRow) -> None:
        with self._lock:
            search = self._in_flight.pop(row.id, None)
            self._recalled += _recalled(search)
            self._here.add(row)
            self._seconds += row.seconds
            self._finished.append(Finished(row.id, row.right, row.seconds, row.error))

    def drop(self, problem_id: str) -> None:
        """A search that was cut short: it is owed, and counts as nothing."""
        with self._lock:
            self._in_flight.pop(problem_id, None)

    def running(self) -> tuple[int, int]:
        """How many problems are being searched, and how many of them had no reply yet."""
        with self._lock:
            traces = [search.trace for search in self._in_flight.values()]
        return len(traces), sum(not (trace.nodes or trace.policy.requests) for trace in traces)

    def typical_seconds(self) -> float | None:
        """The mean time of a problem in this session, None before the first has finished."""
        with self._lock:
            return self._seconds / self._here.problems if self._here.problems else None

    def snapshot(self) -> Snapshot:
        with self._lock:
            now = self._clock()
            seconds = now - self._started
            running = list(self._in_flight.items())
            ended = {id: search.ended(self._budget) for id, search in running}
            done = self._before + self._here
            here = sum(ended.values())
            here += self._here.problems * self._budget
            policy = sum((search.trace.policy for _, search in running), self._here.policy)
            recalled = self._recalled + sum(_recalled(search) for _, search in running)
            written, rate = self._tokens(seconds, policy, recalled)
            eta = self._eta(seconds, len(running), here)
            left = None if self._until is None else max(0.0, self._until - seconds)
            limited = left is not None and (eta is None or left < eta)
            return Snapshot(
                total=self._total,
                done=done.problems,
                failed=done.failed,
                accuracy=done.right / done.problems if done.problems else None,
                seconds=seconds,
                eta=left if limited else eta,
                policy=policy,
                prm=sum((search.trace.prm for _, search in running), self._here.prm),
                in_flight=tuple(
                    InFlight(
                        id,
                        s.trace.phase,
                        len(s.trace.nodes),
                        now - s.began,
                        ended[id],
                        s.trace.policy,
                        s.trace.prm,
                    )
                    for id, s in running
                ),
                finished=tuple(self._finished),
                older=self._here.problems - len(self._finished),
                limited=limited,
                ended=here + self._before.problems * self._budget,
                allowed=self._total * self._budget,
                written=written,
                rate=rate,
                earlier=self._earlier,
            )

    def _tokens(
        self, seconds: float, policy: Usage, recalled: int
    ) -> tuple[int | None, float | None]:
        """Generated so far, and a second lately: by the server, or by the replies if that is more.

        The server's counter is behind by some seconds; what is shared with others is ahead.
        """
        replies = policy.completion_tokens
        told = [self._written(), None if replies is None else replies - recalled]
        known = [count for count in told if count is not None]
        if not known:
            return None, None
        written = max(known)
        self._lately.append((seconds, written))
        while len(self._lately) > 2 and self._lately[1][0] <= seconds - RATE_SECONDS:
            self._lately.popleft()
        since, before = self._lately[0]
        return written, (written - before) / (seconds - since) if seconds > since else None

    def _eta(self, seconds: float, running: int, ended: int) -> float | None:
        here = self._here.problems
        owed = self._total - self._before.problems - here
        if not here:
            if not ended:
                return None
            # As below, of completions: none took longer than all the time until now.
            by_rate = seconds / ended * (owed * self._budget - ended)
            return min(by_rate, seconds * max(1.0, owed / max(1, running)))
        typical = self._seconds / here
        # The first to finish says little of the rate, but how long those beside it will take.
        return min(seconds / here * owed, typical * max(1.0, owed / max(1, running)))


def _recalled(search: _Running | None) -> int:
    """Tokens of its usage that earlier sessions had the policy write."""
    return 0 if search is None else search.trace.earlier.completion_tokens or 0
