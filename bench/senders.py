"""Many requests on the wire at once, for what is measured beside a search."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from sal.runtime.client import Engine

MOST = 512
"""Of one endpoint's requests at a time, as in a search."""


class Senders:
    """Threads that stand ready, so that no one waits for them to start. A context manager."""

    def __init__(self, *engines: Engine) -> None:
        self._pools = {engine: ThreadPoolExecutor(MOST) for engine in engines}
        for pool in self._pools.values():
            all_there = threading.Barrier(MOST)
            for arrived in [pool.submit(all_there.wait) for _ in range(MOST)]:
                arrived.result()

    def send(self, engine: Engine, payload: dict[str, Any]) -> Future[dict[str, Any]]:
        """Ask one of the engines; the future holds its reply."""
        return self._pools[engine].submit(engine.generate, payload)

    def __enter__(self) -> Senders:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, where: TracebackType | None
    ) -> None:
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)
