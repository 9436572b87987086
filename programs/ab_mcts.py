"""AB-MCTS-A, adaptive branching (Inoue et al., arXiv 2503.04412), over steps with a PRM.

The budget is N rollouts. For each:

1. Select: from the root, draw what a new child (GEN) and what going on below a child (CONT) may
   be worth, each from its posterior; go down until GEN wins. So the tree grows wider or deeper
   wherever that looks better; there is no fixed width.
2. Expand and roll out: sample one new step there, and go on step by step to the end.
3. Back up: the rollout tells what it was worth to the arms that it came through.

What differs. The paper's nodes are whole answers, refined by showing them to the model again, and
what lies deeper may be better. Here they are steps, of which the deeper ones are at best as right
as those above, so that scores of single nodes would always speak for GEN at the root. Therefore
one iteration is a path to the end (N means N solutions), and what it is worth is the mean of the
PRM's scores of all its steps, those before the branch too: paths that branch off behind a good
prefix are worth more. Apart from that the arms are told what the authors' are: GEN what came of a
new child, CONT what came from below a child that was there, a child's arm all that went through
it. A finished step has nothing deeper, so it is no choice for CONT.

Several rollouts can be in flight; each batch is drawn at once from the same posteriors and backed
up in the order of node ids. A truncated rollout is worth nothing; one that failed is spent, and
tells nothing.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from sal.programs import checks
from sal.programs.candidate import Candidate
from sal.programs.params import StepwiseParams
from sal.programs.search import Search, join
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.thompson import (
    POSTERIORS,
    Beta,
    Gaussian,
    Path,
    Posterior,
    Prior,
    ThompsonTree,
)


@dataclass(frozen=True, slots=True)
class AbMctsParams(StepwiseParams):
    """`budget` is N, the rollouts, of which `in_flight` run at a time.

    Both posteriors are the authors', with their priors: "gaussian", their default, has the mean
    `prior_m` as sure as of `prior_kappa` rewards and the variance `prior_tau2` as of `prior_nu`;
    "beta" has `prior_a` and `prior_b`. 40 steps and temperature 0.8 are those of the other
    searches; what is finished is ranked by `aggregate`.
    """

    posterior: Posterior = "gaussian"
    prior_m: float = 0.0
    prior_kappa: float = 1.0
    prior_nu: float = 1.0
    prior_tau2: float = 0.1
    prior_a: float = 0.5
    prior_b: float = 0.5
    in_flight: int = 1

    def __post_init__(self) -> None:
        StepwiseParams.__post_init__(self)
        checks.whole_number("in_flight", self.in_flight)
        checks.one_of("posterior", self.posterior, POSTERIORS)
        checks.number("prior_m", self.prior_m)
        for name in ("prior_kappa", "prior_nu", "prior_tau2", "prior_a", "prior_b"):
            checks.positive(name, getattr(self, name))

    @property
    def prior(self) -> Prior:
        """What every arm starts from."""
        if self.posterior == "beta":
            return Beta(self.prior_a, self.prior_b)
        return Gaussian(self.prior_m, self.prior_kappa, self.prior_nu, self.prior_tau2)


@strategy(AbMctsParams)
def ab_mcts(search: Search, params: AbMctsParams) -> Vote:
    """Every rollout begins where Thompson sampling leads it: wider, or deeper."""
    tree = ThompsonTree()
    known: dict[Path, Candidate] = {(): search.root}
    begun = 0
    while begun < params.budget:
        # Select
        batch = range(begun, min(begun + params.in_flight, params.budget))
        parents = [tree.select(params.prior, search.random(i)) for i in batch]
        begun += len(parents)

        # Expand and roll out
        groups = [expand(search, params, known[parent]) for parent in parents]
        if not any(groups):  # a cap: what is finished stays found
            break
        grown = search.concurrently(partial(roll_out, search, params), groups)

        # Back up
        new = {step.id: step for step in sorted(grown, key=lambda c: c.id)}
        known |= new
        for step in new.values():
            if step.open:
                tree.add(step.id)
            elif step.done:
                born = next(d for d in range(1, len(step.id) + 1) if step.id[:d] in new)
                tree.back_up(step.id, born, step.reward("mean"))
    done = sum(c.done for c in known.values())
    failed = sum(c.finish == "error" for c in known.values())
    search.unspent = params.budget - done - failed
    return by_score(sorted(known.values(), key=lambda c: c.id), params.aggregate)


def expand(search: Search, params: AbMctsParams, parent: Candidate) -> list[Future[Candidate]]:
    """One new step below `parent`."""
    depth = len(parent.id) + 1
    search.at_step(depth)
    return search.start(parent, 1, whole=depth == params.max_steps)


def roll_out(
    search: Search, params: AbMctsParams, started: list[Future[Candidate]]
) -> list[Candidate]:
    """One new path, from its first step to its end; returns all its steps."""
    made: list[Candidate] = []
    while started:
        made += join(started)
        started = expand(search, params, made[-1]) if made[-1].open else []
    return made
