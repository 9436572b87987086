"""What a worker does: searches what the queue hands out, into a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from sal.grading.graders import AnyGrader
from sal.runs.cluster.gather import WORKERS
from sal.runs.cluster.queue import Item, Wait
from sal.runs.display import Begun
from sal.runs.errors import RunError
from sal.runs.execute import Outcome, SearchEndpoints, make_runner, session_record
from sal.runs.folder import RunFolder
from sal.runs.nodes import RunNodes
from sal.runs.planned_run import PlannedRun
from sal.runs.progress import Progress
from sal.runs.recipe import read_recipe
from sal.runs.settings import Prepared
from sal.runs.snapshot import Snapshot
from sal.runs.write_results import summary_of

STARTED_ON_NOTHING = 1
"""Threads that look whether there is a problem again, when there was none."""


class Asked(Protocol):
    """The queue, as one worker asks it."""

    def take(self) -> Item | Wait: ...

    def done(self, number: int) -> None: ...

    def note(self, text: str) -> None: ...


class FromQueue:
    """What is owed, as a runner is handed it (`sal.runs.runner.Owed`)."""

    def __init__(self, queue: Asked, most: int) -> None:
        self._queue = queue
        self._most = most
        self._left = most

    def __len__(self) -> int:
        return self._left

    def popleft(self) -> Item:
        """The next problem; raises IndexError for none."""
        found = self._queue.take()
        if isinstance(found, tuple):
            self._left = self._most
            return found
        self._left = 0 if found == "over" else STARTED_ON_NOTHING
        raise IndexError(found)


def work(
    queue: Asked,
    prepared: Prepared,
    folder: RunFolder,
    endpoints: SearchEndpoints,
    grader: AnyGrader,
    *,
    requests: Callable[[], int],
    tick: Callable[[Snapshot], object],
    **_: Any,
) -> Outcome:
    """Search what the queue hands out; what `sal.runs.execute.execute` does for a whole run."""
    nodes = RunNodes(folder, [], 1)
    progress = Progress(0, budget=prepared.budget)
    models = dict(endpoints.models)
    folder.journal.append(session_record(prepared, 0.0, models))
    runner = make_runner(
        prepared,
        folder,
        endpoints,
        grader,
        FromQueue(queue, 1_000_000),
        nodes=nodes,
        progress=progress,
        recorded=lambda number, _row, _place: queue.done(number),
        requests=requests,
    )
    runner.run(lambda: tick(progress.snapshot()))
    summary = summary_of(
        [], prepared.recipe, prepared.strategy, owed=0, seconds=progress.seconds, models=models
    )
    return Outcome(summary, interrupted=False, timed_out=False)


class Uninterrupted:
    """A worker is told to stop by its queue."""

    asked = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        yield


class Notes:
    """A display that tells the queue what a user should read."""

    def __init__(self, queue: Asked) -> None:
        self._queue = queue

    def begin(self, run: Begun) -> None: ...

    def note(self, text: str) -> None:
        self._queue.note(text)

    def status(self, role: str, text: str) -> None: ...

    def update(self, snapshot: Snapshot) -> None: ...

    def close(self) -> None: ...


def own_run(prepared: Prepared, run: Path, name: str) -> PlannedRun:
    """The worker's part of the run in the folder `run`.

    Raises `RunError` where that folder is not seen from here, or is another one.
    """
    recipe_path = run / "recipe.yaml"
    seen = recipe_path.is_file() and read_recipe(recipe_path).digest == prepared.recipe.digest
    if not seen:
        raise RunError(f"{run}: not seen from this node; workers write into it: share it")
    return PlannedRun(prepared, run / WORKERS / name, resume=False, part=True)
