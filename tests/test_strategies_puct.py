"""PUCT's decisions: numbers of rStar-Math's equation, and what always holds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.puct import PuctTree, Visits, puct, signed


def tree_of(scores: dict[tuple[int, ...], float]) -> PuctTree:
    tree = PuctTree()
    for node, score in scores.items():
        tree.add(node, score, open=True)
    return tree


class TestPuct:
    """Q(s) + c sqrt(ln N(parent) / N(s)), Q = q / N, arXiv 2501.04519, section 3.2."""

    def test_worked_by_hand(self) -> None:
        # q = 1.5 in N = 3 visits of the parent's e^3: 0.5 + 2 sqrt(3 / 3)
        assert puct(Visits(3, 1.5), math.exp(3), 2.0) == pytest.approx(2.5)  # type: ignore[arg-type]
        # 0.9 + 2 sqrt(ln 10 / 1) = 3.93485...
        assert puct(Visits(1, 0.9), 10, 2.0) == pytest.approx(3.934854, abs=1e-6)

    def test_before_any_rollout_it_is_the_score(self) -> None:
        assert puct(Visits(1, 0.7), 0, 2.0) == puct(Visits(1, 0.7), 1, 2.0) == 0.7

    def test_rewards_are_signed(self) -> None:
        """So c = 2 weighs as much as c = 1 would on rewards in [0, 1]."""
        assert [signed(r) for r in (0.0, 0.5, 1.0)] == [-1, 0, 1]
        one, other = (Visits(3, signed(r) * 3) for r in (0.9, 0.6))
        gap = puct(one, 9, 2.0) - puct(other, 9, 2.0)
        assert gap == pytest.approx(
            2 * (puct(Visits(3, 2.7), 9, 1.0) - puct(Visits(3, 1.8), 9, 1.0))
        )

    def test_visits_pull_to_the_rare_child(self) -> None:
        # After 3 rollouts worth 1 through the first child: N(root) = 3, ln 3 = 1.099;
        # 3.9 / 4 + 2 sqrt(1.099 / 4) = 2.023 against 0.1 + 2 sqrt(1.099) = 2.196.
        tree = tree_of({(0,): 0.9, (1,): 0.1})
        assert tree.select(1, 2.0) == [(0,)]
        for _ in range(3):
            tree.back_up((0, 0), 1.0)
        assert tree.select(1, 2.0) == [(1,)]
        # With c = 1: 1.499 against 1.148.
        assert tree.select(1, 1.0) == [(0,)]

    def test_what_is_finished_counts_for_all_its_ancestors(self) -> None:
        # (0, 0) is closed: 4 rollouts worth nothing make Q(0) 0.9 / 5, so (1,) is next.
        tree = tree_of({(0,): 0.9, (1,): 0.5, (0, 0): 0.9, (0, 1): 0.8})
        assert tree.select(1, 0.1) == [(0, 0)]
        for _ in range(4):
            tree.back_up((0, 0, 0), 0.0)
        assert tree.select(1, 0.1) == [(1,)]


class TestSelect:
    def test_the_root_is_the_first_leaf(self) -> None:
        assert PuctTree().select(4, 2.0) == [()]

    def test_only_where_something_can_be_expanded(self) -> None:
        tree = tree_of({(0,): 0.9, (1,): 0.1})
        tree.add((0, 0), 0.9, open=False)
        assert tree.select(2, 2.0) == [(1,)]
        tree.close((1,))
        assert tree.select(2, 2.0) == []

    def test_virtual_loss_spreads_a_batch(self) -> None:
        # The second pass finds (0,) with Q = (0.9 - 1) / 2 and an eye on (1,): 0.8 is more.
        tree = tree_of({(0,): 0.9, (1,): 0.8, (0, 0): 0.9, (0, 1): 0.9})
        assert tree.select(2, 0.01) == [(0, 0), (1,)]
        assert tree.select(2, 0.01) == [(0, 0), (1,)]  # and is forgotten

    def test_ties_go_to_the_first_born(self) -> None:
        assert tree_of({(0,): 0.5, (1,): 0.5}).select(1, 2.0) == [(0,)]

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(1, 12))
    def test_a_batch_has_no_leaf_twice(self, scores: list[float], most: int) -> None:
        tree = tree_of({(i,): score for i, score in enumerate(scores)})
        chosen = tree.select(most, 2.0)
        assert len(set(chosen)) == len(chosen) == min(most, len(scores))

    @given(st.permutations([((0,), 0.9), ((1,), 0.8), ((2,), 0.2), ((3,), 0.8)]), st.data())
    def test_the_order_of_arrival_changes_nothing(
        self, born: list[tuple[tuple[int, ...], float]], data: st.DataObject
    ) -> None:
        ends = data.draw(st.permutations([((0, 0), 0.25), ((1, 0), 1.0), ((0, 1), 0.5)]))
        tree, other = tree_of(dict(sorted(born))), tree_of(dict(born))
        for node, worth in sorted(ends):
            tree.back_up(node, worth)
        for node, worth in ends:
            other.back_up(node, worth)
        assert tree.select(4, 2.0) == other.select(4, 2.0)
