"""Grading completions, and clustering equal answers for a vote."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from sal.grading.canonical import key
from sal.grading.compare import decide
from sal.grading.extract import extract, extract_gold
from sal.grading.guards import guard
from sal.grading.pool import GradingPool
from sal.grading.verdict import Outcome, Verdict

_CHUNK = 8
"""Pairs per task: one round trip costs as much as an easy comparison."""
_WINDOW = 512
"""Verdicts held back for order."""
_LEADERS = 16
"""Distinct answers of one problem that others are compared with; past it, only spelling counts."""


class Grader:
    """Verdicts on completions. Safe to share by threads; close it, or use it as a context manager.

    In order: extraction, equal string keys, guards, rules by class of answer, and only then
    algebra in a worker process (started when first needed).
    """

    def __init__(self, workers: int = 1, *, pool: GradingPool | None = None) -> None:
        self._pool = pool if pool is not None else GradingPool(workers)

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers."""
        self._pool.close()

    def grade(self, text: str, gold: str) -> Verdict:
        """The verdict on the completion `text`; `gold` is the answer or a full solution."""
        return next(self.grade_many([(text, gold)]))

    def grade_many(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Verdict]:
        """Verdicts on (text, gold) pairs in their order, while later ones are being compared."""
        waiting: deque[Callable[[], Verdict]] = deque()
        chunk = _Chunk(self._pool)
        running: deque[_Chunk] = deque()
        for text, gold in pairs:
            verdict = _settle(text, gold)
            if isinstance(verdict, Verdict):
                waiting.append(_constant(verdict))
            else:
                waiting.append(chunk.add(*verdict))
                if chunk.full:
                    chunk.start()
                    running.append(chunk)
                    chunk = _Chunk(self._pool)
                    if len(running) > 4 * self._pool.workers:
                        running.popleft().outcomes()
            if not running and not chunk.pairs:
                while waiting:
                    yield waiting.popleft()()
            while len(waiting) > _WINDOW:
                yield waiting.popleft()()
        chunk.start()
        while waiting:
            yield waiting.popleft()()

    def equal(self, gold: str, pred: str) -> Verdict:
        """Whether the bare answer `pred` states the bare answer `gold`."""
        verdict = _settle_answers(gold, pred)
        if verdict is None:
            verdict = self._pool.compare([(gold, pred)])[0]
        return Verdict(verdict == "match", verdict, pred)

    def cluster(self, answers: Sequence[str]) -> list[str]:
        """One key per answer; equal answers share it, and "" (no answer) stays "".

        Answers are compared with leaders, the most frequent spelling first and ties by first
        appearance, since equality of answers is not transitive. Both directions must agree. A
        guarded or stopped comparison leaves an answer with its own key.
        """
        keys = [key(answer) for answer in answers]
        spelled: dict[str, str] = {}
        for name, answer in zip(keys, answers, strict=True):
            spelled.setdefault(name, answer)
        counts = Counter(keys)
        order = sorted(spelled, key=lambda name: -counts[name])  # stable: ties by appearance
        leader_of: dict[str, str] = {}
        leaders: list[str] = []
        for name in order:
            answer = spelled[name]
            home = name
            if name and guard(answer) is None:
                home = next(
                    (leader for leader in leaders if self._mutual(spelled[leader], answer)), name
                )
                if home == name and len(leaders) < _LEADERS:
                    leaders.append(name)
            leader_of[name] = home
        return [leader_of[name] for name in keys]

    def _mutual(self, one: str, other: str) -> bool:
        forth, back = decide(one, other), decide(other, one)
        if forth is None or back is None:
            if forth is False or back is False:
                return False
            return self._pool.compare([(one, other)], both_ways=True)[0] == "match"
        return forth and back


class _Chunk:
    """Pairs that travel to a worker together."""

    def __init__(self, pool: GradingPool) -> None:
        self.pairs: list[tuple[str, str]] = []
        self._pool = pool
        self._outcomes: Callable[[], list[Outcome]] | None = None
        self._done: list[Outcome] | None = None

    @property
    def full(self) -> bool:
        return len(self.pairs) == _CHUNK

    def add(self, gold: str, pred: str) -> Callable[[], Verdict]:
        at = len(self.pairs)
        self.pairs.append((gold, pred))

        def verdict() -> Verdict:
            outcome = self.outcomes()[at]
            return Verdict(outcome == "match", outcome, pred)

        return verdict

    def start(self) -> None:
        if self.pairs and self._outcomes is None:
            self._outcomes = self._pool.submit(self.pairs)

    def outcomes(self) -> list[Outcome]:
        if self._done is None:
            self.start()
            self._done = self._outcomes() if self._outcomes is not None else []
        return self._done


def _constant(verdict: Verdict) -> Callable[[], Verdict]:
    return lambda: verdict


def _settle(text: str, gold: str) -> Verdict | tuple[str, str]:
    """The verdict where no worker is needed, else the (gold, pred) to compare."""
    pred = extract(text)
    if pred is None:
        return Verdict(False, "no_answer", None)
    reference = extract_gold(gold)
    if reference is None:
        return Verdict(False, "error", pred)
    outcome = _settle_answers(reference, pred)
    if outcome is None:
        return reference, pred
    return Verdict(outcome == "match", outcome, pred)


def _settle_answers(gold: str, pred: str) -> Outcome | None:
    if key(gold) == key(pred):
        return "match"
    if guard(pred) is not None or guard(gold) is not None:
        return "guarded"
    verdict = decide(gold, pred)
    return None if verdict is None else ("match" if verdict else "mismatch")
