"""Ray's part: where the queue and the workers live, and how it is told that one is gone.

Ray is an optional package: `pip install 'sal-sglang[ray]'`.
"""

from __future__ import annotations

import pickle
import signal
import socket
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sal.runs.cluster.drive import Drive, Ended
from sal.runs.cluster.queue import Item, Queue, State
from sal.runs.cluster.ray_worker import RayWorker, Task
from sal.runs.display import RunDisplay
from sal.runs.errors import RunError, ServersLost
from sal.runs.execute import Outcome
from sal.runs.experiment import Elsewhere, Interruption
from sal.runs.folder import RunFolder
from sal.runs.live import LiveFile
from sal.runs.planned_run import PlannedRun
from sal.runs.registry import Strategy
from sal.runs.settings import Prepared
from sal.runs.snapshot import Snapshot
from sal.runtime.access import Access
from sal.runtime.model_files import is_url
from sal.runtime.plan import Role

CONNECT_S = 10.0
"""For a first answer, and for workers to end in order."""


def connect(address: str) -> Any:
    """Ray, connected to the cluster at `address`; raises `RunError` where that cannot be."""
    try:
        import ray
    except ImportError as error:
        raise RunError("--ray needs Ray: pip install 'sal-sglang[ray]'") from error
    if ray.is_initialized():
        return ray
    _check(address)
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except Exception as error:  # whatever Ray raises where there is no cluster, or another version
        raise RunError(f"--ray {address}: {' '.join(str(error).split())}") from error
    finally:
        for number, handler in ours.items():  # Ray puts its own in their place, which end at once
            signal.signal(number, handler)
    return ray


def _check(address: str) -> None:
    """Raise `RunError` where nothing answers: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or "/" in host:  # "auto", or a URL
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise RunError(f"--ray {address}: no cluster answers there: {error}") from error


def on_ray(
    address: str,
    *,
    access: Mapping[Role, Access],
    display: RunDisplay,
    interruption: Interruption,
) -> Elsewhere:
    """Has runs searched by the cluster at `address`; raises `RunError` where there is none."""
    ray = connect(address)

    def elsewhere(run: PlannedRun, folder: RunFolder, live: LiveFile) -> Outcome:
        recipe = run.prepared.recipe
        task = Task(pickle.dumps(_without_problems(run.prepared)), access)
        served = all(is_url(m) for m in (recipe.policy, recipe.prm) if m is not None)
        cluster = RayCluster(ray, run.path.resolve(), task, gpus=not served)

        def tick(seen: Snapshot) -> None:
            display.update(seen)
            live.update(seen)

        try:
            with interruption.deferred():
                return Drive(
                    run,
                    folder,
                    cluster,
                    note=display.note,
                    tick=tick,
                    interrupted=lambda: interruption.asked,
                ).search()
        finally:
            cluster.close()

    return elsewhere


def _without_problems(prepared: Prepared) -> Prepared:
    """What can be sent to a worker: it is handed its problems, and imports the program itself."""
    strategy = Strategy(prepared.strategy.target, prepared.strategy.summary)
    problems = replace(prepared.problems, questions=(), numbers=())
    return replace(prepared, strategy=strategy, problems=problems)


class RayCluster:
    """A run's queue and workers in a Ray cluster; a `Cluster`. Ended by `close`.

    `gpus` tells that workers start servers: each gets all GPUs of its node, and where a node has
    some, nodes without one get no worker.
    """

    def __init__(self, ray: Any, run: Path, task: Task, *, gpus: bool) -> None:
        self._ray, self._run, self._gpus = ray, run, gpus
        self._task = pickle.dumps(task)
        here = self._on(ray.get_runtime_context().get_node_id())
        self._queue = ray.remote(Queue).options(num_cpus=0, scheduling_strategy=here).remote()
        self._running: dict[Any, tuple[str, str, Any]] = {}

    def nodes(self) -> Collection[str]:
        """Their ids."""
        return list(self._living())

    def start(self, node: str, worker: str) -> None:
        """See `Cluster`."""
        options = {
            "num_cpus": 1,
            "num_gpus": self._living().get(node, 0.0) if self._gpus else 0,
            "scheduling_strategy": self._on(node),
        }
        actor = self._ray.remote(RayWorker).options(**options).remote(worker, self._queue)
        ended = actor.search.remote(self._task, str(self._run))
        self._running[ended] = (worker, node, actor)

    def ended(self) -> list[Ended]:
        """See `Cluster`."""
        if not self._running:
            return []
        waiting = list(self._running)
        ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        return [self._ended(future) for future in ready]

    def _ended(self, future: Any) -> Ended:
        worker, node, actor = self._running.pop(future)
        errors = self._ray.exceptions
        try:
            self._ray.get(future)
        except errors.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            return Ended(worker, node, cause)
        except errors.RayError as error:
            return Ended(worker, node, RunError(_first_line(error)), lost=True)
        finally:
            self._ray.kill(actor)
        return Ended(worker, node)

    def put(self, items: list[Item]) -> None:
        answered(self._ray, self._queue.put.remote(items))

    def lost(self, worker: str, recorded: list[int]) -> list[int]:
        back: list[int] = answered(self._ray, self._queue.lost.remote(worker, recorded))
        return back

    def state(self) -> State:
        state: State = answered(self._ray, self._queue.state.remote())
        return state

    def notes(self) -> list[tuple[str, str]]:
        notes: list[tuple[str, str]] = answered(self._ray, self._queue.notes.remote())
        return notes

    def end(self) -> None:
        """See `Cluster`."""
        answered(self._ray, self._queue.end.remote())

    def kill(self) -> None:
        """See `Cluster`."""
        for _, _, actor in self._running.values():
            self._ray.kill(actor)
        self._running.clear()

    def close(self) -> None:
        """Wait for workers that end in order, and end the queue."""
        if self._running:
            waiting = list(self._running)
            self._ray.wait(waiting, num_returns=len(waiting), timeout=CONNECT_S)
        self.kill()
        self._ray.kill(self._queue)

    def _living(self) -> dict[str, float]:
        """GPUs by node, of nodes that can have a worker."""
        gpus = {
            node["NodeID"]: float(node["Resources"].get("GPU", 0.0))
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0.0) >= 1
        }
        with_some = {node: count for node, count in gpus.items() if count}
        return with_some if self._gpus and with_some else gpus

    def _on(self, node: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node_id=node, soft=False)


def answered(ray: Any, future: Any) -> Any:
    """What the queue answers; raises `ServersLost` where it is gone."""
    try:
        return ray.get(future)
    except ray.exceptions.RayError as error:
        raise ServersLost(f"the queue of this run is gone: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
