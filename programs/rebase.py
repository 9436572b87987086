"""REBASE: reward-balanced search (Wu et al., arXiv 2408.00724, section 3.1.2).

1. Sample N first steps.
2. Score every new step with the PRM; finished solutions are put aside, and B is N less those.
3. Give every unfinished node its softmax share of B; sample that many continuations of each; go
   to 2.

So good steps get more children, but weaker ones keep some, which beam search denies them. Two
things differ: shares are rounded as in the authors' code and not as in equation 1, so that they
sum to B (`strategies.balance`); and the last round runs to the end of text, where the authors
drop what is unfinished at depth 25.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sal.programs import checks
from sal.programs.candidate import Candidate
from sal.programs.params import StepwiseParams
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.aggregate import Aggregate
from sal.strategies.balance import balance


@dataclass(frozen=True, slots=True)
class RebaseParams(StepwiseParams):
    """`budget` is N, the solutions to sample; `balance_temperature` is T_b of equation 1.

    T_b = 0.2, temperature 1, depth 25 and the last step's score are those of the authors' code.
    """

    aggregate: Aggregate | None = "last"
    temperature: float = 1.0
    max_steps: int = 25
    balance_temperature: float = 0.2

    aggregate_source: ClassVar[str] = "Wu et al."

    def __post_init__(self) -> None:
        StepwiseParams.__post_init__(self)
        checks.positive("balance_temperature", self.balance_temperature)


@strategy(RebaseParams)
def rebase(search: Search, params: RebaseParams) -> Vote:
    """Every unfinished node gets its softmax share of what is left of N."""

    def share(growing: Sequence[Candidate], left: int) -> list[int]:
        rewards = [c.value(params.aggregate) for c in growing]
        return balance(rewards, left, params.balance_temperature)

    return by_score(search_balanced(search, params, share), params.aggregate)


def search_balanced(
    search: Search,
    params: RebaseParams,
    share: Callable[[Sequence[Candidate], int], list[int]],
) -> list[Candidate]:
    """The completions; `share` says how many of what is left go to each unfinished node."""
    completed: list[Candidate] = []
    nodes, shares = [search.root], [params.budget]
    for step in range(1, params.max_steps + 1):
        search.at_step(step)

        # Sample and assign rewards
        candidates = search.expand(nodes, shares, whole=step == params.max_steps)

        # Update the sampling budget
        completed += [c for c in candidates if c.done]
        left = params.budget - len(completed)

        # Balance
        growing = [c for c in candidates if c.open]
        allotted = share(growing, left)
        nodes = [c for c, children in zip(growing, allotted, strict=True) if children]
        shares = [children for children in allotted if children]
        if not nodes:
            break
    return completed
