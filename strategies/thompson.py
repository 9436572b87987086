"""Wider or deeper: Thompson sampling over a tree whose branching has no limit (AB-MCTS-A).

Inoue et al., "Wider or deeper? Scaling LLM inference-time compute with adaptive branching tree
search" (arXiv 2503.04412): every node has an arm GEN, a new child, and an arm CONT, to go on
below the children that it has, each of which has an arm too. Who is told what is as in the
authors' treequest, a rollout here being what an answer is there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

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


class Prior(Protocol):
    """What is believed of an arm's mean reward before anything was seen of it."""

    def draw(self, arm: Arm, random: np.random.Generator) -> float:
        """A mean reward that the arm may have, drawn from its posterior."""


@dataclass(frozen=True, slots=True)
class Beta:
    """Beta(a, b) over the mean reward; Jeffreys' by default."""

    a: float = 0.5
    b: float = 0.5

    def posterior(self, arm: Arm) -> Beta:
        """Beta(a + sum r, b + sum (1 - r))."""
        return Beta(self.a + arm.total, self.b + arm.count - arm.total)

    def draw(self, arm: Arm, random: np.random.Generator) -> float:
        """See `Prior`."""
        after = self.posterior(arm)
        return float(random.beta(after.a, after.b))


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A normal-inverse-chi-squared model of the reward: its mean m, sure as of kappa rewards, its
    variance tau2, as of nu. The defaults are the authors'.
    """

    m: float = 0.0
    kappa: float = 1.0
    nu: float = 1.0
    tau2: float = 0.1

    def posterior(self, arm: Arm) -> Gaussian:
        """After n rewards of mean x and squared deviations S.

        m' = (kappa m + n x) / kappa', kappa' = kappa + n, nu' = nu + n, and nu' tau2' = nu tau2 + S
        + n kappa (m - x)^2 / kappa' (Murphy, Probabilistic machine learning: advanced topics,
        section 3.4.3.3).
        """
        n = arm.count
        mean = arm.total / n if n else 0.0
        spread = max(0.0, arm.squares - n * mean * mean)
        kappa, nu = self.kappa + n, self.nu + n
        pull = n * self.kappa * (self.m - mean) ** 2 / kappa
        return Gaussian(
            (self.kappa * self.m + arm.total) / kappa,
            kappa,
            nu,
            (self.nu * self.tau2 + spread + pull) / nu,
        )

    def draw(self, arm: Arm, random: np.random.Generator) -> float:
        """See `Prior`."""
        after = self.posterior(arm)
        sigma2 = after.nu * after.tau2 / random.chisquare(after.nu)
        return float(random.normal(after.m, math.sqrt(sigma2 / after.kappa)))


class ThompsonTree:
    """The arms of every node, and which nodes can have children. Starts with the root alone."""

    def __init__(self) -> None:
        self._children: dict[Path, list[Path]] = {}
        self._gen: defaultdict[Path, Arm] = defaultdict(Arm)
        self._cont: defaultdict[Path, Arm] = defaultdict(Arm)
        self._through: defaultdict[Path, Arm] = defaultdict(Arm)

    def add(self, node: Path) -> None:
        """A new node that steps can follow. Its GEN and its CONT start at the prior."""
        self._children.setdefault(node[:-1], []).append(node)

    def back_up(self, end: Path, born: int, reward: float) -> None:
        """The reward of a rollout that ended at `end`, whose nodes from depth `born` on are new.

        Told to the arm of every node that it went through; and of every node to GEN where it made
        a new child, else to CONT: it came from below a child that was there.
        """
        for depth in range(len(end)):
            node = end[:depth]
            if depth:
                self._through[node].observe(reward)
            (self._gen if depth >= born - 1 else self._cont)[node].observe(reward)

    def select(self, prior: Prior, random: np.random.Generator) -> Path:
        """The node that gets the next child.

        From the root down: draw from GEN and from CONT; if GEN is greater, here; else draw from
        each child's arm and go to the greatest. A node without a child that steps can follow has
        no CONT.
        """
        node: Path = ()
        while children := self._children.get(node):
            wider = prior.draw(self._gen[node], random)
            if wider >= prior.draw(self._cont[node], random):
                break
            drawn = [prior.draw(self._through[child], random) for child in children]
            node = children[drawn.index(max(drawn))]
        return node
