"""A shard that was searched, read to be merged: its rows stay on disk, and nobody writes there."""

from __future__ import annotations

import fcntl
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sal.runs.errors import FolderError
from sal.runs.journal import Record, Records, each_record
from sal.runs.recipe import read_recipe
from sal.runs.recorded import Recorded
from sal.runs.shard import Shard


class SearchedShard:
    """The shard in the folder `path`; locked against writers until `close`.

    `recorded` is what its journal comes to; its `problems` are None where it has not begun.
    Raises `FolderError` for what is no shard, or is being written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "recipe.yaml").is_file():
            raise FolderError(f"{path}: holds no run")
        self.recipe = read_recipe(path / "recipe.yaml")
        if self.recipe.shard is None:
            raise FolderError(f"{path}: no shard; it is a run of all problems")
        self.shard = Shard.parse(self.recipe.shard)
        try:
            self._file: BinaryIO = open(path / "journal.jsonl", "rb")  # noqa: SIM115
        except OSError as error:
            raise FolderError(f"{error.filename}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise FolderError(f"{path}: a run is writing there") from error
        self.recorded = Recorded()
        self._records = Records(path / "journal.jsonl")
        self._numbers = array("q")  # of the records' problems, in the data set
        for start, size, record in each_record(path / "journal.jsonl"):
            of_problem = record.get("type") == "problem"
            if of_problem and not isinstance(record.get("number"), int):
                continue  # of an older version, which did not say where a row belongs
            if self.recorded.take(record):
                self._records.add(start, size)
                self._numbers.append(record["number"] if of_problem else 0)

    def close(self) -> None:
        self._file.close()

    @property
    def owed(self) -> int | None:
        """Problems that are not finished; None where it has not begun."""
        problems = self.recorded.problems
        return None if problems is None else problems - len(self.recorded.last)

    def records(self) -> Iterator[tuple[int, Record]]:
        """Of each problem its number in the data set and its last record, in their order."""
        for place in sorted(self.recorded.last.values(), key=self._numbers.__getitem__):
            yield self._numbers[place], self._records[place]
