"""Monte-Carlo tree search with a PRM, as rStar-Math's (Guan et al., arXiv 2501.04519, section 3).

A simulation, as often as the budget has room:

1. Select: from the root, follow Q(s) + c sqrt(ln N(parent) / N(s)) down to a leaf.
2. Expand and roll out: sample M next steps, go on from the one that the PRM likes best, until
   that one is finished. All these steps stay in the tree.
3. Back up: what is finished tells its score to all its ancestors.

A score r counts as 2r - 1, so that rewards are in [-1, 1] and c is rStar-Math's.

What differs. The budget counts leaves, so that N means here what it means elsewhere, and that is
why M is 8; their code counts simulations (`iterations`) and samples 32 times. Of M siblings it
makes one child of equal ones, and of all that are finished the first, which is then the only child
and ends the rollout: so does `one_end` (what is dropped was sampled, counts against N and has no
vote). As in their code a node is expanded once, the root too: there are M first steps, whatever N
is. Nothing is simulated twice: a finished leaf, or a node under which all is finished, is passed
over; in their code finding one ends the simulation. There is no code interpreter to verify a step,
and the deepest step runs to the end of text. For speed several simulations can be in flight; then
each batch is selected at once, under virtual loss, and backed up in the order of node ids. A leaf
that failed or was truncated is spent, and worth -1.
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
from sal.strategies.keep import best, with_one_end
from sal.strategies.puct import Path, PuctTree, signed


@dataclass(frozen=True, slots=True)
class MctsParams(StepwiseParams):
    """`budget` is N, the leaves; `width` is M, the children of a node; `c_puct` is c.

    `iterations` bounds the simulations, which otherwise go on as long as N has room; where fewer
    than M of N are left, a node has fewer children. `one_end` keeps of M siblings what rStar-Math's
    code keeps. `in_flight` simulations run at a time. c = 2 and a depth of 16 are rStar-Math's, and
    so is what a node is worth: its step's own score. Temperature 0.8 is that of the other searches.
    """

    aggregate: Aggregate | None = "last"
    max_steps: int = 16
    width: int = 8
    c_puct: float = 2.0
    iterations: int | None = None
    one_end: bool = False
    in_flight: int = 1

    aggregate_source: ClassVar[str] = "Guan et al."

    def __post_init__(self) -> None:
        StepwiseParams.__post_init__(self)
        for name in ("width", "in_flight"):
            checks.whole_number(name, getattr(self, name))
        if self.iterations is not None:
            checks.whole_number("iterations", self.iterations)
        checks.flag("one_end", self.one_end)
        checks.positive("c_puct", self.c_puct)


@strategy(MctsParams)
def mcts(search: Search, params: MctsParams) -> Vote:
    """Unspent are also the leaves that a tree has no more room for."""
    tree = PuctTree()
    known: dict[Path, Candidate] = {(): search.root}
    spent = begun = 0
    most = params.budget if params.iterations is None else params.iterations
    while spent < params.budget and begun < most:
        # Select
        left = params.budget - spent
        at_once = min(params.in_flight, max(1, left // params.width), most - begun)
        leaves = tree.select(at_once, params.c_puct)
        if not leaves:
            break
        begun += len(leaves)
        share = left // len(leaves)

        # Expand and roll out
        groups = [expand(search, params, known[leaf], share) for leaf in leaves]
        if not any(groups):  # a cap: what is finished stays found
            break
        grown = search.concurrently(partial(roll_out, search, params, share), groups)

        # Back up
        for leaf in leaves:
            tree.close(leaf)
        spent += sum(not c.open for c in grown)
        for c in sorted(children(params, grown), key=lambda c: (len(c.id), c.id)):
            worth = signed(c.reward(params.aggregate))
            tree.add(c.id, worth, open=c.open)
            known[c.id] = c
            if not c.open:
                tree.back_up(c.id, worth)
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
        here = children(params, candidates)
        kept = best([c.value(params.aggregate) if c.sound else None for c in here])
        goes_on = kept is not None and here[kept].open and share > 0
        siblings = expand(search, params, here[kept], share) if kept is not None and goes_on else []
    return made


def children(params: MctsParams, made: list[Candidate]) -> list[Candidate]:
    """Those of the new steps that stay in the tree."""
    if not params.one_end:
        return made
    parents, finished = [c.id[:-1] for c in made], [c.finish == "eot" for c in made]
    return [made[i] for i in with_one_end(parents, [c.text for c in made], finished)]
