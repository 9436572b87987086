"""How good a choice is on problems that it was not made on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.cross_fit import (
    Array,
    Bins,
    Outcomes,
    Table,
    best_look,
    follow,
    quarters,
    tabulate,
    two_fold,
    two_fold_nested,
)

PROBLEMS = 48


def outcomes(seed: int, looks: int = 1, actions: int = 4, told: float = 1.0) -> Outcomes:
    """Random ones: an action of cost c is right the likelier, the easier the problem.

    What is seen is the truth for a share `told` of the looks.
    """
    random = np.random.default_rng(seed)
    truth = random.random(PROBLEMS)
    problem = np.repeat(np.arange(PROBLEMS), looks)
    cost = 2.0 ** np.arange(actions)[None, :].repeat(len(problem), axis=0)
    chance = 1 - (1 - truth[problem, None]) ** cost
    right = (random.random(chance.shape) < chance) * 1.0
    blurred = np.where(random.random(len(problem)) < told, truth[problem], random.random())
    return Outcomes(problem, blurred, right, cost, 60 * cost)


ONES = np.ones(PROBLEMS)
HALF = np.arange(PROBLEMS) % 2


def test_a_problem_weighs_the_same_however_often_it_was_looked_at() -> None:
    right = np.array([[1.0], [1.0], [0.0]])
    cost = np.array([[2.0], [4.0], [9.0]])
    looked = Outcomes(np.array([0, 0, 1]), np.zeros(3), right, cost, cost)
    table = tabulate(looked, np.ones(2), Bins(1))
    assert (table.accuracy.item(), table.cost.item()) == (0.5, 6.0)
    got = follow(looked, np.ones(2), (), (((0, 1.0),),))
    assert (got.accuracy, got.cost, got.weight) == (0.5, 12.0, 2.0)


def test_worked_two_fold() -> None:
    """Four problems, one bin: each half likes another action, which the other half dislikes."""
    right = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    cost = np.array([[1.0, 2.0]] * 4)
    looked = Outcomes(np.arange(4), np.zeros(4), right, cost, cost)
    half = np.array([0, 0, 1, 1])
    (got,) = two_fold(looked, np.ones(4), half, Bins(1), [2.0], Table.snell)
    assert got is not None
    assert (got.accuracy, got.cost / got.weight) == (0.0, 1.5)
    # In-sample it would have looked perfect half of the time.
    assert tabulate(looked, np.ones(4) * (half == 0), Bins(1)).accuracy[0, 0] == 1.0


def test_bins_are_followed() -> None:
    """Easy problems are right at once, hard ones for 8 more: the mean budget decides for whom."""
    ease = np.array([0.9, 0.9, 0.1, 0.1])
    right = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    cost = np.array([[1.0, 9.0]] * 4)
    looked = Outcomes(np.arange(4), ease, right, cost, cost)
    table = tabulate(looked, np.ones(4), Bins(2))
    assert table.edges == (0.9,)
    moved = table.lagrangian(5.0)
    assert moved is not None
    assert follow(looked, np.ones(4), table.edges, moved.parts).accuracy == 1.0
    alike = table.snell(5.0)
    assert alike is not None
    assert follow(looked, np.ones(4), table.edges, alike.parts).accuracy == 0.5


def test_a_bin_without_problems_does_as_all() -> None:
    looked = Outcomes(
        np.arange(2), np.array([0.2, 0.3]), np.eye(2), np.ones((2, 2)), np.ones((2, 2))
    )
    table = tabulate(looked, np.ones(2), Bins(absolute=True))
    assert table.edges == (0.1, 0.5)
    assert table.sizes.tolist() == [0.0, 1.0, 0.0]
    assert table.accuracy[0].tolist() == table.accuracy[2].tolist() == [0.5, 0.5]


def test_a_budget_that_buys_nothing() -> None:
    assert two_fold(outcomes(0), ONES, HALF, Bins(2), [0.5, 4.0], Table.lagrangian)[0] is None
    assert two_fold_nested([outcomes(0)], ONES, quarters(PROBLEMS, rng()), Bins(2), [0.5]) == [None]
    assert best_look([outcomes(0)], ONES, [HALF], Bins(2), [0.5, 4.0]) == [None, 0]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_better_look_is_chosen() -> None:
    easy = (np.arange(PROBLEMS) % 3 == 0) * 1.0
    right = np.stack([easy, np.ones(PROBLEMS)], axis=1)
    cost = np.array([[1.0, 9.0]] * PROBLEMS)
    seeing = Outcomes(np.arange(PROBLEMS), easy, right, cost, cost)
    blind = replace(seeing, ease=np.zeros(PROBLEMS))
    assert best_look([blind, seeing], ONES, [HALF], Bins(4), [6.4]) == [1]
    assert best_look([blind, blind], ONES, [HALF], Bins(4), [6.4]) == [0]


def shuffled(of: Outcomes, problems: Array, seed: int) -> Outcomes:
    """The verdicts on `problems` in another order: each is another's."""
    right = of.right.copy()
    rows = np.flatnonzero(np.isin(of.problem, problems))
    right[rows] = right[np.random.default_rng(seed).permutation(rows)]
    return replace(of, right=right)


@given(st.integers(0, 9), st.integers(0, 9))
def test_no_choice_knows_what_it_is_measured_on(seed: int, order: int) -> None:
    """Other verdicts on the half that measures change nothing in what the other half chooses."""
    looks = [outcomes(seed, looks=2), outcomes(seed + 100, looks=3, told=0.5)]
    quarter = quarters(PROBLEMS, np.random.default_rng(seed))
    held = np.flatnonzero(quarter // 2 == 1)
    weights = ONES * (quarter // 2 == 0)
    others = [shuffled(look, held, order) for look in looks]
    assert any((a.right != b.right).any() for a, b in zip(looks, others, strict=True))
    budgets = [1.5, 3.0, 6.0]
    chosen = best_look(looks, weights, [quarter % 2], Bins(3), budgets)
    assert chosen == best_look(others, weights, [quarter % 2], Bins(3), budgets)
    for ours, theirs in zip(looks, others, strict=True):
        one, other = (tabulate(o, weights, Bins(3)) for o in (ours, theirs))
        assert one.edges == other.edges
        for budget in budgets:
            assert one.lagrangian(budget) == other.lagrangian(budget)
            assert one.snell(budget) == other.snell(budget)


def test_nothing_is_gained_where_nothing_can_be_known() -> None:
    """Actions that are right by chance alone: chosen on one half, they are no better on the other."""
    random = np.random.default_rng(0)
    gains = []
    for _ in range(60):
        right = (random.random((PROBLEMS, 8)) < 0.5) * 1.0
        cost = np.ones((PROBLEMS, 8))
        looks = [
            Outcomes(np.arange(PROBLEMS), random.random(PROBLEMS), right, cost, cost)
            for _ in range(3)
        ]
        (got,) = two_fold_nested(looks, ONES, quarters(PROBLEMS, random), Bins(3), [1.0])
        assert got is not None
        gains.append(got.accuracy - 0.5)
        table = tabulate(looks[0], ONES, Bins(3)).snell(1.0)
        assert table is not None
        edges = tabulate(looks[0], ONES, Bins(3)).edges
        assert follow(looks[0], ONES, edges, table.parts).accuracy > 0.55  # in-sample it seems so
    assert abs(np.mean(gains)) < 3 * np.std(gains) / 60**0.5


def test_drawn_twice_is_counted_twice() -> None:
    weights = np.zeros(PROBLEMS)
    weights[:4] = [2, 0, 1, 1]
    looked = outcomes(3)
    table = tabulate(looked, weights, Bins(1))
    rows = [0, 0, 2, 3]
    assert table.accuracy[0] == pytest.approx(looked.right[rows].mean(axis=0))


def test_quarters_are_of_one_size() -> None:
    counts = np.bincount(quarters(10, rng()))
    assert sorted(counts.tolist()) == [2, 2, 3, 3]
