"""A run's folder: the recipe, the journal, and what is written from them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Self

from sal.runs import live
from sal.runs.encoding import json_bytes
from sal.runs.errors import FolderError
from sal.runs.journal import Journal
from sal.runs.recipe import Recipe, differences, moved, read_recipe
from sal.runs.recorded import Recorded

_OF_A_START = {
    *("journal.jsonl", "recipe.yaml", ".recipe.yaml.tmp", "traces", "nodes"),
    *(live.NAME, live.UNFINISHED),
}
"""What a run leaves that ended before its first record."""


class RunFolder:
    """The folder of one run, opened for writing by one process at a time.

    A folder that is not there yet is made. One that holds a run is opened only with `resume`, and
    only under the same recipe; a run whose servers never came up left nothing, and is forgotten.
    Without `parents` only the folder itself is made, in one that is there. Raises `FolderError`
    otherwise.
    """

    def __init__(self, path: Path, recipe: Recipe, *, resume: bool, parents: bool = True) -> None:
        self.path = path
        self.recipe_path = path / "recipe.yaml"
        check_folder(path, recipe, resume=resume)
        try:
            path.mkdir(parents=parents, exist_ok=True)
            self.recorded = Recorded()
            self.journal = Journal(path / "journal.jsonl", self.recorded.take)
        except OSError as error:
            raise FolderError(f"{path}: {error.strerror or error}") from error
        try:
            # Again, now that no other process can write the recipe between the look and the use.
            check_folder(path, recipe, resume=True)
            there = recipe_of(path) if self.journal.records else None
            now = recipe if there is None else moved(there, recipe)
            if now != there:
                write_atomically(self.recipe_path, now.dump().encode())
            for name in ("traces", "nodes"):
                (path / name).mkdir(exist_ok=True)
        except BaseException:
            self.journal.close()
            raise

    def note_warm(self) -> None:
        """Have the recipe say that a cache was not empty when the run began or went on."""
        recipe = replace(read_recipe(self.recipe_path), cache="warm")
        write_atomically(self.recipe_path, recipe.dump().encode())

    def write_trace(self, number: int, problem_id: str, trace: dict[str, Any]) -> None:
        """One compact JSON file; `number` is the problem's place in its dataset.

        It survives a kill of every process. It is not waited for until it is on disk: a power loss
        may cost it, or leave an empty file, where the row of its problem is there.
        """
        with written_atomically(trace_file(self.path, number, problem_id), sync=False) as file:
            file.write(json_bytes(trace))

    def nodes_of(self, number: int, problem_id: str) -> Path:
        """Where the nodes of a problem stand while it is searched."""
        return self.path / "nodes" / f"{_file_name(number, problem_id)}.jsonl"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()


def trace_file(run: Path, number: int, problem_id: str) -> Path:
    """Where the trace of a problem is, in a run's folder."""
    return run / "traces" / f"{_file_name(number, problem_id)}.json"


def _file_name(number: int, problem_id: str) -> str:
    return f"{number:05d}-{readable(problem_id)}"


@lru_cache(maxsize=4096)
def readable(problem_id: str) -> str:
    """What a file's name shows of a problem's id; other ids may look the same."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", problem_id).strip("-.")[:60]


def recipe_of(path: Path) -> Recipe | None:
    """The recipe of the run in a folder; None where there is none. Raises `FolderError`."""
    recipe_path = path / "recipe.yaml"
    return read_recipe(recipe_path) if recipe_path.is_file() else None


def check_folder(path: Path, recipe: Recipe, *, resume: bool) -> Recipe:
    """The recipe of a run of `recipe` in `path`: of one that is there, its own. Changes nothing.

    Raises `FolderError` where it may not be written.
    """
    if not path.exists():
        return recipe
    if not path.is_dir():
        raise FolderError(f"{path}: not a folder")
    names = {item.name for item in path.iterdir()}
    if names <= _OF_A_START and not _holds_anything(path / "journal.jsonl"):
        return recipe
    there = recipe_of(path)
    if not resume:
        advice = f"; continue the run there with --resume {path}" if there is not None else ""
        raise FolderError(f"{path}: not empty{advice}")
    if there is None:
        raise FolderError(f"{path}: not empty, and holds no run")
    differ = differences(there, recipe)
    if differ:
        keys = ", ".join(differ)
        raise FolderError(f"{path}: holds a run of another recipe; these differ: {keys}")
    return moved(there, recipe)


def _holds_anything(journal: Path) -> bool:
    return journal.exists() and journal.stat().st_size > 0


def write_atomically(path: Path, content: bytes) -> None:
    """The file is there whole or not at all, whenever the process is killed.

    Raises OSError, which names the file: the disk may be full.
    """
    with written_atomically(path) as file:
        file.write(content)


@contextmanager
def written_atomically(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """What is written within is there, whole, as `path` afterwards; nothing is, if that raises.

    Without `sync` a loss of power may cost it, or leave it empty. Raises OSError as above.
    """
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        with open(unfinished, "wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)  # it takes room that is needed
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
