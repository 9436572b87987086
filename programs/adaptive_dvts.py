"""DVTS that begins no more subtrees once the answer is settled.

1. Grow a batch of subtrees, each as in `dvts`.
2. Stop if the rule says that the answer is settled (`sal.strategies.settled` has the three).
3. Go to 1 until there were N/M subtrees. What was not begun is unspent.

The rules are those of sampling (Adaptive-Consistency, arXiv 2305.11860, and others), which none of
their authors applied to DVTS. They want independent draws, and siblings are none: where answers
are counted, a subtree has one, that of its best completion. The margin is that of the vote over
all completions, which a subtree can move by M.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sal.programs import checks
from sal.programs.adaptive_best_of_n import votes
from sal.programs.candidate import Candidate
from sal.programs.dvts import DvtsParams, begin_subtrees, grow_subtree
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.stopping import Stop, is_settled


@dataclass(frozen=True, slots=True)
class AdaptiveDvtsParams(DvtsParams):
    """Those of DVTS, the rule `stop` and the size of a `batch` in completions: batch/M subtrees.

    `agree` and `confidence` are those of `AdaptiveBestOfNParams`, here over subtrees.
    """

    stop: Stop = "margin"
    agree: int = 4
    confidence: float = 0.95
    batch: int = 8

    def __post_init__(self) -> None:
        DvtsParams.__post_init__(self)
        checks.stopping(self.stop, self.agree, self.confidence, self.batch)
        if self.batch % self.width:
            raise ValueError(f"batch must be a multiple of width ({self.width}), not {self.batch}")


@strategy(AdaptiveDvtsParams)
def adaptive_dvts(search: Search, params: AdaptiveDvtsParams) -> Vote:
    """Batches of subtrees, until the answer is settled or there were N/M."""
    completed: list[Candidate] = []
    left, first = params.budget, 0
    while left:
        # Grow a batch of subtrees
        width = min(params.batch, left)
        subtrees = begin_subtrees(search, params, width)
        completed += search.concurrently(partial(grow_subtree, search, params), subtrees)
        if left == params.budget and subtrees:
            first = subtrees[0][0].result().id[0]  # others may stand before it
        left -= width

        # Stop?
        begun = (params.budget - left) // params.width
        grown: list[list[Candidate]] = [[] for _ in range(begun)]
        for candidate in completed:
            grown[(candidate.id[0] - first) // params.width].append(candidate)
        if is_settled(
            params.stop,
            votes(grown, search, params.aggregate),
            left // params.width,
            agree=params.agree,
            confidence=params.confidence,
            worth=params.width,
        ):
            search.leave_unspent(left)
            break
    return by_score(completed, params.aggregate)
