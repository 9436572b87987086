"""Greedy decoding: the one solution that the policy thinks likeliest; the baseline of a search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from sglang.lang.api import function

from sal.programs import checks
from sal.programs.expand import Search
from sal.programs.problem import SEPARATOR, Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.answers import last_boxed
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class GreedyParams:
    """`max_tokens` bounds the completion; `separator` ends a step, for the record's sake."""

    max_tokens: int = 2048
    separator: str = SEPARATOR

    temperature: ClassVar[float] = 0.0
    budget: ClassVar[int] = 1
    live_states: ClassVar[int] = 2

    def __post_init__(self) -> None:
        checks.sampling(self.temperature, self.max_tokens, self.separator)


@function  # type: ignore[untyped-decorator]  # sglang has no types
def greedy(
    s: Any,
    problem: str | Problem,
    *,
    params: GreedyParams = GreedyParams(),
    verifier: Verifier | None = None,
    answer_key: Callable[[str], str] = last_boxed,
    seed: int = 0,
    trace: Trace | None = None,
) -> SearchResult:
    """One completion at temperature 0, scored if there is a verifier; see `best_of_n`."""
    with Search(s, problem, params, verifier, seed, trace) as search:
        search.trace.phase = "decoding"
        completed = [c for c in search.expand([search.root], [1], whole=True) if c.done]
        return search.conclude(completed, "last", answer_key)
