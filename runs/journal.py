"""An append-only journal: one JSON record a line, on disk before `append` returns.

Killed at any instant, the file holds whole records and at most one torn last line, which the next
`Journal` cuts off: what it would have recorded is owed again. Every record has a "type", and a
reader passes over types that it does not know.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sal.runs.encoding import json_bytes
from sal.runs.errors import FolderError

Record = dict[str, Any]


class Journal:
    """The single writer of a journal file; a second one is refused while the first lives.

    `records` are those found on opening. `append` may be called from any thread. The lock is the
    kernel's (flock), so that a killed run never leaves a stale one.
    """

    def __init__(self, path: Path) -> None:
        self._write = threading.Lock()
        self._file = open(path, "ab+")  # noqa: SIM115 - closed by close()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise FolderError(f"{path.parent}: another run is writing there") from error
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)
        self.records = list(_records(content[:whole]))
        _sync_folder(path.parent)

    def append(self, record: Record) -> None:
        """Write one record and wait until it is on disk."""
        data = json_bytes(record) + b"\n"
        handle = self._file.fileno()
        with self._write:
            start = os.fstat(handle).st_size
            try:
                left = memoryview(data)
                while left:
                    left = left[os.write(handle, left) :]
                os.fsync(handle)
            except OSError:  # a full disk: leave no half record for the next one to be glued to
                os.ftruncate(handle, start)
                raise

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _records(content: bytes) -> Iterator[Record]:
    for line in content.split(b"\n"):
        try:
            record = json.loads(line)
        except ValueError:  # a block that the disk lost: owed again, like a torn line
            continue
        if isinstance(record, dict):
            yield record


def _sync_folder(folder: Path) -> None:
    """Make the file's own name survive a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
