"""ProcessBench's figure (Zheng et al., arXiv 2412.06559): does a PRM find the first wrong step?

At a threshold t a PRM says that the first step with a score below t is the first wrong one, or that
there is none. Of solutions with an error it is right if it names that step, of those without if it
names none; F1 is the harmonic mean of the two accuracies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class F1:
    """Shares in [0, 1]. nan where there is no solution of the kind."""

    error: float
    correct: float

    @property
    def f1(self) -> float:
        """0 where both accuracies are."""
        both = self.error + self.correct
        return 2 * self.error * self.correct / both if both else both


class Judged:
    """Scored solutions, each with the number of its first wrong step, -1 for none.

    A solution is judged rightly at exactly the thresholds in an interval, low < t <= high: those
    above the score of its first wrong step, and up to the least score before that. So the best
    threshold is the upper end of one, and is found without a grid.
    """

    def __init__(self, scores: Sequence[Sequence[float] | None], labels: Sequence[int]) -> None:
        """Without scores, a solution is judged wrongly at any threshold."""
        ends = [_interval(s, label) for s, label in zip(scores, labels, strict=True)]
        self.wrong = np.array([label >= 0 for label in labels], bool)
        self._low, self._high = np.array(ends, float).reshape(-1, 2).T

    def __len__(self) -> int:
        return len(self.wrong)

    def at(self, threshold: float) -> F1:
        """The figure at one threshold."""
        return self.of(self.right(np.array([threshold]))[0])

    def right(self, thresholds: Floats) -> npt.NDArray[np.bool_]:
        """Which solutions are judged rightly, thresholds x solutions."""
        at = thresholds[:, None]
        return (self._low < at) & (at <= self._high)

    def of(self, right: npt.NDArray[np.bool_]) -> F1:
        """The figure, by whether each solution is judged rightly."""
        return F1(_mean(right[self.wrong]), _mean(right[~self.wrong]))

    @property
    def thresholds(self) -> Floats:
        """Among these is one at which F1 is largest."""
        ends = self._high[np.isfinite(self._high)]
        return np.unique(np.append(ends, 0.5))

    def best(self) -> tuple[float, F1]:
        """The threshold with the largest F1 on these solutions; of equal ones the nearest 0.5."""
        at = self.thresholds
        f1 = f1_of(self.right(at), self.wrong, np.ones((1, len(self))))[0]
        tied = at[f1 >= f1.max() - 1e-12]
        threshold = float(tied[np.abs(tied - 0.5).argmin()])
        return threshold, self.at(threshold)


def f1_of(right: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """F1 of weighted solutions, weights x thresholds.

    `right` is thresholds x solutions, `weights` rows x solutions: how often each is counted.
    """
    error, correct = (
        (weights[:, of] @ right[:, of].T.astype(float)) / weights[:, of].sum(1, keepdims=True)
        for of in (wrong, ~wrong)
    )
    both = error + correct
    f1: Floats = np.divide(2 * error * correct, both, out=np.zeros_like(both), where=both > 0)
    return f1


def resampled(wrong: npt.NDArray[np.bool_], draws: int, rng: np.random.Generator) -> Floats:
    """Weights of the bootstrap, draws x solutions: with and without an error drawn apart."""
    weights = np.zeros((draws, len(wrong)))
    for of in (wrong, ~wrong):
        size = int(of.sum())
        if size:
            weights[:, of] = rng.multinomial(size, [1 / size] * size, draws)
    return weights


def interval(values: Any) -> tuple[float, float]:
    """The middle 95 % of what a bootstrap gave."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _interval(scores: Sequence[float] | None, label: int) -> tuple[float, float]:
    """Low and high of the thresholds that judge a solution rightly."""
    if scores is None:
        return np.inf, -np.inf
    if not -1 <= label < len(scores):
        raise ValueError(f"the first wrong step is {label} of {len(scores)} that are scored")
    if label < 0:
        return -np.inf, min(scores)
    return scores[label], min(scores[:label], default=np.inf)


def _mean(right: npt.NDArray[np.bool_]) -> float:
    return float(right.mean()) if right.size else float("nan")
