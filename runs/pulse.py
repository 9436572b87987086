"""What the policy's server writes while nothing has come back yet.

One long request gives no reply for minutes; the server's own counter of generated tokens moves all
the while.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

PERIOD_S = 2.0
_FAILURES = 5  # in a row: this server does not tell


class Pulse:
    """While entered, asks `generated`, a server's counter, every few seconds in its own thread.

    `generated` gives None where the server does not say, and then it is soon asked no more.
    """

    def __init__(self, generated: Callable[[], int | None], *, period_s: float = PERIOD_S) -> None:
        self._generated = generated
        self._period_s = period_s
        self._written: int | None = None
        self._before = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="sal-pulse", daemon=True)

    @property
    def written(self) -> int | None:
        """Tokens since this was entered, whoever asked for them; None while unknown."""
        return self._written

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        failures = 0
        while failures < _FAILURES:
            failures = 0 if self.look() else failures + 1
            if self._ended.wait(self._period_s):
                return

    def look(self) -> bool:
        """Ask once; whether it was told."""
        now = self._generated()
        if now is None:
            return False
        if self._written is None:
            self._written = 0
        else:  # a server that was started again counts from 0
            self._written += now - self._before if now >= self._before else now
        self._before = now
        return True
