"""Equal answers vote together: one key each, whatever the order in which they come."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from sal.grading.canonical import key
from sal.grading.grader import Grader

ANSWERS = [r"\frac12", "0.5", "1/2", r"50\%", "x=5", "5", "y=5", "(1,2)", "1<x<2", r"\{1,2\}", "2,1",
           r"\sqrt{8}", r"2\sqrt2", "east", "seat", "", "5 cm", "5 m", "9^{9^9}", "9^{9^{9}}"]  # fmt: skip


def test_equal_answers_share_a_key_and_others_do_not(grader: Grader) -> None:
    keys = grader.cluster([r"\frac{1}{2}", "0.5", "1/2", "0.25", r"2\sqrt2", r"\sqrt8", "4"])
    half, quarter, root, four = keys[0], keys[3], keys[4], keys[6]
    assert keys == [half, half, half, quarter, root, root, four]
    assert len({half, quarter, root, four}) == 4


def test_the_key_is_the_spelling_that_most_wrote(grader: Grader) -> None:
    answers = [r"2\sqrt2", r"\sqrt{8}", r"\sqrt{8}"]
    assert set(grader.cluster(answers)) == {key(r"\sqrt{8}")}


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_answers_changes_nothing(grader: Grader, seed: int) -> None:
    answers = [*ANSWERS, r"2\sqrt2", "5"]
    expected = dict(zip(answers, grader.cluster(answers), strict=True))
    random.Random(seed).shuffle(answers)
    assert dict(zip(answers, grader.cluster(answers), strict=True)) == expected


def test_pairs_are_symmetric(grader: Grader) -> None:
    for one, other in combinations(ANSWERS, 2):
        assert grader.cluster([one, other]) == grader.cluster([other, one])[::-1]


def test_a_rounded_value_does_not_join_in_one_direction_only(grader: Grader) -> None:
    assert grader.equal("125.663", r"40\pi").correct
    assert len(set(grader.cluster(["125.663", r"40\pi"]))) == 2


def test_no_answer_has_the_empty_key(grader: Grader) -> None:
    assert grader.cluster(["", "5", " ", ""]) == ["", "5", "", ""]
    assert grader.cluster([]) == []


def test_what_is_refused_votes_by_its_spelling(grader: Grader) -> None:
    long = "x" * 600
    keys = grader.cluster(["9^{9^{9}}", "9^{9^9}", long, long, "5"])
    assert keys[0] == keys[1]  # one spelling
    assert keys[2] == keys[3]
    assert len(set(keys)) == 3


def test_many_distinct_answers_of_one_problem(grader: Grader) -> None:
    answers = [rf"\sqrt{{{n}}}+x" for n in range(2, 22)]
    assert len(set(grader.cluster(answers + answers))) == len(answers)


@pytest.mark.parametrize(
    "answer", [*ANSWERS, r"\text{ an Ellipse }", "10{,}000", "3 1/2", "4:30 p.m."]
)
def test_a_key_is_its_own_key(answer: str) -> None:
    assert key(key(answer)) == key(answer)


def test_a_text_too_long_for_an_answer_is_its_own_key() -> None:
    assert key("½ " * 300 + "\n") == "½ " * 299 + "½"
