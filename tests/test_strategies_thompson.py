"""AB-MCTS-A's decisions: posteriors worked by hand, and what always holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.seeds import generator
from sal.strategies.thompson import Arm, Beta, Gaussian, Prior, ThompsonTree

PRIORS: tuple[Prior, ...] = (Gaussian(), Beta())
both = pytest.mark.parametrize("prior", PRIORS, ids=["gaussian", "beta"])


def arm_of(seen: list[float]) -> Arm:
    arm = Arm()
    for reward in seen:
        arm.observe(reward)
    return arm


class TestPosteriors:
    """arXiv 2503.04412, AB-MCTS-A, with the priors of its authors' treequest."""

    def test_beta_worked_by_hand(self) -> None:
        assert Beta().posterior(Arm()) == Beta(0.5, 0.5)
        # a = .5 + (1 + .5 + .25), b = .5 + (0 + .5 + .75)
        assert Beta().posterior(arm_of([1, 0.5, 0.25])) == Beta(2.25, 1.75)
        assert Beta(2, 3).posterior(arm_of([1, 0.5, 0.25])) == Beta(3.75, 4.25)

    def test_gaussian_worked_by_hand(self) -> None:
        assert Gaussian().posterior(Arm()) == Gaussian(0, 1, 1, 0.1)
        # n = 3, mean 0.6, S = 0.04 + 0 + 0.04; tau^2 = (0.1 + 0.08 + 3 * 0.36 / 4) / 4
        seen = arm_of([0.4, 0.6, 0.8])
        assert astuple(Gaussian().posterior(seen)) == pytest.approx((0.45, 4, 4, 0.1125))
        # m = (2 * 0.5 + 1.8) / 5, tau^2 = (3 * 0.2 + 0.08 + 3 * 2 * 0.01 / 5) / 6
        after = Gaussian(m=0.5, kappa=2, nu=3, tau2=0.2).posterior(seen)
        assert astuple(after) == pytest.approx((0.56, 5, 6, 0.692 / 6))

    @both
    def test_draws_have_the_posteriors_mean(self, prior: Prior) -> None:
        arm = arm_of([0.9] * 6 + [0.5] * 4)
        random = generator(0, "q", 0)
        drawn = [prior.draw(arm, random) for _ in range(4000)]
        expected = 7.9 / 11 if prior == Beta() else 7.4 / 11
        assert np.mean(drawn) == pytest.approx(expected, abs=0.02)

    def test_draws_have_the_posteriors_spread(self) -> None:
        # Student's t with nu = 11 and scale^2 tau^2 / kappa: variance tau^2 / kappa * nu / (nu - 2).
        arm = arm_of([0.9] * 6 + [0.5] * 4)
        _, kappa, nu, tau2 = astuple(Gaussian().posterior(arm))
        random = generator(0, "q", 0)
        drawn = [Gaussian().draw(arm, random) for _ in range(8000)]
        assert np.var(drawn) == pytest.approx(tau2 / kappa * nu / (nu - 2), rel=0.1)


class TestTree:
    def test_what_each_arm_is_told(self) -> None:
        """The authors' bookkeeping: CONT sees only what came from below a child that was there."""
        tree = ThompsonTree()
        # A rollout worth 0.4; then one that branches off behind (0,), worth 0.9.
        tree.add((0,))
        tree.add((0, 0))
        tree.back_up((0, 0, 0), 1, 0.4)
        tree.add((0, 1))
        tree.back_up((0, 1, 0), 2, 0.9)

        def told(arms: Mapping[tuple[int, ...], Arm]) -> dict[tuple[int, ...], tuple[int, float]]:
            return {node: (arm.count, arm.total) for node, arm in arms.items()}

        assert told(tree._gen) == {
            (): (1, 0.4),
            (0,): (2, 0.4 + 0.9),
            (0, 0): (1, 0.4),
            (0, 1): (1, 0.9),
        }
        assert told(tree._cont) == {(): (1, 0.9)}
        assert told(tree._through) == {(0,): (2, 0.4 + 0.9), (0, 0): (1, 0.4), (0, 1): (1, 0.9)}

    def test_a_tree_of_answers_is_as_wide_as_the_authors(self) -> None:
        """64 answers, each near its parent's reward: 27.4 children of the root in their code.

        That is the mean of 200 trees of treequest 0.3 (quartiles 12, 22, 43). Where GEN starts with
        the node's own reward, and CONT with its children's, it is 14.
        """

        def root_children(seed: int) -> int:
            tree, born, random = ThompsonTree(), Counter[tuple[int, ...]](), generator(seed, "r", 0)
            rewards: dict[tuple[int, ...], float] = {(): 0.5}
            for i in range(64):
                parent = tree.select(Gaussian(), generator(seed, "q", i))
                child = (*parent, born[parent])
                born[parent] += 1
                tree.add(child)
                reward = min(1.0, max(0.0, rewards[parent] + random.normal(0, 0.15)))
                rewards[child] = reward
                tree.back_up(child, len(child), reward)
                tree._through[child].observe(reward)  # an answer is the first that its arm sees
            return born[()]

        assert np.mean([root_children(seed) for seed in range(60)]) == pytest.approx(27.4, abs=5)

    @both
    def test_an_empty_tree_grows_at_the_root(self, prior: Prior) -> None:
        assert ThompsonTree().select(prior, generator(0, "q", 0)) == ()

    @both
    def test_finished_children_are_no_choice(self, prior: Prior) -> None:
        tree = ThompsonTree()
        tree.back_up((0,), 1, 0.0)
        assert {tree.select(prior, generator(0, "q", i)) for i in range(50)} == {()}

    @both
    def test_it_goes_where_the_rewards_are(self, prior: Prior) -> None:
        """Through (1,) all went well, through (0,) and by other ways from the root it did not."""
        tree = ThompsonTree()
        for i, reward in enumerate((0.05, 0.95)):
            tree.add((i,))
            for j in range(40):
                tree.back_up((i, j), 2 if j else 1, reward)
        for j in range(2, 12):
            tree.back_up((j,), 1, 0.05)
        chosen = [tree.select(prior, generator(0, "q", i)) for i in range(200)]
        assert chosen.count((1,)) > 180

    @both
    def test_it_grows_wider_where_going_on_fails(self, prior: Prior) -> None:
        tree = ThompsonTree()
        tree.add((0,))
        for j in range(20):
            tree.back_up((0, j), 2 if j else 1, 0.0)
        for j in range(1, 6):
            tree.back_up((j,), 1, 0.9)
        chosen = [tree.select(prior, generator(0, "q", i)) for i in range(200)]
        assert chosen.count(()) > 180

    @given(st.integers(0, 10**6), st.sampled_from(PRIORS))
    def test_the_seed_is_the_choice(self, seed: int, prior: Prior) -> None:
        tree = ThompsonTree()
        for node in ((0,), (1,), (0, 0), (1, 0)):
            tree.add(node)
        assert tree.select(prior, generator(seed, "q", 3)) == tree.select(
            prior, generator(seed, "q", 3)
        )
