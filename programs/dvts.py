"""Diverse verifier tree search (Beeching et al., "Scaling test-time compute", 2024).

The budget is split over N/M subtrees that know nothing of each other. Each one samples M steps,
keeps the one that the PRM likes best and goes on from there, until the best one is a finished
solution. A subtree yields what is finished among its last M siblings. So subtrees cannot all
follow the same early step, which is how beam search loses its diversity at large N.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from sglang.lang.api import function

from sal.programs import checks
from sal.programs.candidate import Candidate
from sal.programs.caps import Caps
from sal.programs.expand import Search, settle
from sal.programs.params import StepwiseParams
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.answers import last_boxed
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class DvtsParams(StepwiseParams):
    """`budget` is N, a multiple of `width`, which is M: N/M subtrees of M siblings.

    M = 4, 40 steps, temperature 0.8 and the last step's score are the authors'.
    """

    width: int = 4

    def __post_init__(self) -> None:
        StepwiseParams.__post_init__(self)
        checks.whole_number("width", self.width)
        if self.budget % self.width:
            raise ValueError(
                f"budget must be a multiple of width ({self.width}), not {self.budget}"
            )

    @property
    def live_states(self) -> int:
        """The most threads that a run holds at a time, for admission control."""
        return 1 + self.budget + 2 * (self.budget // self.width)


@function  # type: ignore[untyped-decorator]  # sglang has no types
def dvts(
    s: Any,
    problem: str | Problem,
    *,
    params: DvtsParams,
    verifier: Verifier,
    answer_key: Callable[[str], str] = last_boxed,
    seed: int = 0,
    trace: Trace | None = None,
    caps: Caps = Caps(),
) -> SearchResult:
    """Search one problem; what is left in the state is that of `best_of_n`.

    A truncated step can neither be continued nor answer, so it is kept only when its siblings
    are all truncated.
    """
    with Search(s, problem, params, verifier, seed, trace, caps) as search:
        search.reach(1)
        firsts = search.start(search.root, params.budget, whole=params.max_steps == 1)
        completed = search.concurrently(partial(grow, search, params), subtrees(firsts, params))
        return search.conclude(completed, params.aggregate, answer_key)


def subtrees(firsts: list[Future[Candidate]], params: DvtsParams) -> list[list[Future[Candidate]]]:
    """The first steps, M to a subtree."""
    return [firsts[i : i + params.width] for i in range(0, len(firsts), params.width)]


def grow(search: Search, params: DvtsParams, siblings: list[Future[Candidate]]) -> list[Candidate]:
    """One subtree, from its first siblings to its last; returns the finished of these."""
    for step in count(2):
        # Only these M wait for each other.
        candidates = settle(siblings)
        able = [c for c in candidates if c.finish in ("separator", "eot")]
        best = max(able, key=lambda c: c.value(params.aggregate), default=None)
        if best is None or best.done:
            break
        search.reach(step)
        siblings = search.start(best, params.width, whole=step >= params.max_steps)
        if not siblings:  # a cap: what is finished stays found
            break
    return [c for c in candidates if c.done]
