"""DVTS that begins no more subtrees once the answer is settled.

1. Grow a batch of subtrees, each as in `dvts`.
2. Stop if the rule says that the answer is settled (`sal.strategies.settled` has the three).
3. Go to 1 until there were N/M subtrees. What was not begun is unspent.

The rules are those of sampling (Adaptive-Consistency, arXiv 2305.11860, and others), which none of
their authors applied to DVTS. They want independent draws, and siblings are none: where answers
are counted, a subtree has one, that of its best completion. The margin is that of the vote over
all completions, which a subtree can move by M.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sglang.lang.api import function

from sal.programs import checks
from sal.programs.adaptive_best_of_n import votes
from sal.programs.candidate import Candidate
from sal.programs.caps import Caps
from sal.programs.dvts import DvtsParams, grow, subtrees
from sal.programs.expand import Search
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.answers import last_boxed
from sal.strategies.settled import Stop, settled
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class AdaptiveDvtsParams(DvtsParams):
    """Those of DVTS, the rule `stop` and the size of a `batch` in completions: batch/M subtrees.

    `agree` and `confidence` are those of `AdaptiveBestOfNParams`, here over subtrees.
    """

    stop: Stop = "margin"
    agree: int = 4
    confidence: float = 0.95
    batch: int = 8

    def __post_init__(self) -> None:
        DvtsParams.__post_init__(self)
        checks.stopping(self.stop, self.agree, self.confidence, self.batch)
        if self.batch % self.width:
            raise ValueError(f"batch must be a multiple of width ({self.width}), not {self.batch}")

    @property
    def live_states(self) -> int:
        """The most threads that a run holds at a time, for admission control."""
        most = min(self.batch, self.budget)
        return 1 + most + 2 * (most // self.width)


@function  # type: ignore[untyped-decorator]  # sglang has no types
def adaptive_dvts(
    s: Any,
    problem: str | Problem,
    *,
    params: AdaptiveDvtsParams,
    verifier: Verifier,
    answer_key: Callable[[str], str] = last_boxed,
    seed: int = 0,
    trace: Trace | None = None,
    caps: Caps = Caps(),
) -> SearchResult:
    """Search one problem; what is left in the state is that of `best_of_n`."""
    with Search(s, problem, params, verifier, seed, trace, caps) as search:
        completed: list[Candidate] = []
        left = params.budget
        while left:
            # Grow a batch of subtrees
            begun = params.budget - left
            search.reach(1)
            width = min(params.batch, left)
            whole = params.max_steps == 1
            firsts = search.start(search.root, width, whole=whole)
            completed += search.concurrently(
                partial(grow, search, params), subtrees(firsts, params)
            )
            left -= width

            # Stop?
            grown: list[list[Candidate]] = [[] for _ in range(0, begun + width, params.width)]
            for candidate in completed:
                grown[candidate.id[0] // params.width].append(candidate)
            if settled(
                params.stop,
                [votes(subtree, params.aggregate, answer_key) for subtree in grown],
                left // params.width,
                agree=params.agree,
                confidence=params.confidence,
                worth=params.width,
            ):
                search.save(left)
                break
        return search.conclude(completed, params.aggregate, answer_key)
