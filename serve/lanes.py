"""Which requests of searches may be on the wire: few of large searches while a small one searches.

The more requests an engine runs, the longer each step of theirs takes, also those of a small search
that began at once. So for as long as small ones search the large ones leave the engine to them, but
for a part; what is on its way goes on. They do so for a moment longer, because the next small one
may be about to come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

LINGER_S = 1.0
"""How long the large ones hold back behind the last small one."""


@dataclass(eq=False, slots=True)
class _Wire:
    """How many requests of large searches are on their way to an engine, and who waits."""

    freed: threading.Condition
    requests: int = 0


class Lanes:
    """`few` requests of large searches at a time and engine, while small ones search.

    For any number of threads; `look` at it now and then, or nobody begins again.
    """

    def __init__(self, few: int, clock: Callable[[], float] = monotonic) -> None:
        self._few = few
        self._clock = clock
        self._small = 0
        self._held_until = 0.0
        self._lock = threading.Lock()
        self._wires: dict[object, _Wire] = {}

    @contextmanager
    def small(self) -> Iterator[None]:
        """Within, a small search is under way."""
        with self._lock:
            self._small += 1
        try:
            yield
        finally:
            with self._lock:
                self._small -= 1
                self._held_until = self._clock() + LINGER_S

    @contextmanager
    def large(self, engine: object, check: Callable[[], None]) -> Iterator[None]:
        """Within, a request of a large search is on the wire to `engine`, once it may be.

        `check` is called before it waits, and may raise; `wake` those whose check would.
        """
        with self._lock:
            wire = self._wires.setdefault(engine, _Wire(threading.Condition(self._lock)))
            while self._held() and wire.requests >= self._few:
                check()
                wire.freed.wait()
            wire.requests += 1
        try:
            yield
        finally:
            with self._lock:
                wire.requests -= 1
                wire.freed.notify()

    def look(self) -> None:
        """Let the large ones go on, if nobody is small any more."""
        if not self._held():
            self.wake()

    def wake(self) -> None:
        """Have all that wait look again."""
        with self._lock:
            for wire in self._wires.values():
                wire.freed.notify_all()

    def _held(self) -> bool:
        return self._small > 0 or self._clock() < self._held_until
