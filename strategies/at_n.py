"""What n of N samples of one problem come to, on average over the subsets of n: pass@n, majority@n.

A sample that has no vote (no answer, truncated, failed) is one of the N all the same, and wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

ENUMERATED = 2000
"""The most subsets that are all looked at; N = 16 has 1820 of 4."""

DRAWN = 400
"""How many are drawn where there are more: an error of at most 0.025 for one problem."""

_FINE = 2.0**40
"""Weights are counted in 1/_FINE, so that their sums are exact, in whatever order."""

Array = np.ndarray[Any, np.dtype[Any]]


def pass_at(right: int, total: int, n: int) -> float:
    """The chance that one of n out of `total` samples is right, of which `right` are.

    1 - C(N - c, n) / C(N, n), unbiased (Chen et al., arXiv 2107.03374, section 2.1).
    """
    return 1.0 - math.comb(total - right, n) / math.comb(total, n)


def naive_at(ranked: Sequence[bool], total: int, n: int) -> float:
    """The chance that the best of n out of `total` samples is right.

    `ranked` says of those that have a vote, best first, which are right: the r-th is the best of
    C(N - 1 - r, n - 1) of the C(N, n) subsets.
    """
    shares = _best_of_subsets(total, n)[: len(ranked)]
    return float(shares[np.asarray(ranked, bool)].sum())


@lru_cache(maxsize=64)
def _best_of_subsets(total: int, n: int) -> Array:
    subsets = math.comb(total, n)
    return np.array([math.comb(total - 1 - r, n - 1) / subsets for r in range(total)])


@dataclass(frozen=True, eq=False)
class Subsets:
    """Subsets of n of the numbers below N, a row each, ascending; `all` if none is missing."""

    rows: Array
    all: bool


@lru_cache(maxsize=64)
def subsets(total: int, n: int) -> Subsets:
    """All subsets where they are few, else `DRAWN` of them, the same ones every time."""
    if math.comb(total, n) <= ENUMERATED:
        return Subsets(np.array(list(combinations(range(total), n))), all=True)
    drawn = np.random.default_rng([total, n]).random((DRAWN, total))
    return Subsets(np.sort(np.argpartition(drawn, n, axis=1)[:, :n], axis=1), all=False)


@dataclass(frozen=True, eq=False)
class Ballots:
    """The votes of one problem's samples, best first, ties by their order.

    `answers[r]` numbers the r-th sample's answer, `weights[r]` is what its vote weighs, `right[r]`
    whether it is right; `total` is N, those without a vote included.
    """

    answers: Array
    weights: Array
    right: Array
    total: int

    @classmethod
    def of(
        cls,
        keys: Sequence[str],
        weights: Sequence[float],
        right: Sequence[bool],
        total: int | None = None,
    ) -> Ballots:
        """Of samples in their order; one whose key is "" has no vote. `total` is at least theirs.

        A weight that is not finite counts 0.
        """
        known = {key: i for i, key in enumerate(dict.fromkeys(key for key in keys if key))}
        found = [w if math.isfinite(w) else 0.0 for w in weights]
        order = sorted((i for i, key in enumerate(keys) if key), key=lambda i: (-found[i], i))
        return cls(
            np.array([known[keys[i]] for i in order], int),
            np.round(np.array([found[i] for i in order]) * _FINE) / _FINE,
            np.array([right[i] for i in order], bool),
            len(keys) if total is None else total,
        )

    @property
    def unweighted(self) -> bool:
        """Whether all weigh the same."""
        return len(set(self.weights.tolist())) <= 1

    @property
    def decided_by_rank(self) -> bool:
        """Whether samples of equal weight are all right or all wrong, so that no tie matters."""
        verdict: dict[float, bool] = {}
        return all(
            verdict.setdefault(weight, right) is right
            for weight, right in zip(self.weights.tolist(), self.right.tolist(), strict=True)
        )


def voted_at(rule: str, problems: Sequence[Ballots], chosen: Subsets) -> list[float]:
    """Of each problem the share of subsets in which `rule` ("naive", "weighted", "majority") is
    right; all have as many samples.

    Rules and ties are those of `sal.strategies.voting`. For the majority all must weigh the same,
    for then the best of an answer is its first.
    """
    rows, total = chosen.rows, problems[0].total
    voters = [len(ballots.answers) for ballots in problems]
    width = max((int(b.answers.max()) for b in problems if len(b.answers)), default=-1) + 2
    # Those without a vote share one answer more, which cannot win, and none is best of it.
    answers = np.full((len(problems), total), width - 1)
    weights = np.zeros((len(problems), total + 1))
    weights[:, total] = -np.inf
    right = np.zeros((len(problems), total + 1), bool)
    for i, (ballots, of) in enumerate(zip(problems, voters, strict=True)):
        answers[i, :of] = ballots.answers
        weights[i, :of] = ballots.weights
        right[i, :of] = ballots.right
    lines = np.arange(len(problems) * len(rows))
    of_line = (lines // len(rows))[:, None]  # whose subset it is
    at = (answers[:, rows].reshape(len(lines), -1) + lines[:, None] * width).ravel()

    def tally(worth: Array | None = None) -> Array:
        return np.bincount(at, worth, len(lines) * width).reshape(-1, width)[:, :-1]

    counts = tally()
    best = np.full(len(lines) * width, total)  # where each answer's best stands
    best[at[::-1]] = np.tile(rows.ravel(), len(problems))[::-1]  # of equal places the last stays
    best = best.reshape(-1, width)[:, :-1]
    criteria = [weights[of_line, best], counts, -best]
    if rule == "weighted":
        criteria.insert(0, tally(weights[:, rows].ravel()))
    elif rule == "majority":
        criteria = [counts, -best]
    if width == 1:  # nobody has a vote
        return [0.0] * len(problems)
    elected = best[lines, _leading(counts > 0, criteria)]
    hits: Array = right[of_line[:, 0], elected].reshape(len(problems), -1).mean(axis=1)
    return [float(share) for share in hits]


def _leading(running: Array, criteria: Sequence[Array]) -> Array:
    """In each row, which column leads by the first criterion, ties by the next, among `running`."""
    leading: Array = np.zeros(len(running), int)
    undecided: Array = np.arange(len(running))
    for criterion in criteria:
        values = np.where(running, criterion[undecided], -np.inf)
        running = running & (values == values.max(axis=1, keepdims=True))
        leading[undecided] = running.argmax(axis=1)
        tied = running.sum(axis=1) > 1
        undecided, running = undecided[tied], running[tied]
        if not len(undecided):
            break
    return leading
