"""Wider or deeper: Thompson sampling over a tree whose branching has no limit (AB-MCTS-A).

Inoue et al., "Wider or deeper? Scaling LLM inference-time compute with adaptive branching tree
search" (arXiv 2503.04412): every node has an arm GEN, a new child, and an arm CONT, to go on
below the children that it has, each of which has an arm too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Path = tuple[int, ...]
Posterior = Literal["gaussian", "beta"]
POSTERIORS: tuple[Posterior, ...] = get_args(Posterior)


@dataclass(slots=True)
class Arm:
    """What was seen of an arm: the number of rewards, their sum, and that of their squares."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def observe(self, reward: float) -> None:
        """Take note of a reward in [0, 1]."""
        self.count += 1
        self.total += reward
        self.squares += reward * reward


def pooled(arms: Iterable[Arm]) -> Arm:
    """One arm that has seen what all of them saw."""
    every = list(arms)
    return Arm(
        sum(a.count for a in every),
        math.fsum(a.total for a in every),
        math.fsum(a.squares for a in every),
    )


def beta(arm: Arm) -> tuple[float, float]:
    """Posterior (a, b) of the mean reward: Beta(1/2 + sum r, 1/2 + sum (1 - r)), from Jeffreys'."""
    return 0.5 + arm.total, 0.5 + arm.count - arm.total


def gaussian(arm: Arm) -> tuple[float, float, float, float]:
    """Posterior (m, kappa, nu, tau^2) of a normal-inverse-chi-squared model of the reward.

    The prior is the authors': m = 0, kappa = nu = 1, tau^2 = 0.1. With n rewards of mean x and
    squared deviations S: m' = n x / (1 + n), kappa' = nu' = 1 + n, and
    nu' tau'^2 = 0.1 + S + n x^2 / (1 + n) (Murphy, Probabilistic machine learning: advanced
    topics, section 3.4.3.3).
    """
    n = arm.count
    mean = arm.total / n if n else 0.0
    spread = max(0.0, arm.squares - n * mean * mean)
    tau2 = (0.1 + spread + n * mean * mean / (1 + n)) / (1 + n)
    return arm.total / (1 + n), 1.0 + n, 1.0 + n, tau2


def draw(arm: Arm, posterior: Posterior, random: np.random.Generator) -> float:
    """A mean reward that the arm may have, drawn from its posterior."""
    if posterior == "beta":
        return float(random.beta(*beta(arm)))
    m, kappa, nu, tau2 = gaussian(arm)
    sigma2 = nu * tau2 / random.chisquare(nu)
    return float(random.normal(m, math.sqrt(sigma2 / kappa)))


class ThompsonTree:
    """The arms of every node, and which nodes can have children. Starts with the root alone."""

    def __init__(self) -> None:
        self._children: dict[Path, list[Path]] = {}
        self._gen: defaultdict[Path, Arm] = defaultdict(Arm)
        self._through: defaultdict[Path, Arm] = defaultdict(Arm)

    def add(self, node: Path, score: float) -> None:
        """A new node that steps can follow; its score is the first that its arms see."""
        self._children.setdefault(node[:-1], []).append(node)
        self._gen[node].observe(score)
        self._through[node].observe(score)

    def back_up(self, end: Path, born: int, reward: float) -> None:
        """The reward of a rollout that ended at `end`, whose nodes from depth `born` on are new.

        Told to the arm of every node that it went through, and to GEN where it made a new child.
        """
        for depth in range(len(end)):
            if depth:
                self._through[end[:depth]].observe(reward)
            if depth >= born - 1:
                self._gen[end[:depth]].observe(reward)

    def select(self, posterior: Posterior, random: np.random.Generator) -> Path:
        """The node that gets the next child.

        From the root down: draw from GEN and from CONT; if GEN is greater, here; else draw from
        each child's arm and go to the greatest. A node without a child that steps can follow has
        no CONT. CONT has seen what the arms of these children saw.
        """
        node: Path = ()
        while children := self._children.get(node):
            wider = draw(self._gen[node], posterior, random)
            arms = [self._through[child] for child in children]
            if wider >= draw(pooled(arms), posterior, random):
                break
            drawn = [draw(arm, posterior, random) for arm in arms]
            node = children[drawn.index(max(drawn))]
        return node
