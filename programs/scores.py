"""What the PRM said of the steps of one problem, so that it says it once, and reads it once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import NamedTuple

from sal.runtime.policy import is_fault
from sal.verifiers.interface import Scored, Traits, Verifier

_PATIENCE_S = 10.0
"""How long a request waits for another one to have read what both begin with."""


class _Asked(NamedTuple):
    """A score that is known, or on its way with those of all steps up to the last of `request`."""

    score: Future[float]
    request: tuple[str, ...]


class Scores:
    """A `Verifier` over another, for one problem: a step behind the same steps is asked for once.

    Of one that scores whole solutions, so is a solution. Equal candidates are common where a policy
    is sure of itself. Who comes second waits for the answer to the first; what was reused costs
    nothing. The first one's error is also that of its equals; others ask again, unless the endpoint
    is at fault: what is too long may only be so with the steps that they do not share.

    A server finds nothing in its cache of what it is reading for another request. So with a
    verifier that `prefills`, the first request goes alone, until the question is read, and one
    behind steps that are being scored is sent when they are.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        traits = Traits.of(verifier)
        self._outcome, self._prefills = traits.outcome, traits.prefills
        self._scores: dict[tuple[str, ...], _Asked] = {}
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._read = False
        """Whether the PRM has read the question."""

    def know(self, prefix: Sequence[str], steps: Sequence[str], scores: Sequence[float]) -> None:
        """Take what the PRM said before of `steps` behind `prefix`, one score for each."""
        with self._lock:
            for end in self._ends(len(scores)):
                path = (*prefix, *steps[:end])
                said = self._scores[path] = _Asked(Future(), path)
                said.score.set_result(scores[end - 1])

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """See `Verifier`; one request for the steps behind the longest path that is known."""
        ends = self._ends(len(steps))
        paths = [(*prefix, *steps[:end]) for end in ends]
        with self._lock:
            known = next((i for i, p in enumerate(paths) if p not in self._scores), len(paths))
            begun = ends[known - 1] if known else 0
            before = self._scores.get((*prefix, *steps[:begun]))
            for path in paths[known:]:
                self._scores[path] = _Asked(Future(), paths[-1])
            wanted = [self._scores[path] for path in paths]
        asked = Scored(())
        if known < len(paths):
            try:
                with self._behind(before):
                    asked = self._verifier.score(question, (*prefix, *steps[:begun]), steps[begun:])
                if len(asked.scores) != len(steps) - begun:
                    raise ValueError(f"{len(asked.scores)} scores for {len(steps) - begun} steps")
            except BaseException as wrong:
                with self._lock:
                    for path, ours in zip(paths[known:], wanted[known:], strict=True):
                        if self._scores.get(path) is ours:
                            del self._scores[path]
                for ours in wanted[known:]:
                    ours.score.set_exception(wrong)
                raise
            for ours, end in zip(wanted[known:], ends[known:], strict=True):
                ours.score.set_result(asked.scores[end - 1 - begun])
        for other in wanted[:known]:
            failed = other.score.exception()
            if failed is None:
                continue
            equal = isinstance(failed, Exception) and other.request == paths[-1]
            if equal or is_fault(failed):
                raise failed
            again = self.score(question, prefix, steps)
            return Scored(again.scores, asked.usage + again.usage)
        told = tuple(one.score.result() for one in wanted)
        return Scored(told * len(steps) if self._outcome else told, asked.usage)

    @contextmanager
    def _behind(self, before: _Asked | None) -> Iterator[None]:
        """Within, a request is sent: what it goes on from has been read, or took too long."""
        if not self._prefills:
            yield
            return
        if before is not None:
            wait([before.score], _PATIENCE_S)
        alone = not self._read and self._first.acquire(timeout=_PATIENCE_S)
        if alone and self._read:  # by the one that was waited for
            self._first.release()
            alone = False
        try:
            yield
            self._read = True
        finally:
            if alone:
                self._first.release()

    def _ends(self, steps: int) -> range:
        """Behind how many of them there is a score: each, or the last, if it is of the whole."""
        return range(max(steps, 1) if self._outcome else 1, steps + 1)
