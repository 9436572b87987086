"""Decisions of labelling: how many rollouts, which prefix next, what the counts say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.consensus import agree, first_below
from sal.strategies.rollouts import first_error, is_instructive, next_prefix, rollouts_for


@pytest.mark.parametrize(
    ("pass_at_1", "rollouts"), [(0, 128), (0.09, 128), (0.1, 64), (0.89, 64), (0.9, 32), (1, 32)]
)
def test_harder_problems_get_more_rollouts_as_genprms(pass_at_1: float, rollouts: int) -> None:
    assert rollouts_for(pass_at_1, 32) == rollouts


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


def test_a_judge_agrees_where_it_names_the_same_step() -> None:
    assert first_below([0.9, 0.5, 0.2]) == 2
    assert first_below([0.9, 0.5]) == -1
    counts = ((8, 0, 0), (8, 8, 1))
    assert agree(*counts, [0.9, 0.1, 0.9])
    assert not agree(*counts, [0.1, 0.1, 0.9])
    assert not agree(*counts, [0.9, 0.9, 0.9])
    assert agree((8, 1), (8, 1), [0.9, 0.6])
    assert not agree((2, 0, 0), (8, 0, 1), [0.9, 0.1, 0.1])  # the counts do not tell
