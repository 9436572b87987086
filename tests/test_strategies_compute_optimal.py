"""What to spend on which bin: worked numbers, and what holds for any table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sal.strategies.compute_optimal import Allotment, Array, Part, allot, best_within, hull


def arrays(*rows: list[float]) -> Array:
    return np.array(rows, float)


# Two bins of equal size, three actions that cost 1, 2 and 8.
ACCURACY = arrays([0.1, 0.2, 0.5], [0.8, 0.9, 0.9])
COST = arrays([1.0, 2.0, 8.0], [1.0, 2.0, 8.0])
SIZES = np.array([0.5, 0.5])


def spent(allotment: Allotment, cost: Array, sizes: Array) -> float:
    return math.fsum(
        float(size) * share * float(cost[b, action])
        for b, (size, parts) in enumerate(zip(sizes, allotment.parts, strict=True))
        for action, share in parts
    )


def earned(allotment: Allotment, accuracy: Array, sizes: Array) -> float:
    return spent(allotment, accuracy, sizes)


def of(budget: float, accuracy: Array = ACCURACY, cost: Array = COST) -> Allotment | None:
    hulls = [hull(a, c) for a, c in zip(accuracy, cost, strict=True)]
    return allot(accuracy, cost, SIZES, budget, hulls)


class TestWorkedNumbers:
    def test_the_hull(self) -> None:
        assert hull(ACCURACY[0], COST[0]) == [0, 1, 2]  # 0.1 a unit, then 0.05
        assert hull(ACCURACY[1], COST[1]) == [0, 1]  # the third gains nothing
        under = np.array([0.1, 0.15, 0.9])
        assert hull(under, np.array([1.0, 2.0, 3.0])) == [0, 2]  # the second is under the line
        assert hull(under, np.array([1.0, np.inf, 3.0])) == [0, 2]
        assert hull(np.array([0.5, 0.5]), np.array([2.0, 1.0])) == [1]
        assert hull(np.array([0.5]), np.array([np.inf])) == []

    def test_the_cheapest_has_no_rival_at_its_cost(self) -> None:
        assert hull(np.array([0.1, 0.4, 0.4]), np.array([1.0, 1.0, 1.0])) == [1]

    @pytest.mark.parametrize(
        ("budget", "parts", "rate"),
        [
            (1.0, (((0, 1.0),), ((0, 1.0),)), 0.1),
            (1.25, (((0, 0.5), (1, 0.5)), ((0, 1.0),)), 0.1),
            (2.0, (((1, 1.0),), ((1, 1.0),)), 0.05),
            (3.5, (((1, 0.5), (2, 0.5)), ((1, 1.0),)), 0.05),
            (5.0, (((2, 1.0),), ((1, 1.0),)), 0.0),
            (99.0, (((2, 1.0),), ((1, 1.0),)), 0.0),
        ],
    )
    def test_the_lagrangian_rule(
        self, budget: float, parts: Sequence[Sequence[Part]], rate: float
    ) -> None:
        allotted = of(budget)
        assert allotted is not None
        for ours, theirs in zip(allotted.parts, parts, strict=True):
            assert [action for action, _ in ours] == [action for action, _ in theirs]
            assert [share for _, share in ours] == pytest.approx([share for _, share in theirs])
        assert allotted.rate == pytest.approx(rate)

    def test_a_budget_under_the_cheapest(self) -> None:
        assert of(0.99) is None
        assert of(9.0, cost=arrays([1, 2, 8], [np.inf, np.inf, np.inf])) is None

    def test_snells_cell(self) -> None:
        assert best_within(ACCURACY[1], COST[1], 8.0) == 1  # of equals the cheaper
        assert best_within(ACCURACY[0], COST[0], 8.0) == 2
        assert best_within(ACCURACY[0], COST[0], 7.9) == 1
        assert best_within(ACCURACY[0], COST[0], 0.5) is None


tables = st.integers(1, 4).flatmap(
    lambda bins: st.integers(1, 5).flatmap(
        lambda actions: st.tuples(
            *(
                st.lists(
                    st.lists(values, min_size=actions, max_size=actions),
                    min_size=bins,
                    max_size=bins,
                )
                for values in (
                    st.integers(0, 20).map(lambda v: v / 20),
                    st.integers(1, 40).map(float),
                )
            ),
            st.lists(st.integers(1, 9).map(float), min_size=bins, max_size=bins),
        )
    )
)


class TestAnyTable:
    @given(tables, st.floats(0.5, 60))
    @settings(deadline=None)
    def test_the_budget_is_kept_and_no_choice_is_better_at_its_rate(
        self, table: tuple[list[list[float]], list[list[float]], list[float]], budget: float
    ) -> None:
        accuracy, cost = np.array(table[0]), np.array(table[1])
        sizes = np.array(table[2]) / sum(table[2])
        hulls = [hull(a, c) for a, c in zip(accuracy, cost, strict=True)]
        allotted = allot(accuracy, cost, sizes, budget, hulls)
        if allotted is None:
            assert spent_on_the_cheapest(cost, sizes) > budget
            return
        assert spent(allotted, cost, sizes) <= budget * (1 + 1e-6)
        assert allotted.rate >= 0
        if allotted.rate > 0:  # something is left to gain: all is spent
            assert spent(allotted, cost, sizes) == pytest.approx(budget)
        for b, parts in enumerate(allotted.parts):
            worth = accuracy[b] - allotted.rate * cost[b]  # the Lagrangian
            assert math.fsum(share for _, share in parts) == pytest.approx(1.0)
            assert all(worth[action] == pytest.approx(worth.max()) for action, _ in parts)
        assert sum(len(parts) > 1 for parts in allotted.parts) <= 1

    @given(tables, st.floats(0.5, 60), st.floats(0, 30))
    @settings(deadline=None)
    def test_more_buys_more_at_a_lower_rate(
        self,
        table: tuple[list[list[float]], list[list[float]], list[float]],
        budget: float,
        more: float,
    ) -> None:
        accuracy, cost = np.array(table[0]), np.array(table[1])
        sizes = np.array(table[2]) / sum(table[2])
        hulls = [hull(a, c) for a, c in zip(accuracy, cost, strict=True)]
        small = allot(accuracy, cost, sizes, budget, hulls)
        large = allot(accuracy, cost, sizes, budget + more, hulls)
        if small is None:
            return
        assert large is not None
        assert large.rate <= small.rate + 1e-9
        assert earned(large, accuracy, sizes) >= earned(small, accuracy, sizes) - 1e-9

    @given(tables, st.floats(0.5, 60))
    @settings(deadline=None)
    def test_no_whole_choice_is_better(
        self, table: tuple[list[list[float]], list[list[float]], list[float]], budget: float
    ) -> None:
        """Against all ways to give each bin one action: Snell et al.'s are among them."""
        accuracy, cost = np.array(table[0])[:3], np.array(table[1])[:3]
        sizes = np.array(table[2])[:3] / sum(table[2][:3])
        hulls = [hull(a, c) for a, c in zip(accuracy, cost, strict=True)]
        allotted = allot(accuracy, cost, sizes, budget, hulls)
        best = max(
            (
                sum(s * accuracy[b, a] for b, (s, a) in enumerate(zip(sizes, actions, strict=True)))
                for actions in product(range(accuracy.shape[1]), repeat=len(sizes))
                if sum(s * cost[b, a] for b, (s, a) in enumerate(zip(sizes, actions, strict=True)))
                <= budget
            ),
            default=None,
        )
        if best is not None:
            assert allotted is not None
            assert earned(allotted, accuracy, sizes) >= best - 1e-9


def spent_on_the_cheapest(cost: Array, sizes: Array) -> float:
    return float(sizes @ cost.min(axis=1))
