"""Diverse verifier tree search (Beeching et al., "Scaling test-time compute", 2024).

The budget is split over N/M subtrees that know nothing of each other. Each one samples M steps,
keeps the one that the PRM likes best and goes on from there, until the best one is a finished
solution. A subtree yields what is finished among its last M siblings. So subtrees cannot all
follow the same early step, which is how beam search loses its diversity at large N.

With a `lookahead` of k a step is judged by what the PRM says up to k greedy steps later, as in
`sal.programs.lookahead`; a finished solution still votes with the score of its own.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import ClassVar

from sal.programs import checks
from sal.programs.candidate import Candidate
from sal.programs.lookahead import look_ahead
from sal.programs.params import StepwiseParams
from sal.programs.search import Search, join
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.aggregate import Aggregate
from sal.strategies.keep import best


@dataclass(frozen=True, slots=True)
class DvtsParams(StepwiseParams):
    """`budget` is N, a multiple of `width`, which is M: N/M subtrees of M siblings.

    M = 4, 40 steps, no `lookahead`, temperature 0.8 and the last step's score are the authors'.
    """

    aggregate: Aggregate | None = "last"
    width: int = 4
    lookahead: int = 0

    aggregate_source: ClassVar[str] = "Beeching et al."

    def __post_init__(self) -> None:
        StepwiseParams.__post_init__(self)
        checks.whole_number("width", self.width)
        checks.whole_number("lookahead", self.lookahead, least=0)
        if self.budget % self.width:
            raise ValueError(
                f"budget must be a multiple of width ({self.width}), not {self.budget}"
            )


@strategy(DvtsParams)
def dvts(search: Search, params: DvtsParams) -> Vote:
    """N/M subtrees side by side, and a vote over the completions of all."""
    # Fork: the first steps, M to a subtree
    subtrees = begin_subtrees(search, params, params.budget)
    # Join: subtrees never wait for each other
    completed = search.concurrently(partial(grow_subtree, search, params), subtrees)
    return by_score(completed, params.aggregate)


def begin_subtrees(
    search: Search, params: DvtsParams, budget: int
) -> list[list[Future[Candidate]]]:
    """Subtrees for `budget` completions: the M first steps of each."""
    search.at_step(1)
    firsts = search.start(search.root, budget, whole=params.max_steps == 1)
    return [firsts[i : i + params.width] for i in range(0, len(firsts), params.width)]


def grow_subtree(
    search: Search, params: DvtsParams, siblings: list[Future[Candidate]]
) -> list[Candidate]:
    """One subtree, from its first siblings to its last; returns the finished of these.

    A truncated step can neither be continued nor answer, so it is kept only when its siblings
    are all truncated.
    """
    for step in count(2):
        # Only these M wait for each other.
        candidates = join(siblings)
        ahead = look_ahead(search, candidates, params.lookahead)
        values = [end.value(params.aggregate) for end in ahead]
        kept = best([v if c.sound else None for c, v in zip(candidates, values, strict=True)])
        if kept is None or candidates[kept].done:
            break
        search.at_step(step)
        siblings = search.start(candidates[kept], params.width, whole=step >= params.max_steps)
        if not siblings:  # a cap: what is finished stays found
            break
    return [c for c in candidates if c.done]
