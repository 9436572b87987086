"""Particle filtering: what each particle weighs, and how many offspring it has.

Puri et al., "A probabilistic inference approach to inference-time scaling of LLMs using
particle-based Monte Carlo methods" (arXiv 2502.01618), Algorithm 1. Entropic annealing: Giannone
et al., "Mitigating premature exploitation in particle-based Monte Carlo for inference-time
scaling" (arXiv 2510.05825), in the three forms that their code (its_hub) has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

Resampling = Literal["systematic", "stratified", "multinomial"]
RESAMPLINGS: tuple[Resampling, ...] = get_args(Resampling)
Annealing = Literal["none", "ess", "entropy", "base"]
ANNEALINGS: tuple[Annealing, ...] = get_args(Annealing)

_EDGE = 1e-7
"""How near to 0 and 1 a score or a weight is taken for a logarithm (as the authors' its_hub)."""


def log_odds(score: float, tau: float = 1.0) -> float:
    """logit(score) / tau: the logarithm of the weight that a PRM's score in [0, 1] gives.

    Minus infinity for a particle without a score (which is minus infinity).
    """
    if score == -math.inf:
        return score
    clipped = min(max(score, _EDGE), 1 - _EDGE)
    return (math.log(clipped) - math.log1p(-clipped)) / tau


def softmax(log_weights: Sequence[float]) -> np.ndarray:
    """Weights that sum to 1; all zeros where every log weight is minus infinity."""
    logs = np.asarray(log_weights, float)
    if not np.isfinite(logs).any():
        return np.zeros(len(logs))
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def effective_size(weights: np.ndarray) -> float:
    """1 / sum(w^2), between 1 and N for weights that sum to 1 (Kong et al., 1994)."""
    return float(1 / np.square(weights).sum())


def entropy(weights: np.ndarray) -> float:
    """-sum(w log w) / log N, between 0 and 1 for N > 1 weights that sum to 1."""
    some = weights.clip(_EDGE, 1 - _EDGE)
    return float(-(some * np.log(some)).sum() / math.log(len(weights)))


def annealed(how: Annealing, weights: np.ndarray, progress: float) -> float:
    """The temperature >= 1 of a draw from `weights` after `progress` t/T of the steps.

    In the first half of a search, where the effective size ESS is under N/2: "ess" is
    (N / ESS) (1 - t/T), "entropy" 1 / (H + (1 - H) t/T) with H of `entropy`, "base" 2 - t/T, none
    of them under 1. Else, and for "none", it is 1.
    """
    ratio = effective_size(weights) / len(weights)
    if how == "none" or len(weights) == 1 or ratio >= 0.5 or progress >= 0.5:
        return 1.0
    if how == "ess":
        return max(1.0, (1 - progress) / ratio)
    if how == "base":
        return 2 - progress
    spread = entropy(weights)
    return 1 / (spread + (1 - spread) * progress)


def offspring(weights: np.ndarray, positions: np.ndarray) -> list[int]:
    """How many of the `positions`, each in [0, 1), fall into each weight's piece of [0, 1).

    The pieces lie one after the other. A weight of 0 has no piece, hence no offspring.
    """
    ends = weights.cumsum()
    hit = np.searchsorted(ends / ends[-1], positions, side="right")
    return [int(n) for n in np.bincount(hit, minlength=len(weights))]


def resample(
    log_weights: Sequence[float],
    how: Resampling,
    random: np.random.Generator,
    *,
    below: float = 0.5,
    annealing: Annealing = "none",
    progress: float = 0.0,
) -> tuple[list[int], list[float]]:
    """Offspring of each particle, N in all, and the log weight that each of them starts with.

    "multinomial": N draws with replacement, always (the paper's Algorithm 1). "systematic": one
    draw u and the positions (u + i) / N; "stratified": (u_i + i) / N with a draw for each (both
    Kitagawa, 1996). These two only when the effective sample size has fallen under the share
    `below` of N (Liu and Chen, 1995); until then each particle has one offspring, which carries
    its weight on. Weights that are all equal then never resample. Particles that all weigh
    nothing are left as they are. `annealing` flattens what is drawn from (`annealed`).
    """
    size = len(log_weights)
    weights = softmax(log_weights)
    if not weights.any():
        return [1] * size, list(log_weights)
    if how == "multinomial":
        positions = random.random(size)
    elif effective_size(weights) < size * below:
        within = random.random(1 if how == "systematic" else size)
        positions = (within + np.arange(size)) / size
    else:
        return [1] * size, list(log_weights)
    temperature = annealed(annealing, weights, progress)
    return offspring(softmax([w / temperature for w in log_weights]), positions), [0.0] * size
