"""Sequential revisions (Snell et al., arXiv 2408.03314, section 6): attempts that see the earlier.

N attempts are C chains of L, in parallel and one after the other; their ratio L / C is chosen.

1. Sample the first attempt of every chain.
2. Revise: in each chain, put the question once more behind the latest attempts and sample the
   next. Up to four are in view, the most recent ones; chains know nothing of each other.
3. Choose the best attempt within each chain, then among these, both times by the weighted vote
   (`sal.strategies.voting.hierarchical`).

While all attempts are in view a chain is one growing text, of which only the request to revise is
prefilled. Beyond that the window slides: the prompt is shared, what stays in view is read again.

An attempt is a node of its own, the child of the one before it: the third of chain c has the id
(c, 0, 0). What ended is never extended; its child is a new completion, with its own text, steps,
scores and tokens. The PRM is shown the question and that attempt alone.

What differs. The paper's verifier was trained on revisions and sees the earlier attempts too; a
PRM was trained on single solutions, so that is what it gets. The paper's policy was trained to
revise; one that was not may only repeat itself. What a chain puts up weighs its own score in the
second vote; the paper does not say. A truncated attempt is nothing that the policy was taught to
revise: it counts, but is not shown, and the next attempt sees what it saw. One that failed ends
its chain, and the rest of it is unspent.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from sal.programs import checks
from sal.programs.best_of_n import BestOfNParams
from sal.programs.candidate import Candidate
from sal.programs.extension import Watch
from sal.programs.search import Search, join
from sal.programs.strategy import strategy
from sal.programs.vote import Vote
from sal.runtime.frontend.states import Place, fork, without
from sal.runtime.policy import Reply
from sal.strategies.revisions import chain_lengths
from sal.strategies.voting import hierarchical


@dataclass(frozen=True, slots=True)
class ReviseParams(BestOfNParams):
    """Those of Best-of-N; `ratio` is sequential : parallel, `context` the attempts in view.

    The paper's context is 4 (section 6.1). It has no one ratio: the easier the question, the more
    sequential is best, and beyond the easy ones something between the extremes (section 6.2). 1 is
    the middle: sqrt(N) chains of sqrt(N). A ratio of N is one chain, 1/N is Best-of-N.
    `max_tokens` bounds an attempt.
    """

    ratio: float = 1.0
    context: int = 4

    def __post_init__(self) -> None:
        BestOfNParams.__post_init__(self)
        checks.positive("ratio", self.ratio)
        checks.whole_number("context", self.context)


@strategy(ReviseParams, prm="needed at the end")
def revise(search: Search, params: ReviseParams) -> Vote:
    """The completions are in the order of their chains, and within one in that of its attempts.

    A candidate's data is the number of token ids before it, where the policy tells.
    """
    # Sample the first attempts
    search.trace.phase = "first attempts"
    lengths = chain_lengths(params.budget, params.ratio)
    first = search.start(search.root, len(lengths), whole=True, watch=FIRST_ID)
    length_of = dict(zip(first, lengths, strict=False))  # a cap may have let none begin

    # Revise
    search.trace.phase = "revising"
    attempts = search.concurrently(
        partial(grow_chain, search, params, length_of), [[chain] for chain in first]
    )
    search.unspent = params.budget - len(attempts)

    # Choose: within each chain, then among these
    done = [c for c in attempts if c.done]
    chains = [c.id[0] for c in done]
    return Vote(
        done,
        [c.value(params.aggregate) for c in done],
        "weighted",
        lambda keys, weights: hierarchical(keys, weights, chains),
    )


def grow_chain(
    search: Search,
    params: ReviseParams,
    length_of: Mapping[Future[Candidate], int],
    first: list[Future[Candidate]],
) -> list[Candidate]:
    """A chain from its first attempt to its last; returns all of them."""
    attempts = join(first)
    view = View(search.root.state, search.problem.revision or "", params.context)
    for _ in range(1, length_of[first[0]]):
        if attempts[-1].finish == "error":
            break
        if attempts[-1].finish == "eot":
            view.show(attempts[-1])
        next_to = Candidate(view.state, attempts[-1].id)
        revised = join(search.start(next_to, 1, whole=True, watch=FIRST_ID))
        if not revised:  # a cap: what is finished stays found
            break
        attempts += revised
    return attempts


def _ids_before(data: int | None, reply: Reply) -> int:
    return (reply.usage.prompt_tokens or 0) if data is None else data


FIRST_ID = Watch(_ids_before)


class View:
    """What the policy has before it when it writes the next attempt of a chain."""

    def __init__(self, root: Any, request: str, most: int) -> None:
        self.state = root
        self._request = request
        self._most = most
        self._begins: list[Place] = []

    def show(self, attempt: Candidate) -> None:
        """Go on behind `attempt`, which was written here, with `most` attempts at most in view."""
        self._begins.append(Place(len(self.state.text()), attempt.data))
        if len(self._begins) > self._most:
            oldest, second, *_ = self._begins
            self.state = without(attempt.state, oldest, second)
            chars, ids = second.chars - oldest.chars, second.ids - oldest.ids
            self._begins = [Place(b.chars - chars, b.ids - ids) for b in self._begins[1:]]
        else:
            (self.state,) = fork(attempt.state, 1)
        self.state += self._request
