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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sglang.lang.api import function

from sal.programs import beam, checks
from sal.programs.caps import Caps
from sal.programs.expand import Search
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.answers import last_boxed
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class LookaheadParams(beam.BeamParams):
    """As `BeamParams`; `lookahead` is k, the steps of a rollout: 3 in the paper, also 1."""

    lookahead: int = 3

    def __post_init__(self) -> None:
        beam.BeamParams.__post_init__(self)
        checks.whole_number("lookahead", self.lookahead, least=0)


@function  # type: ignore[untyped-decorator]  # sglang has no types
def lookahead(
    s: Any,
    problem: str | Problem,
    *,
    params: LookaheadParams,
    verifier: Verifier,
    answer_key: Callable[[str], str] = last_boxed,
    seed: int = 0,
    trace: Trace | None = None,
    caps: Caps = Caps(),
) -> SearchResult:
    """Search one problem; what is left in the state is that of `best_of_n`."""
    with Search(s, problem, params, verifier, seed, trace, caps) as search:
        completed = beam.grow(search, params, params.lookahead)
        return search.conclude(completed, params.aggregate, answer_key)
