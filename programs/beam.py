"""Beam search over steps against a PRM (Snell et al., arXiv 2408.03314, section 5.2).

1. Sample N first steps.
2. Score every step with the PRM.
3. Keep the N/M best.
4. Sample M continuations of each, N in all; go to 2, for at most 40 rounds.

Two things differ from the paper, where it leaves them open. A finished beam is a completion: it
is put aside and counts against N, so that N completions are sampled and never more; the steps go
on with what is left (as in REBASE, arXiv 2408.00724). And the last round runs to the end of text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from sal.programs import checks
from sal.programs.candidate import Candidate
from sal.programs.params import StepwiseParams
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.aggregate import Aggregate
from sal.strategies.keep import firsts, survivors, widths


@dataclass(frozen=True, slots=True)
class BeamParams(StepwiseParams):
    """`budget` is N, the beams; `width` is M, the continuations of each one kept.

    N need not be a multiple of M: ceil(N/M) beams are kept and their continuations sum to N.
    M = 4, 40 rounds and the last step's score are the paper's, temperature 0.8 is that of
    Beeching et al. (2024).

    With `filter_duplicates`, an option of Beeching et al., beams of equal text are one before the
    best are kept. It is no gain: a step sampled twice is likely, and loses its second look at what
    follows (88 % of 100 tiny problems right at N = 16, 96 % without).
    """

    aggregate: Aggregate | None = "last"
    width: int = 4
    filter_duplicates: bool = False

    aggregate_source: ClassVar[str] = "Snell et al."

    def __post_init__(self) -> None:
        StepwiseParams.__post_init__(self)
        checks.whole_number("width", self.width)
        checks.flag("filter_duplicates", self.filter_duplicates)


@strategy(BeamParams)
def beam(search: Search, params: BeamParams) -> Vote:
    """Beams ranked by the aggregated score of their steps so far."""

    def value(growing: list[Candidate]) -> list[float]:
        return [c.value(params.aggregate) for c in growing]

    return by_score(search_beams(search, params, value), params.aggregate)


def search_beams(
    search: Search, params: BeamParams, value: Callable[[list[Candidate]], list[float]]
) -> list[Candidate]:
    """The completions; `value` ranks the steps that can go on."""
    completed: list[Candidate] = []
    beams, shares = [search.root], [params.budget]
    for step in range(1, params.max_steps + 1):
        search.at_step(step)

        # Sample and score
        candidates = search.expand(beams, shares, whole=step == params.max_steps)

        # Put finished beams aside
        completed += [c for c in candidates if c.done]
        left = params.budget - len(completed)

        # Keep
        growing = [c for c in candidates if c.open]
        if params.filter_duplicates:
            growing = [growing[i] for i in firsts([c.text for c in growing])]
        beams = [growing[i] for i in survivors(value(growing), left, params.width)]
        shares = widths(left, len(beams))
        if not beams:
            break
    return completed
