"""Particle filtering: what each particle weighs, and how many offspring it has.

Puri et al., "A probabilistic inference approach to inference-time scaling of LLMs using
particle-based Monte Carlo methods" (arXiv 2502.01618), Algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

Resampling = Literal["systematic", "multinomial"]
RESAMPLINGS: tuple[Resampling, ...] = get_args(Resampling)

_EDGE = 1e-7
"""How near to 0 and 1 a score is taken for the logarithm of its odds (as the authors' its_hub)."""


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


def offspring(weights: np.ndarray, positions: np.ndarray) -> list[int]:
    """How many of the `positions`, each in [0, 1), fall into each weight's piece of [0, 1).

    The pieces lie one after the other. A weight of 0 has no piece, hence no offspring.
    """
    ends = weights.cumsum()
    hit = np.searchsorted(ends / ends[-1], positions, side="right")
    return [int(n) for n in np.bincount(hit, minlength=len(weights))]


def resample(
    log_weights: Sequence[float], how: Resampling, random: np.random.Generator
) -> tuple[list[int], list[float]]:
    """Offspring of each particle, N in all, and the log weight that each of them starts with.

    "multinomial": N draws with replacement, always (the paper's Algorithm 1). "systematic": one
    draw u and the positions (u + i) / N (Kitagawa, 1996), and only when the effective sample size
    has fallen under N/2 (Liu and Chen, 1995); until then each particle has one offspring, which
    carries its weight on. Weights that are all equal then never resample. Particles that all
    weigh nothing are left as they are.
    """
    size = len(log_weights)
    weights = softmax(log_weights)
    if not weights.any():
        return [1] * size, list(log_weights)
    if how == "multinomial":
        positions = random.random(size)
    elif effective_size(weights) < size / 2:
        positions = (random.random() + np.arange(size)) / size
    else:
        return [1] * size, list(log_weights)
    return offspring(weights, positions), [0.0] * size
