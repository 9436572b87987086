"""Long sequences of which memory holds a little: the rows and the problems of a data set."""

from __future__ import annotations

import pickle
import tempfile
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar, overload
from weakref import finalize

T = TypeVar("T")

IN_MEMORY = 20_000
"""Items that are held as they are: some ten megabytes."""

BLOCK = 256
"""Items that are written and read together."""


def held(items: Iterable[T]) -> Sequence[T]:
    """All `items`: in memory where they are few, else in a temporary file without a name."""
    rest = iter(items)
    first = tuple(islice(rest, IN_MEMORY + 1))
    return first if len(first) <= IN_MEMORY else OnDisk(chain(first, rest))


class OnDisk(Sequence[T]):
    """`items` in a temporary file, which is gone with this, or with the process however it ends.

    The block that was read last is held, so that going through them in order reads each block once.
    May be read from any thread.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._file = tempfile.TemporaryFile(prefix="sal-", buffering=1 << 20)  # noqa: SIM115
        finalize(self, self._file.close)
        self._starts = array("q", [0])
        self._length = 0
        rest = iter(items)
        while block := list(islice(rest, BLOCK)):
            self._length += len(block)
            pickle.dump(block, self._file, pickle.HIGHEST_PROTOCOL)
            self._starts.append(self._file.tell())
        self._file.flush()
        self._reading = threading.Lock()
        self._last: tuple[int, list[T]] = (-1, [])

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return held(self[i] for i in range(*place.indices(self._length)))
        if not -self._length <= place < self._length:
            raise IndexError(place)
        number, within = divmod(place % self._length, BLOCK)
        return self._block(number)[within]

    def __iter__(self) -> Iterator[T]:
        for number in range(len(self._starts) - 1):
            yield from self._block(number)

    def _block(self, number: int) -> list[T]:
        with self._reading:
            if self._last[0] != number:
                self._file.seek(self._starts[number])
                self._last = (number, pickle.load(self._file))  # noqa: S301 - our own, unnamed
            return self._last[1]
