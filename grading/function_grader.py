"""Grading by a function of the user's own, in a worker that can be killed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

from sal.grading.functions import TOOK_TOO_LONG, Called, find_function, keys, verdicts
from sal.grading.grader import Grader
from sal.grading.pool import GradingPool
from sal.grading.verdict import Outcome, Reason, Verdict

LIMIT_S = 60.0
"""What one call may take; then it is ended, with its process if need be."""
_BLOCK = 64
"""Calls that are started ahead."""
_SHOWN = 80
"""Characters of a completion that states no answer, in an explanation."""


class FunctionGrader:
    """Verdicts of the function `name`, `module:function`; to be closed.

    `function(completion, gold)` says True or False; where it has an attribute `key`, a function of
    a completion, equal texts of that are equal answers in votes. Else those are the `maths`
    grader's. A call that fails makes no verdict but "error" or "timeout", and no key. Raises
    `GraderError` where there is no such function.
    """

    def __init__(self, name: str, maths: Grader, *, workers: int = 1) -> None:
        self._function = find_function(name)
        self._maths = maths
        self._pool = GradingPool(
            workers, soft_seconds=LIMIT_S, hard_seconds=LIMIT_S, memory_bytes=None, algebra=False
        )
        folder = self._function.folder
        self._verdicts = partial(verdicts, name=name, folder=folder)
        self._keys = partial(keys, name=name, folder=folder)
        self._lock = threading.Lock()
        self._calls = 0
        self._faults: list[str] = []

    def close(self) -> None:
        """Stop the workers."""
        self._pool.close()
        self._maths.close()

    @property
    def note(self) -> str:
        """What whoever follows the grading should know: calls that failed; "" for none."""
        if not self._faults:
            return ""
        many = f"{len(self._faults)} of {self._calls} calls failed"
        return f"--grader {self._function.name}: {many}; the first: {self._faults[0]}"

    def keys(self, texts: Sequence[str]) -> list[str]:
        """One key per completion, "" where there is none."""
        if not self._function.has_key:
            return self._maths.keys(texts)
        once = dict.fromkeys(texts)
        pending = [self._pool.submit_task(self._keys, [text], failed=_failed) for text in once]
        called = (self._seen(calls()[0]) for calls in pending)
        found = {text: str(c.value or "") for text, c in zip(once, called, strict=True)}
        return [found[text] for text in texts]

    def among(self, _: Sequence[str]) -> FunctionGrader:
        """Itself: of choices it knows what it is given, the letter of the right one."""
        return self

    def grade_many(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Verdict]:
        """Verdicts on (text, gold) pairs in their order."""
        source = iter(pairs)
        while block := list(islice(source, _BLOCK)):
            pending = [
                self._pool.submit_task(self._verdicts, [pair], failed=_failed) for pair in block
            ]
            for (text, gold), calls in zip(block, pending, strict=True):
                called = self._seen(calls()[0])
                answer = self._maths.answer(text) or text.strip()[-_SHOWN:]
                yield Verdict(called.value is True, _reason(called), answer, gold, called.fault)

    def _seen(self, called: Called) -> Called:
        with self._lock:
            self._calls += 1
            if called.fault:
                self._faults.append(called.fault)
        return called


def _failed(outcome: Outcome) -> Called:
    return Called(None, TOOK_TOO_LONG if outcome == "timeout" else "its process ended")


def _reason(called: Called) -> Reason:
    if called.value is None:
        return "timeout" if called.fault == TOOK_TOO_LONG else "error"
    return "match" if called.value else "mismatch"
