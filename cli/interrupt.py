"""Ctrl-C and SIGTERM: the first asks for a clean end, the second forces it.

The exit code is 128 and the number of the first: 130 for Ctrl-C, 143 for what a scheduler sends.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

EXIT_CODE = 130


class Terminated(KeyboardInterrupt):
    """What SIGTERM raises, where Ctrl-C raises its base."""


def exit_code(stop: KeyboardInterrupt) -> int:
    """The code with which a process ends that was stopped so."""
    return 128 + signal.SIGTERM if isinstance(stop, Terminated) else EXIT_CODE


class Interrupt:
    """While entered, a first signal raises KeyboardInterrupt in the main thread.

    Inside `deferred()` it only sets `asked`, for code that looks at it and must end in order. A
    second signal ends the process at once, and the servers that it started with it.
    """

    def __init__(self) -> None:
        self.asked = False
        self.exit_code = EXIT_CODE
        """That of what was asked first."""
        self._deferred = False
        self._before: dict[int, object] = {}

    @contextmanager
    def deferred(self) -> Iterator[None]:
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.asked:
            _end_now(self.exit_code)
        self.asked = True
        stop = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        self.exit_code = exit_code(stop)
        if not self._deferred:
            raise stop


def _end_now(code: int) -> None:
    import psutil

    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    os._exit(code)
