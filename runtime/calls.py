"""The requests of one search, at whatever endpoints, so that all of them can be aborted at once.

SGLang looks every few seconds whether a client has gone. So requests are also aborted by their ids.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from time import sleep
from typing import NamedTuple, Protocol

from sal.runtime.endpoint_errors import Aborted

AGAIN_S = 0.2
"""After this long a request that was on its way to the server is known there."""


class Call(NamedTuple):
    """A request on the wire: `drop` breaks its connection, `abort` tells the server by its id."""

    id: str
    drop: Callable[[], None]
    abort: Callable[[str], None]


class Turns(Protocol):
    """When a request may go on the wire: within `large`, which calls `check` before it waits."""

    def large(self, engine: object, check: Callable[[], None]) -> AbstractContextManager[None]: ...

    def wake(self) -> None:
        """Have all that wait call their `check`."""
        ...


class Calls:
    """Those of one search. Safe to use from many threads. They wait for their `turns`, if any."""

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns
        self.aborted = False
        self._name = uuid.uuid4().hex
        self._number = 0
        self._live: dict[str, Call] = {}
        self._lock = threading.Lock()

    @contextmanager
    def one(self, drop: Callable[[], None], abort: Callable[[str], None]) -> Iterator[str]:
        """Within, a request is under way; gives the id to send. Raises `Aborted` if all are."""
        with self._lock:
            self.check()
            self._number += 1
            call = Call(f"{self._name}-{self._number}", drop, abort)
            self._live[call.id] = call
        try:
            yield call.id
        finally:
            with self._lock:
                self._live.pop(call.id, None)

    def turn(self, engine: object) -> AbstractContextManager[None]:
        """Within, a request may be on the wire to `engine`. Raises `Aborted` if all are."""
        return nullcontext() if self._turns is None else self._turns.large(engine, self.check)

    def check(self) -> None:
        """Raise `Aborted`, which ends the search, once they are aborted."""
        if self.aborted:
            raise Aborted("the search was aborted", at_fault=True)

    def abort(self) -> None:
        """Fail every request that is under way, and every later one; tell the servers. Blocks."""
        with self._lock:
            self.aborted = True
            live = list(self._live.values())
            for call in live:  # none ends meanwhile, or its connection might be another's
                call.drop()
        if self._turns is not None:
            self._turns.wake()
        for again in (False, True):
            if again and live:
                sleep(AGAIN_S)
            for call in live:
                call.abort(call.id)


CALLS: ContextVar[Calls | None] = ContextVar("calls", default=None)
"""What the requests of this thread belong to; None where nobody may abort them alone."""


@contextmanager
def belonging_to(calls: Calls) -> Iterator[None]:
    """Within, the requests of this thread are among `calls`."""
    token = CALLS.set(calls)
    try:
        yield
    finally:
        CALLS.reset(token)
