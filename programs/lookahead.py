"""Lookahead search over steps against a PRM (Snell et al., arXiv 2408.03314, section 5.2).

Beam search (`sal.programs.beam`, which is its case k = 0), but a step is ranked by what the PRM
says at the end of a rollout: up to k further steps at temperature 0, fewer where the solution
ends. What was rolled out is paid for, recorded in the trace, and not kept. Steps that make equal
solutions share one rollout: greedy decoding would write it again.

The paper counts this as N(k + 1) samples; here N stays the number of beams, and the rollouts are
in the tokens and requests that a result reports. A rollout that fails on either endpoint is
recorded as an error, and its step is ranked by the last score that it did get: its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sal.programs import beam, checks
from sal.programs.candidate import Candidate
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.keep import firsts


@dataclass(frozen=True, slots=True)
class LookaheadParams(beam.BeamParams):
    """As `BeamParams`; `lookahead` is k, the steps of a rollout: 3 in the paper, also 1."""

    lookahead: int = 3

    def __post_init__(self) -> None:
        beam.BeamParams.__post_init__(self)
        checks.whole_number("lookahead", self.lookahead, least=0)


@strategy(LookaheadParams)
def lookahead(search: Search, params: LookaheadParams) -> Vote:
    """Beams ranked by what the PRM says `lookahead` greedy steps later."""

    def value(growing: list[Candidate]) -> list[float]:
        return [c.value(params.aggregate) for c in look_ahead(search, growing, params.lookahead)]

    return by_score(beam.search_beams(search, params, value), params.aggregate)


def look_ahead(search: Search, candidates: Sequence[Candidate], most: int) -> list[Candidate]:
    """What each of these is after up to `most` greedy steps more; itself where none can follow."""
    growing = [c for c in candidates if c.open] if most else []
    unique = [growing[i] for i in firsts([c.text for c in growing])]
    started = [(c.text, search.roll_out(c, most)) for c in unique]
    ends = {text: ahead.result() for text, ahead in started if ahead is not None}
    # One that fails, or cannot begin, shows nothing ahead: the own score counts.
    return [ends.get(c.text, c) if c.open else c for c in candidates]
