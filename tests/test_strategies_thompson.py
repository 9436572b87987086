"""AB-MCTS-A's decisions: posteriors worked by hand, and what always holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.seeds import generator
from sal.strategies.thompson import (
    POSTERIORS,
    Arm,
    Posterior,
    ThompsonTree,
    beta,
    draw,
    gaussian,
    pooled,
)

rewards = st.lists(st.floats(0, 1), max_size=12)
both = pytest.mark.parametrize("posterior", POSTERIORS)


def arm_of(seen: list[float]) -> Arm:
    arm = Arm()
    for reward in seen:
        arm.observe(reward)
    return arm


class TestPosteriors:
    """arXiv 2503.04412, AB-MCTS-A, with the priors of its authors' treequest."""

    def test_beta_worked_by_hand(self) -> None:
        assert beta(Arm()) == (0.5, 0.5)
        # a = .5 + (1 + .5 + .25), b = .5 + (0 + .5 + .75)
        assert beta(arm_of([1, 0.5, 0.25])) == pytest.approx((2.25, 1.75))

    def test_gaussian_worked_by_hand(self) -> None:
        assert gaussian(Arm()) == pytest.approx((0, 1, 1, 0.1))
        # n = 3, mean 0.6, S = 0.04 + 0 + 0.04; tau^2 = (0.1 + 0.08 + 3 * 0.36 / 4) / 4
        assert gaussian(arm_of([0.4, 0.6, 0.8])) == pytest.approx((0.45, 4, 4, 0.1125))

    @given(rewards, rewards)
    def test_pooled_arms_have_seen_it_all(self, one: list[float], other: list[float]) -> None:
        pool, whole = pooled([arm_of(one), arm_of(other)]), arm_of(one + other)
        assert gaussian(pool) == pytest.approx(gaussian(whole))
        assert beta(pool) == pytest.approx(beta(whole))

    @both
    def test_draws_have_the_posteriors_mean(self, posterior: Posterior) -> None:
        arm = arm_of([0.9] * 6 + [0.5] * 4)
        random = generator(0, "q", 0)
        drawn = [draw(arm, posterior, random) for _ in range(4000)]
        expected = {"beta": 7.9 / 11, "gaussian": 7.4 / 11}[posterior]
        assert np.mean(drawn) == pytest.approx(expected, abs=0.02)

    def test_draws_have_the_posteriors_spread(self) -> None:
        # Student's t with nu = 11 and scale^2 tau^2 / kappa: variance tau^2 / kappa * nu / (nu - 2).
        arm = arm_of([0.9] * 6 + [0.5] * 4)
        _, kappa, nu, tau2 = gaussian(arm)
        random = generator(0, "q", 0)
        drawn = [draw(arm, "gaussian", random) for _ in range(8000)]
        assert np.var(drawn) == pytest.approx(tau2 / kappa * nu / (nu - 2), rel=0.1)


class TestTree:
    def test_what_each_arm_is_told(self) -> None:
        tree = ThompsonTree()
        # A rollout 0.8, 0.4, 0 of mean 0.4; then one that branches off behind (0,), of mean 0.9.
        tree.add((0,), 0.8)
        tree.add((0, 0), 0.4)
        tree.back_up((0, 0, 0), 1, 0.4)
        tree.add((0, 1), 1.0)
        tree.back_up((0, 1, 0), 2, 0.9)
        gen: dict[tuple[int, ...], tuple[int, object]] = {
            node: (arm.count, arm.total) for node, arm in tree._gen.items()
        }
        through: dict[tuple[int, ...], tuple[int, object]] = {
            node: (arm.count, arm.total) for node, arm in tree._through.items()
        }
        assert gen == {
            (): (1, 0.4),
            (0,): (3, pytest.approx(0.8 + 0.4 + 0.9)),
            (0, 0): (2, pytest.approx(0.4 + 0.4)),
            (0, 1): (2, pytest.approx(1.0 + 0.9)),
        }
        assert through == {
            (0,): (3, pytest.approx(0.8 + 0.4 + 0.9)),
            (0, 0): (2, pytest.approx(0.4 + 0.4)),
            (0, 1): (2, pytest.approx(1.0 + 0.9)),
        }

    @both
    def test_an_empty_tree_grows_at_the_root(self, posterior: Posterior) -> None:
        assert ThompsonTree().select(posterior, generator(0, "q", 0)) == ()

    @both
    def test_finished_children_are_no_choice(self, posterior: Posterior) -> None:
        tree = ThompsonTree()
        tree.back_up((0,), 1, 0.0)
        assert {tree.select(posterior, generator(0, "q", i)) for i in range(50)} == {()}

    @both
    def test_it_goes_where_the_rewards_are(self, posterior: Posterior) -> None:
        """Through (1,) all went well, through (0,) and by other ways from the root it did not."""
        tree = ThompsonTree()
        for i, reward in enumerate((0.05, 0.95)):
            tree.add((i,), reward)
            for j in range(40):
                tree.back_up((i, j), 2 if j else 1, reward)
        for j in range(2, 12):
            tree.back_up((j,), 1, 0.05)
        chosen = [tree.select(posterior, generator(0, "q", i)) for i in range(200)]
        assert chosen.count((1,)) > 180

    @both
    def test_it_grows_wider_where_going_on_fails(self, posterior: Posterior) -> None:
        tree = ThompsonTree()
        tree.add((0,), 0.9)
        for j in range(20):
            tree.back_up((0, j), 2 if j else 1, 0.0)
        for j in range(1, 6):
            tree.back_up((j,), 1, 0.9)
        chosen = [tree.select(posterior, generator(0, "q", i)) for i in range(200)]
        assert chosen.count(()) > 180

    @given(st.integers(0, 10**6), st.sampled_from(POSTERIORS))
    def test_the_seed_is_the_choice(self, seed: int, posterior: Posterior) -> None:
        tree = ThompsonTree()
        for node in ((0,), (1,), (0, 0), (1, 0)):
            tree.add(node, 0.5)
        assert tree.select(posterior, generator(seed, "q", 3)) == tree.select(
            posterior, generator(seed, "q", 3)
        )
