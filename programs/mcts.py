"""Monte-Carlo tree search with a PRM, as rStar-Math's (Guan et al., arXiv 2501.04519, section 3).

A simulation, as often as the budget has room:

1. Select: from the root, follow Q(s) + c sqrt(ln N(parent) / N(s)) down to a leaf.
2. Expand and roll out: sample M next steps, go on from the one that the PRM likes best, until
   that one is finished. All these steps stay in the tree.
3. Back up: what is finished tells its score to all its ancestors.

What differs. The budget counts leaves, not simulations: M siblings that finish together are M of
the N solutions that may be sampled, so N means here what it means elsewhere; that is also why M
is 8, where rStar-Math takes more. As in the authors' code a node is expanded once, the root too:
there are M first steps, whatever N is. Nothing is simulated twice: a finished leaf, or a node under
which all is finished, is passed over. There is no code interpreter to verify a step; the score of
a finished solution is the PRM's. For speed several simulations can be in flight; then each batch
is selected at once, under virtual loss, and backed up in the order of node ids. A leaf that
failed or was truncated is spent, and worth nothing.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from sal.programs import checks
from sal.programs.candidate import Candidate
from sal.programs.params import StepwiseParams
from sal.programs.search import Search, join
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.aggregate import Aggregate
from sal.strategies.keep import best
from sal.strategies.puct import Path, PuctTree


@dataclass(frozen=True, slots=True)
class MctsParams(StepwiseParams):
    """`budget` is N, the leaves; `width` is M, the children of a node; `c_puct` is c.

    `in_flight` simulations run at a time. c = 2 and a depth of 16 are rStar-Math's, and so
    is what a node is worth: its step's own score. Temperature 0.8 is that of the other searches.
    """

    aggregate: Aggregate | None = "last"
    max_steps: int = 16
    width: int = 8
    c_puct: float = 2.0
    in_flight: int = 1

    aggregate_source: ClassVar[str] = "Guan et al."

    def __post_init__(self) -> None:
        StepwiseParams.__post_init__(self)
        for name in ("width", "in_flight"):
            checks.whole_number(name, getattr(self, name))
        checks.positive("c_puct", self.c_puct)


@strategy(MctsParams)
def mcts(search: Search, params: MctsParams) -> Vote:
    """Unspent are also the leaves that a tree has no more room for."""
    tree = PuctTree()
    known: dict[Path, Candidate] = {(): search.root}
    spent = 0
    while spent < params.budget:
        # Select
        left = params.budget - spent
        leaves = tree.select(min(params.in_flight, max(1, left // params.width)), params.c_puct)
        if not leaves:
            break
        share = left // len(leaves)

        # Expand and roll out
        groups = [expand(search, params, known[leaf], share) for leaf in leaves]
        if not any(groups):  # a cap: what is finished stays found
            break
        grown = search.concurrently(partial(roll_out, search, params, share), groups)

        # Back up
        for leaf in leaves:
            tree.close(leaf)
        for c in sorted(grown, key=lambda c: (len(c.id), c.id)):
            tree.add(c.id, c.reward(params.aggregate), open=c.open)
            known[c.id] = c
            if not c.open:
                tree.back_up(c.id, c.reward(params.aggregate))
                spent += 1
    search.unspent = params.budget - spent
    return by_score(sorted(known.values(), key=lambda c: c.id), params.aggregate)


def expand(
    search: Search, params: MctsParams, leaf: Candidate, share: int
) -> list[Future[Candidate]]:
    """The first steps below a leaf: M, or what its `share` of the budget allows."""
    depth = len(leaf.id) + 1
    search.at_step(depth)
    return search.start(leaf, min(params.width, share), whole=depth == params.max_steps)


def roll_out(
    search: Search, params: MctsParams, share: int, siblings: list[Future[Candidate]]
) -> list[Candidate]:
    """From the first steps below a leaf to a finished one; returns all it made."""
    made: list[Candidate] = []
    while siblings:
        candidates = join(siblings)
        made += candidates
        share -= sum(not c.open for c in candidates)
        kept = best([c.value(params.aggregate) if c.sound else None for c in candidates])
        goes_on = kept is not None and candidates[kept].open and share > 0
        siblings = (
            expand(search, params, candidates[kept], share) if kept is not None and goes_on else []
        )
    return made
