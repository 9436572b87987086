"""SGLang's model gateway (`smg`, on PyPI): several servers of one model behind one URL.

It sends the requests of one routing key to the same worker, whose cache holds what they begin with.
It knows neither what a server says of itself nor how to abort a request: the workers are asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sal.runtime.policy import PROBLEM

FRESH_S = 2.0
"""How long a list of workers holds: then one may have joined."""


def routing() -> tuple[str, ...]:
    """The header that keeps the requests of this thread's problem together; () for no problem."""
    problem = PROBLEM.get()
    if not problem:
        return ()
    return (f"X-SMG-Routing-Key: {hashlib.sha256(problem.encode()).hexdigest()[:32]}",)


def listed(reply: dict[str, Any]) -> list[str]:
    """The URLs in a reply of GET /workers, of those over HTTP; [] for what is none."""
    workers = reply.get("workers")
    if not isinstance(workers, list):
        return []
    urls = [str(worker.get("url")) for worker in workers if isinstance(worker, dict)]
    return [url.rstrip("/") for url in urls if url.startswith(("http://", "https://"))]


def together(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What several servers of one model say of themselves, as one; {} where none says anything."""
    known = [info for info in told if info]
    if not known:
        return {}
    states = [state for info in known for state in info.get("internal_states") or ()]
    return {**known[0], "internal_states": states, "dp_size": 1}
