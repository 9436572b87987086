"""Which replica of a model searches a problem, where one server has several (SGLang's `--dp-size`).

SGLang hands requests out in turn, and each replica has a cache of its own: what all of a problem's
requests begin with would be read by every one of them. A request may name its replica, as
"routed_dp_rank". So all of a problem's name the one that had the least to do when it began.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from sal.runtime.policy import PROBLEM

_REMEMBERED = 10_000
"""Problems: a server that goes on for days meets more, of which the oldest are long over."""


class Replicas:
    """Of one server, for any number of threads."""

    def __init__(self, count: int) -> None:
        self._in_flight = [0] * count
        self._problems = [0] * count
        self._of: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[int]:
        """The number of the replica for a request of `PROBLEM`, which is in flight within.

        Of those with as few requests as any, the one that has been given the fewest problems.
        """
        problem = PROBLEM.get()
        with self._lock:
            chosen = self._of.get(problem) if problem else None
            if chosen is None:
                ranks = range(len(self._in_flight))
                chosen = min(ranks, key=lambda i: (self._in_flight[i], self._problems[i]))
                if problem:
                    self._of[problem] = chosen
                    self._problems[chosen] += 1
                    if len(self._of) > _REMEMBERED:
                        self._of.popitem(last=False)
            self._in_flight[chosen] += 1
        try:
            yield chosen
        finally:
            with self._lock:
                self._in_flight[chosen] -= 1
