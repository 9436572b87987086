"""Self-consistency: sample N solutions, take the answer that most of them give (arXiv 2203.11171).

No PRM is asked for anything, so every rule of choice comes to the majority's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sglang.lang.api import function

from sal.programs.caps import Caps
from sal.programs.expand import Search
from sal.programs.params import SamplingParams
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.answers import last_boxed
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class MajorityParams(SamplingParams):
    """`budget` is N, the number of samples.

    Temperature 0.8 is that of the other searches here, so that they differ in the choice alone;
    the paper (section 3.1) has 0.5 or 0.7 by model, cut to the 40 likeliest tokens.
    """


@function  # type: ignore[untyped-decorator]  # sglang has no types
def majority(
    s: Any,
    problem: str | Problem,
    *,
    params: MajorityParams = MajorityParams(),
    verifier: Verifier | None = None,  # noqa: ARG001  # as every program; never asked
    answer_key: Callable[[str], str] = last_boxed,
    seed: int = 0,
    trace: Trace | None = None,
    caps: Caps = Caps(),
) -> SearchResult:
    """Search one problem; what is left in the state is that of `best_of_n`, without scores."""
    with Search(s, problem, params, None, seed, trace, caps) as search:
        search.trace.phase = "sampling"
        samples = search.expand([search.root], [params.budget], whole=True)
        return search.conclude((c for c in samples if c.done), "last", answer_key)
