"""Best-of-N that stops when the answer is settled (Adaptive-Consistency, arXiv 2305.11860).

1. Sample a batch of solutions and score them.
2. Stop if the rule says that the answer is settled (`sal.strategies.settled` has the three).
3. Go to 1 until N solutions are sampled. What was not sampled is unspent.

It differs from its sources in this: they look after every sample, here the look is after a batch
of a fixed size, whose samples run side by side. So the decision does not depend on which of them
ends first, and the completions are the first ones of `best_of_n` with the same seed.

Agreement and the posterior count answers: they tell when the majority is settled, as their authors
want it. Where the PRM knows better than the majority, what they save costs the weighted vote its
advantage. The margin is that of the weighted vote itself, and so the default; it saves less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sglang.lang.api import function

from sal.programs import checks
from sal.programs.best_of_n import BestOfNParams
from sal.programs.candidate import Candidate
from sal.programs.caps import Caps
from sal.programs.expand import Search, settle
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.aggregate import Aggregate
from sal.strategies.answers import last_boxed
from sal.strategies.settled import Draw, Stop, settled
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class AdaptiveBestOfNParams(BestOfNParams):
    """Those of Best-of-N, the rule `stop` and the size of a `batch`.

    `confidence` 0.95 is Adaptive-Consistency's; at 1 the margin stops only where no completion to
    come could change the vote. `agree` answers in a row must be the same: ESC
    takes 5 (8 on MATH), Dynasor 2 to 8 by the effort to save; 4 fill one batch, and four to none
    have a posterior of 0.97.
    """

    stop: Stop = "margin"
    agree: int = 4
    confidence: float = 0.95
    batch: int = 4

    def __post_init__(self) -> None:
        BestOfNParams.__post_init__(self)
        checks.stopping(self.stop, self.agree, self.confidence, self.batch)

    @property
    def live_states(self) -> int:
        """The most threads that a run holds at a time, for admission control."""
        return 1 + min(self.batch, self.budget)


@function  # type: ignore[untyped-decorator]  # sglang has no types
def adaptive_best_of_n(
    s: Any,
    problem: str | Problem,
    *,
    params: AdaptiveBestOfNParams,
    verifier: Verifier,
    answer_key: Callable[[str], str] = last_boxed,
    seed: int = 0,
    trace: Trace | None = None,
    caps: Caps = Caps(),
) -> SearchResult:
    """Search one problem; what is left in the state is that of `best_of_n`."""
    with Search(s, problem, params, verifier, seed, trace, caps) as search:
        samples: list[Candidate] = []
        draws: list[Draw] = []
        left = params.budget
        while left:
            # Sample a batch
            begun = params.budget - left
            search.trace.phase = f"{begun} of {params.budget} sampled"
            width = min(params.batch, left)
            batch = settle(search.start(search.root, width, whole=True))
            samples += batch
            left -= width

            # Stop?
            draws += [votes([sample], params.aggregate, answer_key) for sample in batch]
            if settled(params.stop, draws, left, agree=params.agree, confidence=params.confidence):
                search.save(left)
                break
        return search.conclude((c for c in samples if c.done), params.aggregate, answer_key)


def votes(
    candidates: Iterable[Candidate], how: Aggregate, answer_key: Callable[[str], str]
) -> Draw:
    """(key, score) of those that have a vote: ended by the policy, with an answer."""
    return [
        (key, c.value(how)) for c in candidates if c.finish == "eot" and (key := answer_key(c.text))
    ]
