"""A worker as an actor of Ray: imported by its process, and so without any of the programs."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sal.runs.cluster.queue import Item, Wait

if TYPE_CHECKING:
    from sal.runtime.access import Access
    from sal.runtime.plan import Role


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is sent: `prepared` without its problems, pickled, for it holds a program's
    parameters; and how the user's endpoints are reached."""

    prepared: bytes
    access: Mapping[Role, Access]


class AskedFromAfar:
    """The queue, asked by one worker; `Asked`."""

    def __init__(self, ray: Any, queue: Any, worker: str) -> None:
        self._ray, self._queue, self._worker = ray, queue, worker

    def take(self) -> Item | Wait:
        found: Item | Wait = self._ray.get(self._queue.take.remote(self._worker))
        return found

    def done(self, number: int) -> None:
        self._queue.done.remote(self._worker, number)

    def note(self, text: str) -> None:
        self._queue.note.remote(self._worker, text)


class RayWorker:
    """Lives as long as it searches; one on each node."""

    def __init__(self, name: str, queue: Any) -> None:
        import ray

        self._name = name
        self._queue = AskedFromAfar(ray, queue, name)

    def search(self, task: bytes, run: str) -> None:
        """Search until the queue is over. Raises what `Experiment.run` does."""
        from sal.runtime.frontend.light import use_light_frontend

        use_light_frontend()  # before a program is imported: the whole of sglang takes 10 s
        # Below, as late as this: they import the programs.
        from sal.runs.cluster.work import Notes, Uninterrupted, own_run, work
        from sal.runs.experiment import Experiment
        from sal.runs.server_plan import plan_servers
        from sal.runtime.hardware import detect

        told: Task = pickle.loads(task)  # noqa: S301 - the driver's
        prepared = pickle.loads(told.prepared)  # noqa: S301 - the driver's
        ours = own_run(prepared, Path(run), self._name)
        Experiment(
            [ours],
            plan_servers([prepared.recipe], detect()),
            display=Notes(self._queue),
            interruption=Uninterrupted(),
            access=told.access,
            execute=partial(work, self._queue),
        ).run()
