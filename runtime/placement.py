"""Cores, where the policy's server computes on this machine's CPU.

Its scheduler is one thread, and what a search waits for. Hundreds of times a second something else
wakes up beside it: the PRM's server, the client's threads. Where all may run everywhere they take
its core from it, with what its caches hold; so the others leave one core alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from urllib.parse import urlsplit

from sal.runtime.client import Engine
from sal.runtime.hardware import all_but_one, usable_cores


@contextmanager
def beside(policy: Engine) -> Iterator[None]:
    """Within, this thread and all that it starts leave one core to `policy`, if it computes here.

    Nothing changes where it does not, nor where a process has no say in this (macOS, a sandbox).
    """
    cores = usable_cores()
    placed = _computes_here(policy) and place(0, all_but_one(cores))
    try:
        yield
    finally:
        if placed:
            place(0, cores)


def place(pid: int, cores: Iterable[int]) -> bool:
    """Let a process, or this thread (0), run on `cores` alone; whether that was allowed."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    try:
        os.sched_setaffinity(pid, cores)
    except OSError:
        return False
    return True


def _computes_here(engine: Engine) -> bool:
    host = urlsplit(engine.url).hostname or ""
    try:
        local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # another machine's name
        return False
    return local and engine.server_info().get("device") == "cpu"
