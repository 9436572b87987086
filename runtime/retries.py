"""Attempts of a request, with growing pauses inside a deadline, and who is to blame if all fail."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, TypeVar

from sal.runtime.endpoint_errors import EndpointError, Failing, Misread, Overloaded

T = TypeVar("T")

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
_TIMES = 3
"""What a server does this often with one request, it will go on doing."""

_FAILING_LIMIT_S = 120.0
"""How long a server may answer 5xx to everything."""

_GIVEN_UP = object()
"""Stands for the last request that was given up, until another is answered."""


class Again(Exception):
    """An attempt that failed with `error`, and that may be made again after `retry_after` s."""

    def __init__(
        self, error: EndpointError, retry_after: float = 0.0, *, timed_out: bool = False
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after
        self.timed_out = timed_out


class Retrying(NamedTuple):
    """Requests that failed, and are tried again: why the last did, how many there are, the seconds
    since the first failure, and the seconds until the first of them is given up."""

    reason: str
    requests: int
    since: float
    left: float


class Retries:
    """Of all requests to one endpoint, for any number of threads; pauses end when `closed` is set.

    What a request is worth depends on the others: a server that answers them is not at fault.
    """

    def __init__(self, closed: threading.Event) -> None:
        self._closed = closed
        self._lock = threading.Lock()
        self._jitter = random.Random(0)
        self._well = 0.0
        """When the latest of the attempts that succeeded began."""
        self._failed: dict[object, tuple[str, float, float]] = {}
        """Of requests that are tried again: why, since when, until when."""

    @property
    def now(self) -> Retrying | None:
        """What is being tried again at this moment."""
        with self._lock:
            failed = list(self._failed.values())
        if not failed:
            return None
        reason, _, _ = failed[-1]
        now = monotonic()
        return Retrying(
            reason,
            len(failed),
            now - min(since for _, since, _ in failed),
            max(0.0, min(until for _, _, until in failed) - now),
        )

    def run(self, attempt: Callable[[float], T], limit_s: float) -> T:
        """What `attempt(seconds left)` returns, which may raise `Again`.

        Raises the last one's error when `limit_s` is over, or when it would not help to go on.
        """
        began = monotonic()
        deadline = began + limit_s
        mine = object()
        first = last = 0.0
        tried = alone = damaged = 0
        try:
            while True:
                try:
                    reply = attempt(deadline - began)
                    self._well = max(self._well, began)
                    if self._failed:
                        with self._lock:
                            self._failed.pop(mine, None)
                            self._failed.pop(_GIVEN_UP, None)
                    return reply
                except Again as again:
                    failure, least = again.error, again.retry_after
                    timed_out = again.timed_out
                now = monotonic()
                if timed_out and now >= deadline:  # a reply that takes too long, or none of any
                    failure.at_fault = self._well <= (first or (began + now) / 2)
                    raise failure
                # Someone who asked after this failed last was answered: it is this request.
                alone = alone + 1 if first and self._well > last else 0
                first, last = first or now, now
                until = deadline
                if isinstance(failure, Failing):
                    until = min(deadline, first + _FAILING_LIMIT_S)
                    if alone >= _TIMES:
                        raise failure
                damaged += isinstance(failure, Misread)
                with self._lock:
                    self._failed[mine] = (str(failure), first, until)
                pause = min(_FIRST_WAIT_S * 2.0**tried, _LONGEST_WAIT_S)
                pause = max(least, pause * (0.5 + 0.5 * self._jitter.random()))
                tried += 1
                if damaged == _TIMES or now + pause >= until:
                    failure.at_fault = alone == 0 or isinstance(failure, Overloaded | Misread)
                    raise failure
                self._closed.wait(pause)
                began = monotonic()
        except BaseException as error:
            with self._lock:
                gone = self._failed.pop(mine, None)
                if gone is not None and isinstance(error, EndpointError) and error.at_fault:
                    self._failed[_GIVEN_UP] = gone
            raise
