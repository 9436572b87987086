"""What a run has done so far, safe to read from another thread (a live display polls it)."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sal.programs.trace import ROLLOUT, Trace
from sal.runs.results import ResultRow
from sal.runtime.retries import Retrying
from sal.runtime.usage import Usage

RATE_SECONDS = 15.0
"""The rate of tokens is that of the last seconds: it falls when nothing moves any more."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A problem that is being searched: the program's phase, and all that it came to so far."""

    id: str
    phase: str
    nodes: int
    seconds: float
    completions: int = 0
    policy: Usage = Usage()
    prm: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Finished:
    """A problem that is done; `correct` by the rule of its strategy."""

    id: str
    correct: bool
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What a part of a run took."""

    seconds: float = 0.0
    policy: Usage = Usage()
    prm: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a run. `seconds` and `finished` are of this session alone; usage too, but for
    what earlier sessions had found out of a problem that this one went on with. `earlier` is what
    earlier ones took for what is done.

    `done` and `failed` include problems of earlier sessions. `accuracy` is that of the strategy's
    own rule over all that is done, None before the first. `eta` is in seconds, None while unknown;
    `limited` when it is the run's time limit that comes first, and not the last problem. `retrying`
    names the endpoints that fail at this moment, and what is tried again there.

    `ended` counts completions, of the `allowed` ones that all problems together may have; a problem
    that is done has all of its own. `written` are the tokens that the policy has generated in this
    session, those of replies under way too where its server tells, and `rate` how many a second
    lately; None while unknown.
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
    ended: int = 0
    allowed: int = 0
    written: int | None = None
    rate: float | None = None
    retrying: Mapping[str, Retrying] = field(default_factory=dict)
    earlier: Spent = Spent()

    @property
    def stderr(self) -> float | None:
        """Of `accuracy`, over problems; None before the second."""
        if self.accuracy is None or self.done < 2:
            return None
        return math.sqrt(self.accuracy * (1 - self.accuracy) / (self.done - 1))

    @property
    def spent(self) -> Spent:
        """By all sessions."""
        seconds = self.earlier.seconds + self.seconds
        return Spent(seconds, self.earlier.policy + self.policy, self.earlier.prm + self.prm)


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
    `earlier` are the rows of earlier sessions, which searched for `before` seconds.
    """

    def __init__(
        self,
        total: int,
        earlier: Iterable[ResultRow] = (),
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
        self._finished: list[Finished] = []
        self._done = self._failed = self._correct = 0
        self._policy = self._prm = Usage()
        self._recalled = 0
        earlier = list(earlier)
        for row in earlier:
            self._count(row)
        self._earlier = Spent(
            before,
            sum((row.policy for row in earlier), Usage()),
            sum((row.prm for row in earlier), Usage()),
        )

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
            traces = [search.trace for search in self._in_flight.values()]
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
            ended = {id: search.ended(self._budget) for id, search in running}
            here = sum(ended.values())
            here += len(self._finished) * self._budget
            policy = sum((search.trace.policy for _, search in running), self._policy)
            recalled = self._recalled + sum(_recalled(search) for _, search in running)
            written, rate = self._tokens(seconds, policy, recalled)
            eta = self._eta(seconds, len(running), here)
            left = None if self._until is None else max(0.0, self._until - seconds)
            limited = left is not None and (eta is None or left < eta)
            return Snapshot(
                total=self._total,
                done=self._done,
                failed=self._failed,
                accuracy=self._correct / self._done if self._done else None,
                seconds=seconds,
                eta=left if limited else eta,
                policy=policy,
                prm=sum((search.trace.prm for _, search in running), self._prm),
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
                limited=limited,
                ended=here + (self._done - len(self._finished)) * self._budget,
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
        here = len(self._finished)
        owed = self._total - self._done
        if not here:
            if not ended:
                return None
            # As below, of completions: none took longer than all the time until now.
            by_rate = seconds / ended * (owed * self._budget - ended)
            return min(by_rate, seconds * max(1.0, owed / max(1, running)))
        typical = sum(item.seconds for item in self._finished) / here
        # The first to finish says little of the rate, but how long those beside it will take.
        return min(seconds / here * owed, typical * max(1.0, owed / max(1, running)))

    def _count(self, row: ResultRow) -> None:
        self._done += 1
        self._failed += bool(row.error)
        self._correct += row.right


def _recalled(search: _Running | None) -> int:
    """Tokens of its usage that earlier sessions had the policy write."""
    return 0 if search is None else search.trace.earlier.completion_tokens or 0
