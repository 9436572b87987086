"""REBASE: what it shares out, and the tree that comes of it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from programs_scripted import Say, ScriptedPolicy, ScriptedPrm, end, search

from sal.programs.rebase import RebaseParams, rebase
from sal.strategies.balance import balance
from sal.strategies.keep import widths

rewards = st.lists(st.floats(0, 1), min_size=1, max_size=40)


class TestBalance:
    def test_worked_by_hand(self) -> None:
        """Equation 1, rounded as in the authors' code, for B = 8 and T_b = 0.2.

        e^4.5, e^2.5, e^2.5, e^0.5 = 90.02, 12.18, 12.18, 1.65: 8 x 90.02 / 116.03 = 6.2, so 7;
        1 x 12.18 / 26.01 = 0.5, so 1; nothing is left.
        """
        assert balance([0.9, 0.5, 0.5, 0.1], 8, 0.2) == [7, 1, 0, 0]

    def test_the_order_given_is_the_order_returned(self) -> None:
        """8 x e^3 / (e^3 + e^2 + e^1) = 8 x 20.09 / 30.19 = 5.3, so 6; 2 x 7.39 / 10.11, so 2."""
        assert balance([0.2, 0.6, 0.4], 8, 0.2) == [0, 6, 2]

    def test_a_high_temperature_shares_evenly_and_a_low_one_takes_the_best(self) -> None:
        scores = [0.1, 0.9, 0.5, 0.3]
        assert balance(scores, 8, 1e9) == [1, 3, 2, 2]  # 2 and a trifle is rounded up
        assert balance(scores, 8, 1e-9) == [0, 8, 0, 0]

    def test_no_node_no_children(self) -> None:
        assert balance([], 5, 0.2) == []

    @given(rewards, st.integers(0, 300), st.floats(1e-3, 1e3))
    def test_shares_sum_to_what_is_left(
        self, scores: list[float], left: int, temperature: float
    ) -> None:
        shares = balance(scores, left, temperature)
        assert sum(shares) == left
        assert min(shares) >= 0

    @given(rewards, st.integers(0, 300))
    def test_a_better_node_never_gets_less(self, scores: list[float], left: int) -> None:
        shares = balance(scores, left, 0.2)
        ranked = sorted(range(len(scores)), key=lambda j: -scores[j])
        # Rounding up takes at most one child from those that come after.
        assert all(shares[a] >= shares[b] - 1 for a, b in pairwise(ranked))

    @given(st.integers(1, 40), st.floats(0, 1), st.integers(0, 300))
    def test_equal_rewards_reduce_to_even_shares(self, nodes: int, score: float, left: int) -> None:
        assert balance([score] * nodes, left, 0.2) == widths(left, nodes)

    @given(st.lists(st.floats(0, 1), min_size=2, max_size=9, unique=True), st.randoms())
    def test_each_node_gets_the_same_wherever_it_stands(
        self, scores: list[float], dice: Any
    ) -> None:
        before = dict(zip(scores, balance(scores, 16, 0.2), strict=True))
        dice.shuffle(scores)
        assert dict(zip(scores, balance(scores, 16, 0.2), strict=True)) == before

    @given(rewards, st.integers(1, 300))
    def test_the_best_gets_its_share_of_equation_1_rounded_up(
        self, scores: list[float], left: int
    ) -> None:
        best = max(range(len(scores)), key=lambda j: (scores[j], -j))
        weights = [math.exp(r / 0.2) for r in scores]
        exact = left * weights[best] / math.fsum(weights)
        assert exact - 1e-9 <= balance(scores, left, 0.2)[best] < exact + 1


def test_whole_tree() -> None:
    """Golden: 4 solutions; 1 ends at once, 3 children are shared as 3 : 0, then as 2 : 1.

    After step 1, by hand: e^(0.9/0.2) : e^(0.2/0.2) = 90.0 : 2.7, 3 x 0.97, so 3 and 0.
    After step 2: equal scores, so 2 and 1 of the 3 that are left.
    """
    tree = {
        (0,): Say("a"),
        (1,): end("\\boxed{1}"),
        (2,): Say("b"),
        (3,): Say("cut", "abort"),
        (2, 0): Say("c"),
        (2, 1): Say("d"),
        (2, 2): Say("e"),
        (2, 0, 0): end("\\boxed{2}"),
        (2, 1, 0): end("\\boxed{3}"),
        (2, 2, 0): end("\\boxed{4}"),
    }
    prm = ScriptedPrm({"a": 0.2, "b": 0.9, "\\boxed{3}": 0.8})
    result = search(rebase, ScriptedPolicy(tree), prm, RebaseParams(budget=4))
    assert sorted((n.id, n.text, n.finish, n.scores) for n in result.trace.nodes) == [
        ((0,), "a", "separator", (0.2,)),
        ((1,), "\\boxed{1}", "eot", (0.5,)),
        ((2,), "b", "separator", (0.9,)),
        ((2, 0), "c", "separator", (0.5,)),
        ((2, 0, 0), "\\boxed{2}", "eot", (0.5,)),
        ((2, 1), "d", "separator", (0.5,)),
        ((2, 1, 0), "\\boxed{3}", "eot", (0.8,)),
        ((2, 2), "e", "separator", (0.5,)),
        ((2, 2, 0), "\\boxed{4}", "eot", (0.5,)),
        ((3,), "cut", "error", ()),
    ]
    assert [c.node for c in result.completions] == [(1,), (2, 0, 0), (2, 1, 0), (2, 2, 0)]
    assert result.chosen == {"naive": 2, "weighted": 2, "majority": 0}


def test_the_last_round_runs_to_the_end() -> None:
    policy = ScriptedPolicy({(0,): Say("a"), (0, 0): end("b\n\n\\boxed{4}")})
    result = search(rebase, policy, ScriptedPrm(), RebaseParams(budget=1, max_steps=2))
    assert policy.stops == [["\n\n"], []]
    assert [c.steps for c in result.completions] == [("a", "b", "\\boxed{4}")]
