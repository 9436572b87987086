"""What runs inside a worker process: limits, the soft alarm, and the comparison itself.

Strings come in, outcomes go out. The rules and SymPy are imported here, never by the parent.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, parent_process

from sal.grading.verdict import Outcome


class SoftTimeout(BaseException):
    """Raised by the alarm; a BaseException so that no `except Exception` on the way eats it."""


def start(memory_bytes: int | None, algebra: bool) -> None:
    """Prepare this process: cap its address space, follow the parent's death, load the algebra.

    `memory_bytes` come on top of what it begins with: that is what its fork server has loaded.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        pass
    else:
        if memory_bytes is not None:
            most = _mapped() + memory_bytes
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
    parent = parent_process()
    if parent is not None:
        # A parent that was killed closes nothing politely; do not outlive it.
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
    if not algebra:
        return
    from sal.grading.compare import same

    same(r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}")  # the first comparison is slow


def _mapped() -> int:
    """Bytes of this process's address space; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as told:
            return int(told.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def compare(
    pairs: Sequence[tuple[str, str]], soft_seconds: float, *, both_ways: bool
) -> list[Outcome]:
    """One outcome per (gold, pred). `both_ways` also asks with the roles exchanged, for voting."""
    return [_compare(gold, pred, soft_seconds, both_ways) for gold, pred in pairs]


def _compare(gold: str, pred: str, soft_seconds: float, both_ways: bool) -> Outcome:
    from sal.grading.compare import same

    try:
        with alarm(soft_seconds):
            equal = same(gold, pred) and (not both_ways or same(pred, gold))
        return "match" if equal else "mismatch"
    except SoftTimeout:
        return "timeout"
    except Exception:
        # The exception may hold a parsed expression whose text never ends: nothing is logged.
        return "error"


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Rings after `seconds` of CPU time, so that verdicts do not depend on the machine's load."""
    if not hasattr(signal, "setitimer"):  # Windows: the hard kill alone guards
        yield
        return

    def ring(*_: object) -> None:
        raise SoftTimeout

    previous = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
