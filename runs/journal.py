"""An append-only journal: one JSON record a line.

Killed at any instant, the file holds whole records and at most one torn last line, which the next
`Journal` cuts off: what it would have recorded is owed again. Every record has a "type", and a
reader passes over types that it does not know. A line that was damaged since stays where it is and
counts for nothing. A later record of the same thing supersedes an earlier one.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, overload
from weakref import finalize

from sal.runs.encoding import json_bytes, json_value
from sal.runs.errors import FolderError

Record = dict[str, Any]

LOOKS = 5
LOOK_SECONDS = 0.02
"""Tries to lock a journal, and the pauses between them."""


class Records(Sequence[Record]):
    """Records of a journal by their numbers, each read from the file when it is asked for.

    Of each, memory holds where it stands: two numbers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts, self._sizes = array("q"), array("q")
        self._handle: int | None = None
        self._opening = threading.Lock()

    def add(self, start: int, size: int) -> int:
        """Know one more, by its first byte; returns its number."""
        self._starts.append(start)
        self._sizes.append(size)
        return len(self._starts) - 1

    def forget(self, end: int) -> None:
        """Those from the byte `end` on."""
        while self._starts and self._starts[-1] >= end:
            self._starts.pop()
            self._sizes.pop()

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, number: int) -> Record: ...
    @overload
    def __getitem__(self, number: slice) -> list[Record]: ...
    def __getitem__(self, number: int | slice) -> Record | list[Record]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        with self._opening:
            if self._handle is None:
                self._handle = os.open(self._path, os.O_RDONLY)
                finalize(self, os.close, self._handle)
        line = os.pread(self._handle, self._sizes[number], self._starts[number])
        record: Record = json_value(line)
        return record


class Journal:
    """The single writer of a journal file; a second one is refused while the first lives.

    `records` are those that are `usable`, which is asked of each record found on opening, in their
    order; `damaged` the numbers of the other lines, from 1 on. `append` may be called from any
    thread. The lock is the kernel's (flock), so that a killed run never leaves a stale one. Without
    `sync` nothing waits for the disk: a record survives a kill of the process, but maybe not a loss
    of power.
    """

    def __init__(
        self, path: Path, usable: Callable[[Record], bool] = lambda _: True, *, sync: bool = True
    ) -> None:
        self.path = path
        self._sync = sync
        self._write, self._commit = threading.Lock(), threading.Lock()
        self._failed: OSError | None = None
        self._file = open(path, "ab+")  # noqa: SIM115 - closed by close()
        try:
            _lock(self._file.fileno())
        except BlockingIOError as error:
            self._file.close()
            raise FolderError(f"{path.parent}: another run is writing there") from error
        except OSError as error:
            self._file.close()
            why = f"cannot be locked: {error.strerror}"
            raise FolderError(f"{path.parent}: {why}") from error
        self.records = Records(path)
        self.damaged: list[int] = []
        self._size = self._look(usable)
        self._on_disk = self._size
        if sync:
            _sync_folder(path.parent)

    def _look(self, usable: Callable[[Record], bool]) -> int:
        """Pass over all lines once; returns where the last whole one ends, and the file with it."""
        self._file.seek(0)
        end = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                self._file.truncate(end)
                break
            start, end = end, end + len(line)
            if line == b"\n":
                continue
            record = _record(line)
            if record is not None and usable(record):
                self.records.add(start, len(line))
            else:
                self.damaged.append(number)
        return end

    def append(self, record: Record, *, sync: bool = True) -> int:
        """Write one record, and with `sync` wait for the disk; returns its number.

        Without `sync` it waits for the next record with it.

        OSError names the file. Where the disk cannot take what it was given, all that is not on it
        is taken back, and nothing more is written.
        """
        data = json_bytes(record) + b"\n"
        handle = self._file.fileno()
        with self._write:
            if self._failed is not None:
                raise self._failed
            try:
                left = memoryview(data)
                while left:
                    left = left[os.write(handle, left) :]
            except OSError as error:  # a full disk: no half record for the next to be glued to
                os.ftruncate(handle, self._size)
                raise OSError(error.errno, error.strerror, str(self.path)) from error
            number = self.records.add(self._size, len(data))
            self._size += len(data)
            end = self._size
        if self._sync and sync:
            self._wait(end)
        return number

    def sync(self) -> None:
        """Wait until all that was written is on the disk; raises OSError as `append` does."""
        self._wait(self._size)

    def _wait(self, end: int) -> None:
        """Until the bytes before `end` are on the disk: with those of every thread that waits."""
        with self._commit:
            if self._on_disk >= end:
                return
            if self._failed is not None:
                raise self._failed
            written = self._size
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                with self._write:
                    self._failed = OSError(error.errno, error.strerror, str(self.path))
                    os.ftruncate(self._file.fileno(), self._on_disk)
                    self.records.forget(self._on_disk)
                    self._size = self._on_disk
                raise self._failed from error
            self._on_disk = written

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_records(path: Path) -> list[Record]:
    """The whole records of a journal that may be growing; raises OSError."""
    return [record for _, _, record in each_record(path)]


def each_record(path: Path, start: int = 0) -> Iterator[tuple[int, int, Record]]:
    """Where each whole record from `start` on begins, how long it is, and what it says.

    Raises OSError.
    """
    with open(path, "rb") as file:
        file.seek(start)
        for line in file:
            if line.endswith(b"\n") and (record := _record(line)) is not None:
                yield start, len(line), record
            start += len(line)


def is_written(path: Path) -> bool | None:
    """Whether a process is writing this journal; None where that cannot be told.

    It is told by all processes of this machine, and of others where the file system shares locks.
    """
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return False


def _lock(handle: int) -> None:
    """Waits out one who only looks, as `is_written` does."""
    for _ in range(LOOKS):
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
    return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _record(line: bytes) -> Record | None:
    """What a line says; None for what is no record: a block that the disk lost, or nonsense."""
    try:
        record = json_value(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _sync_folder(folder: Path) -> None:
    """Make the file's own name survive a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
