"""An append-only journal: one JSON record a line.

Killed at any instant, the file holds whole records and at most one torn last line, which the next
`Journal` cuts off: what it would have recorded is owed again. Every record has a "type", and a
reader passes over types that it does not know. A line that was damaged since stays where it is and
counts for nothing. A later record of the same thing supersedes an earlier one.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from sal.runs.encoding import json_bytes
from sal.runs.errors import FolderError

Record = dict[str, Any]

LOOKS = 5
LOOK_SECONDS = 0.02
"""Tries to lock a journal, and the pauses between them."""


class Journal:
    """The single writer of a journal file; a second one is refused while the first lives.

    `records` are those found on opening that are `usable`, `damaged` the numbers of the other
    lines, from 1 on. `append` may be called from any thread. The lock is the kernel's (flock), so
    that a killed run never leaves a stale one. Without `sync` nothing waits for the disk: a record
    survives a kill of the process, but maybe not a loss of power.
    """

    def __init__(
        self, path: Path, usable: Callable[[Record], bool] = lambda _: True, *, sync: bool = True
    ) -> None:
        self.path = path
        self._sync = sync
        self._write = threading.Lock()
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
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)
        self._size = whole
        self.records: list[Record] = []
        self.damaged: list[int] = []
        for number, record in _lines(content[:whole].split(b"\n")):
            if record is not None and usable(record):
                self.records.append(record)
            else:
                self.damaged.append(number)
        if sync:
            _sync_folder(path.parent)

    def append(self, record: Record) -> None:
        """Write one record, and with `sync` wait for the disk; OSError names the file."""
        data = json_bytes(record) + b"\n"
        handle = self._file.fileno()
        with self._write:
            try:
                left = memoryview(data)
                while left:
                    left = left[os.write(handle, left) :]
                if self._sync:
                    os.fsync(handle)
            except OSError as error:  # a full disk: no half record for the next to be glued to
                os.ftruncate(handle, self._size)
                raise OSError(error.errno, error.strerror, str(self.path)) from error
            self._size += len(data)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_records(path: Path) -> list[Record]:
    """The whole records of a journal that may be growing; raises OSError."""
    with open(path, "rb") as file:
        whole = (line[:-1] for line in file if line.endswith(b"\n"))
        return [record for _, record in _lines(whole) if record is not None]


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


def _lines(lines: Iterable[bytes]) -> Iterator[tuple[int, Record | None]]:
    """Every line that is not empty, by its number; None for what is no record."""
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):  # a block that the disk lost, or nonsense
            record = None
        yield number, record if isinstance(record, dict) else None


def _sync_folder(folder: Path) -> None:
    """Make the file's own name survive a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
