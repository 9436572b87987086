"""Grading completions, and clustering equal answers for a vote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sal.grading.canonical import key
from sal.grading.choices import ChoiceGrader
from sal.grading.extract import extract, extract_gold
from sal.grading.guards import guard
from sal.grading.normalize import normalize
from sal.grading.numbers import numbers_equal, read_number
from sal.grading.pool import GradingPool
from sal.grading.verdict import Outcome, Verdict

_CHUNK = 8
"""Pairs per task: one round trip costs as much as an easy comparison."""
_BLOCK = 256
"""Pairs read ahead, so that workers are busy while verdicts come back in order."""
_LEADERS = 16
"""Distinct answers of one problem that others are compared with; past it, only spelling counts."""


class Grader:
    """Verdicts on completions. Safe to share by threads; close it, or use it as a context manager.
    A `pool` that is given stays open.

    In order: extraction, equal string keys, guards, plain numbers, and for all else the rules and
    the algebra in a worker process (started when first needed). `flexible` extraction takes the
    last number of a completion that states no answer.
    """

    note = ""

    def __init__(
        self, workers: int = 1, *, pool: GradingPool | None = None, flexible: bool = False
    ) -> None:
        self._flexible = flexible
        self._owns_pool = pool is None
        self._pool = pool if pool is not None else GradingPool(workers)

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers."""
        if self._owns_pool:
            self._pool.close()

    def answer(self, text: str) -> str:
        """What is graded of the completion `text`: its final answer, "" where it states none."""
        return extract(text, flexible=self._flexible) or ""

    def keys(self, texts: Sequence[str]) -> list[str]:
        """One key per completion, as `cluster` has it for their answers."""
        answers = {text: self.answer(text) for text in dict.fromkeys(texts)}
        return self.cluster([answers[text] for text in texts])

    def among(self, choices: Sequence[str]) -> ChoiceGrader:
        """The judge of one problem with these choices."""
        return ChoiceGrader(self, choices)

    def grade(self, text: str, gold: str) -> Verdict:
        """The verdict on the completion `text`; `gold` is the answer or a full solution."""
        return next(self.grade_many([(text, gold)]))

    def grade_many(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Verdict]:
        """Verdicts on (text, gold) pairs in their order; reads up to 256 pairs ahead."""
        source = iter(pairs)
        while block := list(islice(source, _BLOCK)):
            yield from self._grade_block(block)

    def _grade_block(self, block: Sequence[tuple[str, str]]) -> Iterator[Verdict]:
        settled = [_settle(text, gold, self._flexible) for text, gold in block]
        hard = [pair for pair in settled if not isinstance(pair, Verdict)]
        chunks = [self._pool.submit(hard[at : at + _CHUNK]) for at in range(0, len(hard), _CHUNK)]
        outcomes = (outcome for chunk in chunks for outcome in chunk())
        for verdict in settled:
            if isinstance(verdict, Verdict):
                yield verdict
            else:
                outcome = next(outcomes)
                yield Verdict(outcome == "match", outcome, verdict[1], verdict[0])

    def equal(self, gold: str, pred: str) -> Verdict:
        """Whether the bare answer `pred` states the bare answer `gold`."""
        verdict = _settle_answers(gold, pred)
        if verdict is None:
            verdict = self._pool.compare([(gold, pred)])[0]
        return Verdict(verdict == "match", verdict, pred, gold)

    def cluster(self, answers: Sequence[str]) -> list[str]:
        """One key per answer; equal answers share it, and "" (no answer) stays "".

        Equality of answers is not transitive, so they are compared with leaders in one order, the
        most frequent key first and ties by spelling: the order of `answers` changes nothing. Both
        directions must agree. A guarded or stopped comparison leaves an answer with its own key.
        """
        keys = [key(answer) for answer in answers]
        spelled: dict[str, str] = {}
        for name, answer in sorted(zip(keys, answers, strict=True)):
            spelled.setdefault(name, answer)
        counts = Counter(keys)
        order = sorted(spelled, key=lambda name: -counts[name])  # stable: ties by spelling
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
        equal = _numbers(one, other)
        if equal is None:
            equal = self._pool.compare([(one, other)], both_ways=True)[0] == "match"
        return equal


def _settle(text: str, gold: str, flexible: bool = False) -> Verdict | tuple[str, str]:
    """The verdict where no worker is needed, else the (gold, pred) to compare."""
    pred = extract(text, flexible=flexible)
    if pred is None:
        return Verdict(False, "no_answer", None)
    reference = extract_gold(gold)
    if reference is None:
        return Verdict(False, "error", pred)
    outcome = _settle_answers(reference, pred)
    if outcome is None:
        return reference, pred
    return Verdict(outcome == "match", outcome, pred, reference)


def _settle_answers(gold: str, pred: str) -> Outcome | None:
    if key(gold) == key(pred):
        return "match"
    if guard(pred) is not None or guard(gold) is not None:
        return "guarded"
    equal = _numbers(gold, pred)
    return None if equal is None else ("match" if equal else "mismatch")


def _numbers(gold: str, pred: str) -> bool | None:
    """Whether two plain numbers are equal; None where one is none, or may be a list (`1,234`)."""
    if "," in gold or "," in pred:
        return None
    left, right = read_number(normalize(gold)), read_number(normalize(pred))
    return None if left is None or right is None else numbers_equal(left, right)
