"""Best-of-N: sample N solutions, let the PRM score their steps, choose (arXiv 2305.20050)."""

from __future__ import annotations

from dataclasses import dataclass

from sal.programs import checks
from sal.programs.params import SamplingParams
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.aggregate import Aggregate


@dataclass(frozen=True, slots=True)
class BestOfNParams(SamplingParams):
    """`budget` is N, the number of samples.

    Temperature 0.8 is that of "Scaling test-time compute with open models" (Beeching et al.,
    2024); 2048 tokens bound one completion. `aggregate` makes one score of the step scores; None
    is the PRM's own.
    """

    aggregate: Aggregate | None = None

    def __post_init__(self) -> None:
        SamplingParams.__post_init__(self)
        checks.reduction(self.aggregate)


@strategy(BestOfNParams, prm="needed at the end", independent=True)
def best_of_n(search: Search, params: BestOfNParams) -> Vote:
    """N solutions that know nothing of each other; each is scored when it ends, in one request."""
    search.trace.phase = "sampling"
    samples = search.expand([search.root], [params.budget], whole=True)
    return by_score(samples, params.aggregate)
