"""What the PRM said of the steps of one problem, so that it says it once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future

from sal.verifiers.interface import Scored, Verifier


class Scores:
    """A `Verifier` over another, for one problem: a step behind the same steps is asked for once.

    Equal candidates are common where a policy is sure of itself. Who comes second waits for the
    answer to the first, also to its error; what was reused costs nothing.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._scores: dict[tuple[str, ...], Future[float]] = {}
        self._lock = threading.Lock()

    def know(self, prefix: Sequence[str], steps: Sequence[str], scores: Sequence[float]) -> None:
        """Take what the PRM said before of `steps` behind `prefix`, one score for each."""
        with self._lock:
            for i, score in enumerate(scores, 1):
                said = self._scores[(*prefix, *steps[:i])] = Future()
                said.set_result(score)

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """See `Verifier`; one request for the steps behind the longest path that is known."""
        paths = [(*prefix, *steps[: i + 1]) for i in range(len(steps))]
        with self._lock:
            known = next((i for i, p in enumerate(paths) if p not in self._scores), len(paths))
            for path in paths[known:]:
                self._scores[path] = Future()
            scores = [self._scores[path] for path in paths]
        asked = Scored(())
        if known < len(paths):
            try:
                asked = self._verifier.score(question, (*prefix, *steps[:known]), steps[known:])
                if len(asked.scores) != len(paths) - known:
                    raise ValueError(f"{len(asked.scores)} scores for {len(paths) - known} steps")
            except BaseException as wrong:
                with self._lock:
                    for path in paths[known:]:
                        self._scores.pop(path, None)
                for future in scores[known:]:
                    future.set_exception(wrong)
                raise
            for future, score in zip(scores[known:], asked.scores, strict=True):
                future.set_result(score)
        return Scored(tuple(future.result() for future in scores), asked.usage)
