"""Best-of-N: sample N solutions, let the PRM score their steps, choose (arXiv 2305.20050)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sglang.lang.api import function

from sal.programs import checks
from sal.programs.caps import Caps
from sal.programs.expand import Search
from sal.programs.params import SamplingParams
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.aggregate import Aggregate
from sal.strategies.answers import last_boxed
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class BestOfNParams(SamplingParams):
    """`budget` is N, the number of samples.

    Temperature 0.8 and the last step's score are the settings of "Scaling test-time compute with
    open models" (Beeching et al., 2024); 2048 tokens bound one completion.
    """

    aggregate: Aggregate = "last"

    def __post_init__(self) -> None:
        SamplingParams.__post_init__(self)
        checks.reduction(self.aggregate)


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
    caps: Caps = Caps(),
) -> SearchResult:
    """N solutions that know nothing of each other.

    Leaves "result" (a SearchResult), "completions", "chosen" and "trace" in the state, and
    returns the result. `answer_key` maps a solution to the key that votes compare, "" for none.
    """
    with Search(s, problem, params, verifier, seed, trace, caps) as search:
        search.trace.phase = "sampling"
        # Each is scored when it ends, all its steps in one request.
        samples = search.expand([search.root], [params.budget], whole=True)
        return search.conclude((c for c in samples if c.done), params.aggregate, answer_key)
