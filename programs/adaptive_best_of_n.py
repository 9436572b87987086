"""Best-of-N that stops when the answer is settled (Adaptive-Consistency, arXiv 2305.11860).

1. Sample a batch of solutions and score them.
2. Stop if the rule says that the answer is settled (`sal.strategies.settled` has the three).
3. Go to 1 until N solutions are sampled. What was not sampled is unspent.

It differs from its sources in this: they look after every sample, here the look is after a batch
of a fixed size, whose samples run side by side. So the decision does not depend on which of them
ends first, and the completions are the first ones of `best_of_n` with the same seed.

Agreement and the posterior count answers: they tell when the majority is settled, as their authors
want it. Where the PRM knows better than the majority, what they save costs the weighted vote its
advantage. The margin is that of the weighted vote itself, and so the default; it saves less.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sal.programs import checks
from sal.programs.best_of_n import BestOfNParams
from sal.programs.candidate import Candidate
from sal.programs.search import Search, join
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.aggregate import Aggregate
from sal.strategies.stopping import Draw, Stop, is_settled


@dataclass(frozen=True, slots=True)
class AdaptiveBestOfNParams(BestOfNParams):
    """Those of Best-of-N, the rule `stop` and the size of a `batch`.

    `confidence` 0.95 is Adaptive-Consistency's; at 1 the margin stops only where no completion to
    come could change the vote. `agree` answers in a row must be the same: ESC
    takes 5 (8 on MATH), Dynasor 2 to 8 by the effort to save; 4 fill one batch, and four to none
    have a posterior of 0.97.
    """

    stop: Stop = "margin"
    agree: int = 4
    confidence: float = 0.95
    batch: int = 4

    def __post_init__(self) -> None:
        BestOfNParams.__post_init__(self)
        checks.stopping(self.stop, self.agree, self.confidence, self.batch)


@strategy(AdaptiveBestOfNParams, prm="needed at the end")
def adaptive_best_of_n(search: Search, params: AdaptiveBestOfNParams) -> Vote:
    """Batches of solutions, until the answer is settled or N are sampled."""
    samples: list[Candidate] = []
    left = params.budget
    while left:
        # Sample a batch
        search.trace.phase = f"{params.budget - left} of {params.budget} sampled"
        width = min(params.batch, left)
        samples += join(search.start(search.root, width, whole=True))
        left -= width

        # Stop?
        draws = votes([[sample] for sample in samples], search, params.aggregate)
        if is_settled(params.stop, draws, left, agree=params.agree, confidence=params.confidence):
            search.leave_unspent(left)
            break
    return by_score(samples, params.aggregate)


def votes(
    groups: Iterable[Iterable[Candidate]], search: Search, how: Aggregate | None
) -> list[Draw]:
    """The draw of each group: (key, score) of those that the policy ended, with an answer."""
    ended = [[c for c in group if c.finish == "eot"] for group in groups]
    keys = iter(search.answer_keys([c.text for group in ended for c in group]))
    return [[(key, c.value(how)) for c in group if (key := next(keys))] for group in ended]
