"""Particle filtering (Puri et al., arXiv 2502.01618, Algorithm 1).

A solution is a hidden state that moves step by step, the PRM's score the chance that it is seen
to be right; N particles stand for what is believed of it.

1. Move: sample one more step for each particle.
2. Weigh: w = softmax(logit(score) / tau).
3. Resample: N particles out of these, in proportion to their weights; go to 1.

A finished particle stays in the population and is weighed by its last score, but never extended,
until all have finished. The answer is that of the highest score ("naive"; the authors' choice);
the other votes count a finished particle as often as it was drawn.

What differs. The paper draws all N anew at every step, which loses particles to chance alone;
that is `resampling="multinomial"`. The default draws systematically and only when the effective
sample size is under N/2; until then weights multiply up, which has the same target. A particle
that failed or was truncated weighs nothing: it can neither go on nor answer. The last step runs
to the end of text.

Entropic particle filtering (Giannone et al., arXiv 2510.05825) draws systematically at every step
and early on from flatter weights: `resample_below=1` and `annealing="ess"`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from sal.programs import checks
from sal.programs.params import StepwiseParams
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_score
from sal.strategies.aggregate import Aggregate
from sal.strategies.particles import (
    ANNEALINGS,
    RESAMPLINGS,
    Annealing,
    Resampling,
    log_odds,
    resample,
)


@dataclass(frozen=True, slots=True)
class ParticleParams(StepwiseParams):
    """`budget` is N, the particles; `tau` the temperature of their weights.

    "systematic" and "stratified" `resampling` wait until the effective sample size is under the
    share `resample_below` of N. `annealing` is the schedule of a further temperature, which
    depends on the weights and the step (`sal.strategies.particles.annealed`).
    tau = 1, 40 steps, temperature 0.8 and the last step's score are the authors'.
    """

    aggregate: Aggregate | None = "last"
    resampling: Resampling = "systematic"
    resample_below: float = 0.5
    annealing: Annealing = "none"
    tau: float = 1.0

    aggregate_source: ClassVar[str] = "Puri et al."

    def __post_init__(self) -> None:
        StepwiseParams.__post_init__(self)
        checks.one_of("resampling", self.resampling, RESAMPLINGS)
        checks.share("resample_below", self.resample_below)
        checks.one_of("annealing", self.annealing, ANNEALINGS)
        checks.positive("tau", self.tau)


@strategy(ParticleParams)
def particle(search: Search, params: ParticleParams) -> Vote:
    """A completion is there as often as the population holds it, each time with the same node."""
    search.at_step(1)
    particles = search.expand([search.root], [params.budget], whole=params.max_steps == 1)
    carried = {search.root.id: 0.0}  # log weights, by the node that hands them on
    for step in range(2, params.max_steps + 1):
        if not any(p.open for p in particles):
            break

        # Weigh
        logs = []
        for p in particles:
            weight = log_odds(p.value(params.aggregate), params.tau) if p.sound else -math.inf
            logs.append(carried[p.id if p.id in carried else p.id[:-1]] + weight)

        # Resample
        counts, logs = resample(
            logs,
            params.resampling,
            search.random(step),
            below=params.resample_below,
            annealing=params.annealing,
            progress=(step - 1) / params.max_steps,
        )
        carried = {p.id: log for p, log in zip(particles, logs, strict=True)}
        drawn = [(p, n) for p, n in zip(particles, counts, strict=True) if n]
        moving = [(p, n) for p, n in drawn if p.open]
        resting = [p for p, n in drawn if not p.open for _ in range(n)]

        # Move
        search.at_step(step)
        moved = search.expand(
            [p for p, _ in moving], [n for _, n in moving], whole=step == params.max_steps
        )
        particles = sorted(resting + moved, key=lambda p: p.id)
    return by_score(particles, params.aggregate, rule="naive")
