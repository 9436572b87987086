"""Decisions of labelling: how many rollouts, which prefix next, what the counts say."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.consensus import first_bad, first_below
from sal.strategies.rollouts import first_error, is_instructive, next_prefix, rollouts_for


@pytest.mark.parametrize(
    ("pass_at_1", "rollouts"), [(0, 128), (0.09, 128), (0.1, 64), (0.89, 64), (0.9, 32), (1, 32)]
)
def test_harder_problems_get_more_rollouts_as_genprms(pass_at_1: float, rollouts: int) -> None:
    assert rollouts_for(pass_at_1, 32) == rollouts


def test_four_times_as_many_want_eleven_solutions() -> None:
    """docs/labels.md: a problem with none that is right gets none, and one is the least."""
    assert {rollouts_for(1 / n, 1) for n in range(2, 11)} == {2}
    assert rollouts_for(1 / 11, 1) == 4


def test_only_problems_that_come_out_both_ways_teach() -> None:
    assert is_instructive([True, False, True])
    assert not is_instructive([True, True])
    assert not is_instructive([False])
    assert not is_instructive([])


@given(st.integers(1, 200), st.data())
def test_binary_search_finds_every_first_error_in_log2_probes(
    steps: int, data: st.DataObject
) -> None:
    """By an oracle: prefixes before the error can be finished, those from it on cannot."""
    error = data.draw(st.integers(0, steps - 1))
    known: dict[int, bool] = {}
    while (tried := next_prefix(known, steps)) is not None:
        assert tried not in known
        assert 0 <= tried < steps - 1  # the last step is known to be wrong
        known[tried] = tried < error
    assert len(known) <= math.ceil(math.log2(steps))
    counts = [(int(known[t]), 1) if t in known else (0, 0) for t in range(steps - 1)] + [(0, 1)]
    assert first_error(*zip(*counts, strict=True)) == error


@pytest.mark.parametrize(
    ("right", "rollouts", "error"),
    [
        ((8, 3, 1), (8, 8, 1), -1),
        ((8, 0, 0), (8, 8, 1), 1),
        ((0, 0), (8, 1), 0),
        ((8, 0, 2, 0), (8, 8, 8, 1), 3),  # the third can be finished, and so can the second
        ((8, 0, 1), (8, 8, 1), -1),  # as the solution itself shows
        ((2, 0, 0), (8, 0, 1), None),  # between the two nobody looked
    ],
)
def test_the_first_error_is_behind_the_last_prefix_that_can_be_finished(
    right: tuple[int, ...], rollouts: tuple[int, ...], error: int | None
) -> None:
    assert first_error(right, rollouts) == error


def test_a_judge_names_the_first_step_that_it_holds_to_be_wrong() -> None:
    assert first_below([0.9, 0.5, 0.2]) == 2
    assert first_below([0.9, 0.5]) == -1


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ((True, False, True), 1),
        ((True, True), -1),
        ((1, 0, -1), 2),  # PRM800K's neutral step is no error
        ((1, 0), -1),
        ((0.9, 0.5, 0.4), 2),
        ((1.0, 0.0), 1),
        ((True, None, False), None),
        ((True, False, None), 1),
    ],
)
def test_labels_name_the_first_bad_step(labels: tuple[Any, ...], error: int | None) -> None:
    assert first_bad(labels) == error
