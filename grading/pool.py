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
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any

from pebble import ProcessExpired, ProcessPool

from sal.grading import worker
from sal.grading.verdict import Outcome

if sys.platform == "linux":
    from multiprocessing.context import ForkServerContext as _BaseContext
    from multiprocessing.context import ForkServerProcess as _BaseProcess
else:
    from multiprocessing.context import SpawnContext as _BaseContext
    from multiprocessing.context import SpawnProcess as _BaseProcess

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

    `soft_seconds` bounds one comparison, `hard_seconds` what a worker may overrun before it is
    killed, `memory_bytes` its address space. Close it, or use it as a context manager; the
    workers also end with the interpreter, however it ends.
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        soft_seconds: float = 2.0,
        hard_seconds: float = 10.0,
        memory_bytes: int = 4 << 30,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self.workers = workers
        self._soft_seconds = soft_seconds
        self._hard_seconds = hard_seconds
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._pool: ProcessPool | None = None
        self._closed = False

    def __enter__(self) -> GradingPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers; comparisons still in flight end as errors."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            _stop(pool)

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
        pairs = list(pairs)
        pool, future = self._schedule(pairs, both_ways)

        def outcomes() -> list[Outcome]:
            try:
                return list(future.result())
            except (Exception, CancelledError) as error:
                outcome = self._failed(pool, error)
            if len(pairs) == 1:
                return [outcome]
            # One pair took the others down with it: each gets its own chance.
            return [self.compare([pair], both_ways=both_ways)[0] for pair in pairs]

        return outcomes

    def _schedule(
        self, pairs: list[tuple[str, str]], both_ways: bool
    ) -> tuple[ProcessPool, Future[list[Outcome]]]:
        limit = self._hard_seconds + self._soft_seconds * (len(pairs) - 1)
        arguments = (pairs, self._soft_seconds, both_ways)
        for attempt in (1, 2):
            pool = self._started()
            try:
                return pool, pool.schedule(worker.compare, args=arguments, timeout=limit)
            except RuntimeError:  # an idle worker was killed from outside, and pebble gave up
                self._discard(pool)
                if attempt == 2:
                    raise
        raise AssertionError  # the loop returns or raises

    def _started(self) -> ProcessPool:
        with self._lock:
            if self._closed:
                raise RuntimeError("the grader is closed")
            if self._pool is None:
                context: Any = _Context()
                if sys.platform == "linux":
                    context.set_forkserver_preload(["math_verify"])
                    with _without_main():
                        _start_forkserver()
                self._pool = ProcessPool(
                    max_workers=self.workers,
                    initializer=worker.start,
                    initargs=(self._memory_bytes,),
                    context=context,
                )
            return self._pool

    def _failed(self, pool: ProcessPool, error: BaseException) -> Outcome:
        if isinstance(error, TimeoutError):
            return "timeout"
        if not isinstance(error, ProcessExpired):
            self._discard(pool)
        return "error"

    def _discard(self, pool: ProcessPool) -> None:
        with self._lock:
            if self._pool is not pool:
                return
            self._pool = None
        _stop(pool)


def _start_forkserver() -> None:
    from multiprocessing.forkserver import ensure_running

    ensure_running()


def _stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()
    multiprocessing.active_children()  # reaps
