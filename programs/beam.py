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
from typing import Any

from sglang.lang.api import function

from sal.programs import checks
from sal.programs.candidate import Candidate
from sal.programs.caps import Caps
from sal.programs.expand import Search
from sal.programs.params import StepwiseParams
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.answers import last_boxed
from sal.strategies.keep import survivors, widths
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class BeamParams(StepwiseParams):
    """`budget` is N, the beams; `width` is M, the continuations of each one kept.

    N need not be a multiple of M: ceil(N/M) beams are kept and their continuations sum to N.
    M = 4, 40 rounds and the last step's score are the paper's, temperature 0.8 is that of
    Beeching et al. (2024).
    """

    width: int = 4

    def __post_init__(self) -> None:
        StepwiseParams.__post_init__(self)
        checks.whole_number("width", self.width)

    @property
    def live_states(self) -> int:
        """The most threads that a run holds at a time, for admission control."""
        return 1 + self.budget + -(-self.budget // self.width)


@function  # type: ignore[untyped-decorator]  # sglang has no types
def beam(
    s: Any,
    problem: str | Problem,
    *,
    params: BeamParams,
    verifier: Verifier,
    answer_key: Callable[[str], str] = last_boxed,
    seed: int = 0,
    trace: Trace | None = None,
    caps: Caps = Caps(),
) -> SearchResult:
    """Search one problem; what is left in the state is that of `best_of_n`."""
    with Search(s, problem, params, verifier, seed, trace, caps) as search:
        return search.conclude(grow(search, params), params.aggregate, answer_key)


def grow(search: Search, params: BeamParams, lookahead: int = 0) -> list[Candidate]:
    """The completions; steps are ranked by what the PRM says `lookahead` greedy steps later."""
    completed: list[Candidate] = []
    beams, shares = [search.root], [params.budget]
    for step in range(1, params.max_steps + 1):
        search.reach(step)

        # Sample and score
        last = step == params.max_steps
        candidates = search.expand(beams, shares, whole=last)
        if lookahead:
            candidates = search.look_ahead(candidates, lookahead)

        # Put finished beams aside
        completed += [c for c in candidates if c.done]
        left = params.budget - len(completed)

        # Keep
        growing = [c for c in candidates if c.open]
        values = [c.value(params.aggregate) for c in growing]
        beams = [growing[i] for i in survivors(values, left, params.width)]
        shares = widths(left, len(beams))
        if not beams:
            break
    return completed
