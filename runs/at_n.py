"""Numbers at every n <= N from one run's completions: pass@n, and what each rule had chosen."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby

from sal.runs.results import ResultRow
from sal.runs.summary import AtN, Estimate
from sal.strategies.at_n import DRAWN, Ballots, naive_at, pass_at, subsets, voted_at

RULES = ("naive", "weighted", "majority")

TOGETHER = 40000
"""Samples of subsets that are counted in one go: more are no faster, and take memory."""

WAITING = 512
"""Rows that wait for that."""

_naive_at = lru_cache(maxsize=4096)(naive_at)  # of few samples there are few patterns


class NumbersAt:
    """Means over problems of what n of their samples come to, for `ns` in 1..`budget`.

    Samples are subsampled only where they are `independent`, and no cap kept some from being
    begun; else pass@1 alone is told, as a mean over completions, and why. Rows are added one at a
    time, and none is held.
    """

    def __init__(self, strategy: str, budget: int, *, independent: bool, ns: Iterable[int]) -> None:
        self._strategy = strategy
        self._independent = independent
        self._values = SampleValues(budget, ns)
        self._shares = array("d")
        self._capped = 0

    def add(self, row: ResultRow) -> None:
        """One more problem."""
        self._capped += row.capped
        self._shares.append(_share(row))
        if self._independent and not self._capped:
            self._values.add(row)

    def result(self) -> AtN:
        """Of all that were added."""
        if not self._shares:
            return AtN({})
        if not self._independent or self._capped:
            why = (
                f"{self._strategy} does not sample its completions independently of each other, so "
                "some of them do not show what a smaller N would have found"
                if not self._independent
                else f"a cap ended the search of {self._capped} of {len(self._shares)} problems"
            )
            return AtN({"pass": {1: Estimate.of(self._shares)}}, f"@1 only: {why}")
        return AtN(
            {
                rule: {n: Estimate.of(found) for n, found in by_n.items()}
                for rule, by_n in self._values.result().items()
            },
            _drawn(self._values.drawn),
        )


def numbers_at(
    rows: Iterable[ResultRow], strategy: str, budget: int, *, independent: bool, ns: Iterable[int]
) -> AtN:
    """`NumbersAt` of all `rows`."""
    numbers = NumbersAt(strategy, budget, independent=independent, ns=ns)
    for row in rows:
        numbers.add(row)
    return numbers.result()


class SampleValues:
    """By rule and n, for each row: the mean over subsets of n of its samples, which must be
    independent.

    `drawn` notes, by rule, for which n not all subsets were looked at.
    """

    def __init__(self, budget: int, ns: Iterable[int]) -> None:
        self._budget = budget
        self._sizes = sorted(set(ns))
        self._values = {rule: {n: array("d") for n in self._sizes} for rule in (*RULES, "pass")}
        self._waiting: list[tuple[Ballots, Ballots]] = []
        self.drawn: dict[str, set[int]] = {rule: set() for rule in RULES}

    def add(self, row: ResultRow) -> None:
        """The samples of one more problem."""
        total = max(self._budget, len(row.completions))  # who failed is in no list, and wrong
        right = [c.right for c in row.completions]
        keys = [c.key if c.finish == "eot" else "" for c in row.completions]
        weights = [0.0 if c.weight is None else c.weight for c in row.completions]
        for n in self._sizes:
            self._values["pass"][n].append(pass_at(sum(right), total, n))
        scored = Ballots.of(keys, weights, right, total)
        equal = Ballots.of(keys, [0.0] * len(keys), right, total)
        self._waiting.append((scored, equal))
        if len(self._waiting) == WAITING:
            self._count()

    def result(self) -> dict[str, dict[int, array[float]]]:
        """A value for each row, in their order."""
        self._count()
        return self._values

    def _count(self) -> None:
        for total, group in groupby(self._waiting, key=lambda pair: pair[0].total):
            scored, equal = zip(*group, strict=True)
            for n in self._sizes:
                self._naive(scored, total, n)
                self._voted("weighted", scored, total, n)
                self._voted("majority", equal, total, n)
        self._waiting = []

    def _naive(self, ballots: Sequence[Ballots], total: int, n: int) -> None:
        found = self._values["naive"][n]
        for decided, group in groupby(ballots, key=lambda of: of.decided_by_rank):
            if decided:
                found.extend(_naive_at(tuple(of.right.tolist()), total, n) for of in group)
            else:
                self._voted("naive", list(group), total, n)

    def _voted(self, rule: str, ballots: Sequence[Ballots], total: int, n: int) -> None:
        chosen = subsets(total, n)
        if not chosen.all:
            self.drawn[rule].add(n)
        together = max(1, TOGETHER // chosen.rows.size)
        for at in range(0, len(ballots), together):
            part = ballots[at : at + together]
            self._values[rule][n].extend(voted_at(rule, part, chosen))


def values_at(
    rows: Iterable[ResultRow], budget: int, ns: Iterable[int]
) -> dict[str, dict[int, list[float]]]:
    """`SampleValues` of all `rows`."""
    values = SampleValues(budget, ns)
    for row in rows:
        values.add(row)
    return {
        rule: {n: list(found) for n, found in by_n.items()}
        for rule, by_n in values.result().items()
    }


def sizes_up_to(budget: int) -> list[int]:
    """1, 2, 4, ... and the budget itself."""
    return sorted({*(2**k for k in range(budget.bit_length())), budget})


def _share(row: ResultRow) -> float:
    """pass@1: the share of a problem's completions that are right."""
    right = [c.right for c in row.completions]
    return sum(right) / len(right) if right else 0.0


def _drawn(drawn: Mapping[str, set[int]]) -> str:
    """Which numbers are averages over subsets that were drawn, and over how many."""
    said = [
        f"{rule} at n = {', '.join(map(str, sorted(found)))}"
        for rule, found in drawn.items()
        if found
    ]
    if not said:
        return ""
    return f"over {DRAWN} subsets of the samples: {'; '.join(said)}; else over all subsets"
