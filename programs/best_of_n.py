"""Best-of-N: sample N solutions, let the PRM score their steps, choose (arXiv 2305.20050)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sglang.lang.api import function

from sal.programs import checks
from sal.programs.expand import Search
from sal.programs.problem import SEPARATOR, Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.aggregate import Aggregate
from sal.strategies.answers import last_boxed
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class BestOfNParams:
    """`budget` is N, the number of samples.

    Temperature 0.8 and the last step's score are the settings of "Scaling test-time compute with
    open models" (Beeching et al., 2024); 2048 tokens bound one completion.
    """

    budget: int = 16
    temperature: float = 0.8
    aggregate: Aggregate = "last"
    max_tokens: int = 2048
    separator: str = SEPARATOR

    def __post_init__(self) -> None:
        checks.whole_number("budget", self.budget)
        checks.sampling(self.temperature, self.max_tokens, self.separator)
        checks.reduction(self.aggregate)

    @property
    def live_states(self) -> int:
        """The most threads that a run holds at a time, for admission control."""
        return 1 + self.budget


@function  # type: ignore[untyped-decorator]  # sglang has no types
def best_of_n(
    s: Any,
    problem: str | Problem,
    *,
    params: BestOfNParams,
    verifier: Verifier,
    answer_key: Callable[[str], str] = last_boxed,
    seed: int = 0,
    trace: Trace | None = None,
) -> SearchResult:
    """N solutions that know nothing of each other.

    Leaves "result" (a SearchResult), "completions", "chosen" and "trace" in the state, and
    returns the result. `answer_key` maps a solution to the key that votes compare, "" for none.
    """
    with Search(s, problem, params, verifier, seed, trace) as search:
        search.trace.phase = "sampling"
        # Each is scored when it ends, all its steps in one request.
        samples = search.expand([search.root], [params.budget], whole=True)
        return search.conclude((c for c in samples if c.done), params.aggregate, answer_key)
