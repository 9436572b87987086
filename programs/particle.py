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
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sglang.lang.api import function

from sal.programs import checks
from sal.programs.caps import Caps
from sal.programs.expand import Search
from sal.programs.params import StepwiseParams
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.answers import last_boxed
from sal.strategies.particles import RESAMPLINGS, Resampling, log_odds, resample
from sal.strategies.seeds import generator
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class ParticleParams(StepwiseParams):
    """`budget` is N, the particles; `tau` the temperature of their weights.

    tau = 1, 40 steps, temperature 0.8 and the last step's score are the authors'.
    """

    resampling: Resampling = "systematic"
    tau: float = 1.0

    def __post_init__(self) -> None:
        StepwiseParams.__post_init__(self)
        checks.one_of("resampling", self.resampling, RESAMPLINGS)
        checks.positive("tau", self.tau)


@function  # type: ignore[untyped-decorator]  # sglang has no types
def particle(
    s: Any,
    problem: str | Problem,
    *,
    params: ParticleParams,
    verifier: Verifier,
    answer_key: Callable[[str], str] = last_boxed,
    seed: int = 0,
    trace: Trace | None = None,
    caps: Caps = Caps(),
) -> SearchResult:
    """Search one problem; what is left in the state is that of `best_of_n`.

    A completion is there as often as the population holds it, each time with the same node.
    """
    with Search(s, problem, params, verifier, seed, trace, caps) as search:
        search.reach(1)
        particles = search.expand([search.root], [params.budget], whole=params.max_steps == 1)
        carried = {search.root.id: 0.0}  # log weights, by the node that hands them on
        for step in range(2, params.max_steps + 1):
            if not any(p.open for p in particles):
                break

            # Weigh
            logs = []
            for p in particles:
                able = p.open or p.finish == "eot"
                weight = log_odds(p.value(params.aggregate), params.tau) if able else -math.inf
                logs.append(carried[p.id if p.id in carried else p.id[:-1]] + weight)

            # Resample
            random = generator(seed, search.name, step)
            counts, logs = resample(logs, params.resampling, random)
            carried = {p.id: log for p, log in zip(particles, logs, strict=True)}
            drawn = [(p, n) for p, n in zip(particles, counts, strict=True) if n]
            moving = [(p, n) for p, n in drawn if p.open]
            resting = [p for p, n in drawn if not p.open for _ in range(n)]

            # Move
            search.reach(step)
            moved = search.expand(
                [p for p, _ in moving], [n for _, n in moving], whole=step == params.max_steps
            )
            particles = sorted(resting + moved, key=lambda p: p.id)
        return search.conclude((p for p in particles if p.done), params.aggregate, answer_key)
