"""Workers that can be killed: the only place where an answer meets a parser.

Each comparison has a soft alarm inside the worker (keeps it alive), a hard limit outside (kills
it), and the worker a memory limit. Whatever happens, every pair gets an outcome.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from sal.grading import worker
from sal.grading.verdict import Outcome

if sys.platform == "linux":
    from multiprocessing.context import ForkServerContext as _BaseContext
    from multiprocessing.context import ForkServerProcess as _BaseProcess
else:
    from multiprocessing.context import SpawnContext as _BaseContext
    from multiprocessing.context import SpawnProcess as _BaseProcess

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAIN_LOCK = threading.Lock()


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide `__main__` while a worker starts.

    multiprocessing would import the caller's script once more in every worker: slow for a command
    line, and a crash for a script without a main guard or one read from standard input.
    """
    with _MAIN_LOCK:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


class _WorkerProcess(_BaseProcess):
    def start(self) -> None:
        with _without_main():
            super().start()


class _Context(_BaseContext):
    Process = _WorkerProcess


class GradingPool:
    """`workers` processes that compare answers; started on first use, safe to share by threads.

    `soft_seconds` of CPU time bound one comparison, `hard_seconds` by the clock are what a worker
    may take before it is killed, `memory_bytes` of address space it may take beside what it began
    with (None: unlimited). `algebra` loads it when a worker starts. Close the pool, or use it as a
    context manager; the workers also end with the interpreter, however it ends.
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        soft_seconds: float = 2.0,
        hard_seconds: float = 10.0,
        memory_bytes: int | None = 4 << 30,
        algebra: bool = True,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self.workers = workers
        self._soft_seconds = soft_seconds
        self._hard_seconds = hard_seconds
        self._memory_bytes = memory_bytes
        self._algebra = algebra
        self._lock = threading.Lock()
        self._pool: ProcessPool | None = None
        self._running: set[Future[Any]] = set()
        self._closed = False

    def __enter__(self) -> GradingPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers; comparisons still in flight end as errors."""
        with self._lock:
            self._closed = True
            pool = self._pool
        if pool is not None:
            self._drop(pool)

    def compare(
        self, pairs: Sequence[tuple[str, str]], *, both_ways: bool = False
    ) -> list[Outcome]:
        """One outcome per (gold, pred): match, mismatch, timeout or error. Blocks; never raises
        for what a pair does. Raises RuntimeError on a closed pool."""
        return self.submit(pairs, both_ways=both_ways)()

    def submit(
        self, pairs: Sequence[tuple[str, str]], *, both_ways: bool = False
    ) -> Callable[[], list[Outcome]]:
        """Start comparing; call what is returned for the outcomes."""
        task = partial(worker.compare, both_ways=both_ways)
        return self.submit_task(task, pairs, failed=lambda outcome: outcome)

    def submit_task(
        self,
        task: Callable[[Sequence[Item], float], list[Result]],
        items: Sequence[Item],
        *,
        failed: Callable[[Outcome], Result],
    ) -> Callable[[], list[Result]]:
        """Start `task(items, soft_seconds)` in a worker; call what is returned for its results.

        There is one for each item: of one that took its worker down, what `failed` makes of it.
        """
        items = list(items)
        pool, future = self._schedule(task, items)

        def results() -> list[Result]:
            try:
                return list(future.result())
            except Exception as error:
                outcome = self._failed(pool, error)
            if len(items) == 1 or self._closed:
                return [failed(outcome)] * len(items)
            # One item took the others down with it: each gets its own chance.
            return [self.submit_task(task, [item], failed=failed)()[0] for item in items]

        return results

    def _schedule(
        self, task: Callable[[Sequence[Item], float], list[Result]], items: list[Item]
    ) -> tuple[ProcessPool, Future[list[Result]]]:
        limit = self._hard_seconds + self._soft_seconds * (len(items) - 1)
        known = self._pool
        if known is not None and not known.active:
            self._drop(known)  # an idle worker was killed from outside, and pebble gave up
        with self._lock:
            if self._closed:
                raise RuntimeError("the grader is closed")
            pool = self._pool = self._pool or self._start()
            future: Future[list[Result]] = pool.schedule(
                task, args=(items, self._soft_seconds), timeout=limit
            )
            self._running.add(future)
        future.add_done_callback(self._running.discard)
        return pool, future

    def _start(self) -> ProcessPool:
        context: Any = _Context()
        if sys.platform == "linux":
            context.set_forkserver_preload(["math_verify"])
            with _without_main():
                _start_forkserver()
        return ProcessPool(
            max_workers=self.workers,
            initializer=worker.start,
            initargs=(self._memory_bytes, self._algebra),
            context=context,
        )

    def _failed(self, pool: ProcessPool, error: Exception) -> Outcome:
        if isinstance(error, TimeoutError):
            return "timeout"
        if not isinstance(error, ProcessExpired):
            self._drop(pool)
        return "error"

    def _drop(self, pool: ProcessPool) -> None:
        """Stop `pool` unless another thread did; the next comparison starts a new one."""
        with self._lock:
            dropped = self._pool is not pool
            if dropped:
                return
            self._pool = None
            running = list(self._running)
        for future in running:
            future.cancel()  # pebble leaves the futures of a stopped pool pending for ever
        pool.stop()
        pool.join()
        multiprocessing.active_children()  # reaps


def _start_forkserver() -> None:
    from multiprocessing.forkserver import ensure_running

    ensure_running()
