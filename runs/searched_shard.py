"""A shard that was searched, read to be merged: its rows stay on disk, and nobody writes there."""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sal.runs.errors import FolderError
from sal.runs.journal import Record
from sal.runs.recipe import read_recipe
from sal.runs.recorded import is_usable, recorded_models, seconds_spent
from sal.runs.shard import Shard
from sal.runtime.model_cost import ModelCost


@dataclass(frozen=True, slots=True)
class Place:
    """Where a journal has the row of a problem: its first byte. `number` is in the data set."""

    number: int
    start: int


class SearchedShard:
    """The shard in the folder `path`; locked against writers until `close`.

    `problems` is None where it has not begun, `places` has a place per finished problem.
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
        self.problems: int | None = None
        self.models: dict[str, ModelCost | None] = {}
        self.places: list[Place] = []
        self.seconds = self._read()

    def close(self) -> None:
        self._file.close()

    @property
    def owed(self) -> int | None:
        """Problems that are not finished; None where it has not begun."""
        return None if self.problems is None else self.problems - len(self.places)

    def record(self, place: Place) -> Record:
        """What the journal has there."""
        self._file.seek(place.start)
        found: Record = json.loads(self._file.readline())
        return found

    def _read(self) -> float:
        """Look at each record once; returns the seconds spent."""
        last: dict[str, Place] = {}
        times: list[Record] = []
        start = 0
        for line in self._file:
            record = _usable(line)
            if record is not None and record["type"] == "session":
                self.problems = record.get("problems", self.problems)
                self.models.update(recorded_models(record))
                times.append({"type": "session"})
            elif record is not None and record["type"] == "problem":
                last[record["row"]["id"]] = Place(record["number"], start)
                times.append({"type": "problem", "at": record["at"]})
            start += len(line)
        self.places = list(last.values())
        return seconds_spent(times)


def _usable(line: bytes) -> Record | None:
    """The record of a whole line, if it is one that a run can go on from."""
    if not line.endswith(b"\n"):  # torn
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not is_usable(record):
        return None
    return record if record["type"] != "problem" or isinstance(record.get("number"), int) else None
