"""Solutions, and rollouts from the end of every step of them: what step labels are made of.

For each prefix of a solution the policy finishes it n times, and how often it comes to the right
answer says what the prefix is worth (Math-Shepherd, arXiv 2312.08935). Each rollout is a fork of
the state that ends with the prefix, so that nothing of it is read twice.

The tree: `(i,)` is the first step of solution i, a node's child 0 the solution's next step, and its
other children are the rollouts from there. A step's last score is 1 where the solution, as far as
it goes, has the right answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from sal.programs import checks
from sal.programs.candidate import Candidate
from sal.programs.params import SamplingParams
from sal.programs.search import Search, join
from sal.programs.strategy import strategy
from sal.programs.vote import Vote
from sal.strategies.rollouts import is_instructive, next_prefix, rollouts_for

Chain = list[Candidate]
"""A solution: the candidates that end with its first step, its second, and so on."""


@dataclass(frozen=True, slots=True)
class StepRolloutsParams(SamplingParams):
    """`budget` solutions, and `rollouts` from each of their steps; 8 are Math-Shepherd's.

    With `adaptive` there are up to 4 times as many, the fewer of the solutions are right. With
    `first_error` only the first wrong step is looked for, by binary search. Temperature 0.8 is that
    of `SamplingParams`.
    """

    budget: int = 8
    rollouts: int = 8
    adaptive: bool = False
    first_error: bool = False

    def __post_init__(self) -> None:
        SamplingParams.__post_init__(self)
        checks.whole_number("rollouts", self.rollouts)
        checks.flag("adaptive", self.adaptive)
        checks.flag("first_error", self.first_error)


@strategy(StepRolloutsParams, prm="the right answer")
def step_rollouts(search: Search, params: StepRolloutsParams) -> Vote:
    """N solutions side by side; if some are right and some wrong, rollouts from their prefixes.

    Solutions that were cut or have no answer get none, equal ones get them once.
    """
    firsts = search.start(search.root, params.budget)
    written = search.concurrently(partial(write, search), [[first] for first in firsts])
    chains = [[c for c in written if c.id[0] == i] for i in range(len(firsts))]
    ends = [chain[-1] for chain in chains if chain and chain[-1].done]
    keys = search.answer_keys([end.text for end in ends])
    answered = {end.id[0] for end, key in zip(ends, keys, strict=True) if key and end.sound}
    solutions = [chains[i] for i in sorted(answered)]
    right = [is_right(chain[-1]) for chain in solutions]
    if is_instructive(right):
        search.trace.phase = "rollouts"
        each = params.rollouts
        if params.adaptive:
            each = rollouts_for(sum(right) / params.budget, each)
        if params.first_error:
            wrong = [chain for chain, good in zip(solutions, right, strict=True) if not good]
            find_errors(search, wrong, each)
        else:
            prefixes = distinct(c for chain in solutions for c in open_prefixes(chain))
            search.expand(prefixes, [each] * len(prefixes), whole=True)
    return Vote(ends, [1.0] * len(ends), "majority")


def write(search: Search, first: list[Future[Candidate]]) -> Chain:
    """One solution, step by step, so that rollouts can begin behind each of them."""
    chain: Chain = []
    while following := join(first):  # none, where a cap is reached
        chain += following
        if not chain[-1].open:
            break
        search.at_step(len(chain) + 1)
        first = search.start(chain[-1], 1)
    return chain


def find_errors(search: Search, wrong: Sequence[Chain], rollouts: int) -> None:
    """Binary search in each of the `wrong` solutions for the first wrong step."""
    chains = {chain[-1].steps: chain for chain in wrong}.values()
    by_solution = {chain[0].id[0]: open_prefixes(chain) for chain in chains}

    def search_one(tried: list[Future[Candidate]]) -> list[Candidate]:
        known: dict[int, bool] = {}
        while done := [c for c in join(tried) if c.done]:
            solution, prefix = done[0].id[0], len(done[0].id) - 2
            known[prefix] = any(is_right(c) for c in done)
            prefixes = by_solution[solution]
            following = next_prefix(known, len(prefixes) + 1)
            if following is None:
                break
            tried = search.start(prefixes[following], rollouts, whole=True)
        return []

    begun = [(prefixes, next_prefix({}, len(prefixes) + 1)) for prefixes in by_solution.values()]
    search.concurrently(
        search_one,
        [
            search.start(prefixes[first], rollouts, whole=True)
            for prefixes, first in begun
            if first is not None
        ],
    )


def open_prefixes(chain: Chain) -> Chain:
    """Those of a solution's prefixes that lack a step of it."""
    return [c for c in chain if c.steps != chain[-1].steps]


def is_right(candidate: Candidate) -> bool:
    """Whether a finished solution has the right answer."""
    return candidate.finish == "eot" and candidate.scores[-1:] > (0.5,)


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Of those with the same steps the first."""
    first: dict[tuple[str, ...], Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.steps, candidate)
    return list(first.values())
