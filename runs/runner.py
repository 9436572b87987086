"""Searching many problems at once: admission, failures, grading, the journal.

Each problem is searched in a thread of its own and waits for no other. How many are searched at a
time is `sal.runs.admission`'s to say. What one problem does never ends the run: a search that fails
becomes a failed row with its reason. A fault of an endpoint, which all would meet, does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sal.programs.kv_held import kv_peak
from sal.programs.trace import SearchResult, Trace
from sal.runs.admission import Admission
from sal.runs.owed import Owed
from sal.runs.problems import Question
from sal.runs.progress import Progress
from sal.runs.results import ResultRow, failed_row
from sal.runtime.policy import is_fault
from sal.runtime.usage import Usage

SAMPLE_SECONDS = 0.125
"""Between two looks at what is in flight."""

SAMPLES_A_TICK = 2
"""A tick is a quarter of a second."""


class SearchProblem(Protocol):
    """Runs one program on one problem, whose number in the data set it is told; raises when it
    leaves no result."""

    def __call__(self, number: int, question: Question, trace: Trace) -> SearchResult: ...


class JudgeResult(Protocol):
    """Grades what a search found; never raises for what a model wrote."""

    def __call__(
        self, question: Question, result: SearchResult, cost: tuple[Usage, Usage], seconds: float
    ) -> ResultRow: ...


class RecordRow(Protocol):
    """Puts a finished problem on disk before it returns."""

    def __call__(self, number: int, row: ResultRow, trace: Trace) -> None: ...


class Abortable(Protocol):
    """What the runner needs of the two endpoints. Restarting one is their own business."""

    def check(self) -> None:
        """Called after an error: raises `ServersLost` when an endpoint no longer answers."""
        ...

    def abort(self) -> None:
        """Fail every request in flight, and every later one, at once."""
        ...


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """Seconds since the search began: no problem is admitted that would, at the typical time so
    far, end after `admit_until`; what still runs at `stop_at` is dropped."""

    admit_until: float
    stop_at: float


class Runner:
    """Searches `owed` problems (with their numbers in the data set) and records each.

    `requests` says how many are in flight at the policy's server, `admission` how many problems
    that leaves room for. `run()` blocks the main thread, which stays free for signals: a handler
    calls `interrupt()`.
    """

    def __init__(
        self,
        owed: Owed,
        *,
        search: SearchProblem,
        judge: JudgeResult,
        record: RecordRow,
        servers: Abortable,
        progress: Progress,
        admission: Admission,
        requests: Callable[[], int],
        time_limit: TimeLimit | None = None,
    ) -> None:
        self._owed = owed
        self._search = search
        self._judge = judge
        self._record = record
        self._servers = servers
        self._progress = progress
        self._admission = admission
        self._requests = requests
        self._time_limit = time_limit
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._failure: BaseException | None = None
        self.timed_out = False
        self._working = 0
        self._all_ended = threading.Event()

    def run(self, tick: Callable[[], Any] = lambda: None) -> None:
        """Search until nothing is owed, the time is over, or `interrupt()` was called.

        `tick` is called four times a second. Raises `ServersLost` when the servers are gone,
        `PolicyFault` or `EndpointError` when an endpoint is at fault, and whatever a thread of ours
        raised that was not a search's own failure.
        """
        seen = self._progress.seconds
        looks = 0
        while self._start_threads():
            self._all_ended.wait(SAMPLE_SECONDS)
            before, seen = seen, self._progress.seconds
            self._admission.sample(self._requests(), *self._progress.running(), seen - before)
            looks += 1
            if looks % SAMPLES_A_TICK:
                continue
            tick()
            if self._time_limit and self._progress.seconds > self._time_limit.stop_at:
                self.timed_out = True
                self.interrupt()
        tick()
        if self._failure is not None:
            raise self._failure

    def _start_threads(self) -> bool:
        """As many as there is room for; whether any is at work."""
        with self._lock:
            if (left := len(self._owed)) and not self._cancelled.is_set() and not self.timed_out:
                new = min(self._admission.problems - self._working, left)
                self._all_ended.clear()
                for _ in range(new):
                    threading.Thread(target=self._work, name="problem", daemon=True).start()
                    self._working += 1
            return self._working > 0

    def interrupt(self) -> None:
        """Admit nothing more and drop what is in flight; what is finished is recorded."""
        if not self._cancelled.is_set():
            self._cancelled.set()
            self._servers.abort()

    def stop(self, error: BaseException) -> None:
        """A full disk, servers lost: the run stops, resumable, and `run` raises the first of these.

        Called from any thread.
        """
        with self._lock:
            self._failure = self._failure or error
        self.interrupt()

    def _work(self) -> None:
        try:
            while (next := self._admit()) is not None:
                self._one(*next)
        except BaseException as error:
            self.stop(error)
        finally:
            with self._lock:
                self._working -= 1
                if not self._working:
                    self._all_ended.set()

    def _admit(self) -> tuple[int, Question] | None:
        with self._lock:
            if self._cancelled.is_set() or self.timed_out or not len(self._owed):
                return None
            if self._working > self._admission.problems:
                return None
            if self._time_limit is not None:
                typical = self._progress.typical_seconds() or 0.0
                if self._progress.seconds + typical > self._time_limit.admit_until:
                    self.timed_out = True
                    return None
            try:
                return self._owed.popleft()
            except IndexError:
                return None

    def _one(self, number: int, question: Question) -> None:
        trace = Trace()
        self._progress.begin(question.id, trace)
        began = self._progress.seconds
        result: SearchResult | None = None
        reason = ""
        try:
            result = self._search(number, question, trace)
        except Exception as error:  # a bad problem is data, not a crash
            if is_fault(error):  # every problem would meet it: none is recorded as failed for it
                self._progress.drop(question.id)
                raise
            reason = f"{type(error).__name__}: {error}"
        if result is None or result.errors:
            if self._cancelled.is_set():
                self._progress.drop(question.id)
                return
            self._servers.check()  # what a dying server left undone is owed, not failed
        seconds = self._progress.seconds - began + trace.earlier_seconds
        cost = (trace.policy, trace.prm)
        if result is not None and result.completions:
            trace.phase = "grade"
            row = self._judge(question, result, cost, seconds)
        else:
            errors = result.errors if result is not None else ()
            capped = result is not None and result.capped
            nothing = "no completion" + " before a cap was reached" * capped
            row = failed_row(
                question.id,
                question.text,
                " or ".join(question.answers),
                reason or "; ".join(dict.fromkeys(errors)) or nothing,
                policy=trace.policy,
                prm=trace.prm,
                seconds=seconds,
                errors=errors,
                unspent=result.unspent if result is not None else 0,
                capped=capped,
                kv_peak=kv_peak(trace.nodes),
            )
        self._record(number, row, trace)
        self._progress.finish(row)
