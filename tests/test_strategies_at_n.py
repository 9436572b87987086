"""What n of N samples come to, against every subset and against worked numbers."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.at_n import (
    DRAWN,
    ENUMERATED,
    Ballots,
    naive_at,
    pass_at,
    subsets,
    voted_at,
)
from sal.strategies.voting import majority, naive, weighted

Sample = tuple[str, float, bool]

# Few keys and few weights, so that everything ties; equal answers need not be judged alike.
samples = st.lists(
    st.tuples(
        st.sampled_from(["", "a", "b", "c"]), st.sampled_from([0.0, 0.1, 0.25, 0.5]), st.booleans()
    ),
    min_size=1,
    max_size=7,
)


def by_enumeration(rule: str, made: list[Sample], n: int) -> float:
    """The rule itself, on every subset in turn."""
    subsets_of_it = list(combinations(made, n))
    hits = 0
    for subset in subsets_of_it:
        keys, weights = [k for k, _, _ in subset], [w for _, w, _ in subset]
        if rule == "majority":
            chosen = majority(keys)
        else:
            chosen = (naive if rule == "naive" else weighted)(keys, weights)
        hits += chosen is not None and subset[chosen][2]
    return hits / len(subsets_of_it)


@given(samples, st.integers(0, 2), st.sampled_from(["naive", "weighted", "majority"]))
def test_votes_are_the_average_over_every_subset(
    made: list[Sample], failed: int, rule: str
) -> None:
    total = len(made) + failed
    keys, right = [k for k, _, _ in made], [r for _, _, r in made]
    weights = [0.0 if rule == "majority" else w for _, w, _ in made]
    ballots = Ballots.of(keys, weights, right, total)
    all_of_them: list[Sample] = [*made, *[("", 0.0, False)] * failed]
    for n in range(1, total + 1):
        expected = by_enumeration(rule, all_of_them, n)
        assert voted_at(rule, [ballots], subsets(total, n))[0] == pytest.approx(expected, abs=1e-12)
        if rule == "naive" and ballots.decided_by_rank:
            found = naive_at(ballots.right.tolist(), total, n)
            assert found == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.booleans(), min_size=1, max_size=9))
def test_pass_is_the_average_over_every_subset(right: list[bool]) -> None:
    for n in range(1, len(right) + 1):
        found = pass_at(sum(right), len(right), n)
        expected = sum(map(any, combinations(right, n))) / comb(len(right), n)
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("right", "total", "n", "expected"),
    [
        (1, 2, 1, 0.5),
        (1, 4, 2, 0.5),  # 1 - C(3, 2) / C(4, 2)
        (2, 4, 2, 5 / 6),  # 1 - C(2, 2) / C(4, 2)
        (3, 5, 3, 1.0),  # no three of the two wrong ones
        (10, 200, 1, 0.05),
        (10, 200, 10, 1 - comb(190, 10) / comb(200, 10)),
        (0, 200, 100, 0.0),
        (256, 256, 256, 1.0),
    ],
)
def test_pass_by_hand(right: int, total: int, n: int, expected: float) -> None:
    assert pass_at(right, total, n) == pytest.approx(expected, rel=1e-12)


def test_pass_is_human_evals_product() -> None:
    """The same figure as 1 - prod (1 - k / i) over i from N - c + 1 to N (Chen et al., 2021)."""
    product = 1.0
    for i in range(200 - 13 + 1, 200 + 1):
        product *= 1 - 10 / i
    assert pass_at(13, 200, 10) == pytest.approx(1 - product, rel=1e-12)


def test_the_best_of_two_of_three_by_hand() -> None:
    # Best to worst: wrong, right, right. Of the three pairs only (2nd, 3rd) has a right best one.
    assert naive_at([False, True, True], 3, 2) == pytest.approx(1 / 3)
    # With a fourth that has no vote: pairs (2, 3), (2, 4), (3, 4) of six.
    assert naive_at([False, True, True], 4, 2) == pytest.approx(1 / 2)


def test_majority_of_three_of_four_by_hand() -> None:
    # Keys a a b b, a right. Triples: aab aab abb abb.
    ballots = Ballots.of(["a", "a", "b", "b"], [0.0] * 4, [True, True, False, False])
    assert voted_at("majority", [ballots], subsets(4, 3))[0] == 0.5
    # All four tie 2 to 2: a was seen first.
    assert voted_at("majority", [ballots], subsets(4, 4))[0] == 1.0


def test_with_all_samples_it_is_the_vote_itself() -> None:
    keys, weights = ["6", "6", "7", "8", "8"], [0.1, 0.2, 0.9, 0.5, 0.6]
    for rule, choose in (("naive", naive), ("weighted", weighted)):
        for i in range(5):
            right = [j == i for j in range(5)]
            found = voted_at(rule, [Ballots.of(keys, weights, right)], subsets(5, 5))[0]
            assert found == float(choose(keys, weights) == i)


def test_weights_that_are_not_finite_weigh_nothing() -> None:
    one = Ballots.of(["a", "b"], [float("-inf"), float("nan")], [True, False])
    assert voted_at("weighted", [one], subsets(2, 2))[0] == 1.0


def test_few_subsets_are_all_there_and_many_are_drawn_alike_every_time() -> None:
    assert comb(16, 4) == 1820 <= ENUMERATED < comb(16, 8)
    few, many = subsets(16, 4), subsets(16, 8)
    assert (few.all, few.rows.shape) == (True, (1820, 4))
    assert len(set(map(tuple, few.rows.tolist()))) == 1820
    assert (many.all, many.rows.shape) == (False, (DRAWN, 8))
    assert all(
        row == sorted(set(row)) and row[0] >= 0 and row[-1] < 16 for row in many.rows.tolist()
    )
    subsets.cache_clear()
    assert (subsets(16, 8).rows == many.rows).all()


def test_drawn_subsets_come_near_the_exact_figure() -> None:
    """One vote among equals, so that the exact figure is known: the best one is in n of 16."""
    ballots = Ballots.of(
        [*"abcdefghijklmnop"], [16.0 - i for i in range(16)], [True, *[False] * 15]
    )
    found = voted_at("weighted", [ballots], subsets(16, 8))[0]
    assert found == pytest.approx(naive_at(ballots.right.tolist(), 16, 8), abs=0.1)
    assert naive_at(ballots.right.tolist(), 16, 8) == pytest.approx(0.5)
