"""Standard output that tells when it cannot be written: closed, a pipe nobody reads, a full disk.

Libraries in between treat such an error as they like (one ends the process without a word, another
lets Python print a traceback at exit), so it is caught where it arises, and named.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

_STANDARD = (0, 1, 2)


class StdoutLost(Exception):
    """What was to be printed on stdout did not get there; the message says why."""


class _Stdout:
    """`stream`, None where there is none, whose errors are `StdoutLost`, from the first one on."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lost = "it is closed" if stream is None else ""

    def write(self, text: str) -> int:
        if self._stream is None or self._lost:
            raise StdoutLost(self._lost)
        try:
            return self._stream.write(text)
        except OSError as error:
            raise self._lose(error) from error

    def flush(self) -> None:
        if self._stream is None:  # nothing was written
            return
        if self._lost:
            raise StdoutLost(self._lost)
        try:
            self._stream.flush()
        except OSError as error:
            raise self._lose(error) from error

    def _lose(self, error: OSError) -> StdoutLost:
        """What is still in the stream's memory goes nowhere: Python would try it again at exit."""
        self._lost = error.strerror or str(error)
        with suppress(OSError):
            handle = cast(TextIO, self._stream).fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, handle)
            os.close(nowhere)
        return StdoutLost(self._lost)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def watched_stdout() -> Iterator[None]:
    """Within, an error on stdout is `StdoutLost`, and files get no number of a closed stream."""
    _occupy()
    before, errors = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, _Stdout(before))
    if errors is None:  # `print(file=None)` would be to stdout
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before, errors


def _occupy() -> None:
    """Or the next file that is opened, a journal say, would be a server's standard output."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
