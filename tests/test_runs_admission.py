"""How many problems are searched at once, decided from samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.runs.admission import (
    LEAST_PROBLEMS,
    MEMORY_SECONDS,
    MOST_PROBLEMS,
    MOST_REQUESTS,
    Admission,
)

TICK = 0.125


def run(admission: Admission, demand: float, seconds: float, silent: bool = False) -> None:
    """As many problems as are admitted, each with `demand` requests."""
    for _ in range(round(seconds / TICK)):
        problems = admission.problems
        admission.sample(round(demand * problems), problems, problems * silent, TICK)


@pytest.mark.parametrize(
    ("budget", "capacity", "problems"),
    [(4, 256, 64), (64, 256, 4), (100, 256, 2), (1000, 256, 2), (1, 256, 256), (8, 4096, 64)],
)
def test_at_once_it_admits_what_fills_the_server_if_each_asks_n_requests(
    budget: int, capacity: int, problems: int
) -> None:
    admission = Admission(budget, capacity)
    assert admission.problems == problems
    run(admission, budget, 10)
    assert admission.problems == problems


def test_a_server_that_does_not_say_is_filled_by_a_stated_number() -> None:
    assert Admission(8, None).problems == MOST_REQUESTS // 8


def test_a_search_that_waits_leaves_room_for_other_problems() -> None:
    """N = 64, of which 4 are asked at a time."""
    admission = Admission(64, 256)
    run(admission, 4, 10)
    assert 32 < admission.problems <= 64


def test_problems_that_ask_for_more_than_expected_leave_room_for_fewer() -> None:
    admission = Admission(1, 256)
    run(admission, 64, 10)
    assert admission.problems == 4


def test_a_pause_between_two_steps_admits_little_more() -> None:
    admission = Admission(64, 256)
    run(admission, 64, TICK)
    for _ in range(50):
        run(admission, 0, MEMORY_SECONDS / 4)
        assert admission.problems <= 5
        run(admission, 64, TICK)
        assert admission.problems == 4


def test_problems_at_their_prompt_are_not_taken_for_small_ones() -> None:
    admission = Admission(64, 256)
    run(admission, 1, 60, silent=True)
    assert admission.problems == 4


def test_nothing_is_learnt_while_nothing_runs() -> None:
    admission = Admission(64, 256)
    for _ in range(100):
        admission.sample(0, 0, 0, TICK)
    assert admission.problems == 4


def test_searches_that_ask_the_server_nothing_are_bounded() -> None:
    admission = Admission(64, 256)
    run(admission, 0, 1000)
    assert admission.problems == MOST_PROBLEMS


@given(
    st.integers(0, 2000),
    st.none() | st.integers(1, 10_000),
    st.lists(
        st.tuples(
            st.integers(0, 5000), st.integers(0, 500), st.integers(0, 500), st.floats(0, 1e4)
        ),
        max_size=30,
    ),
)
def test_it_stays_within_its_bounds(
    budget: int, capacity: int | None, samples: list[tuple[int, int, int, float]]
) -> None:
    admission = Admission(budget, capacity)
    for requests, problems, silent, seconds in samples:
        admission.sample(requests, problems, min(silent, problems), seconds)
        assert LEAST_PROBLEMS <= admission.problems <= MOST_PROBLEMS


def test_searches_that_ask_for_more_later_are_not_taken_to_want_little() -> None:
    """As step labels: 8 solutions, then dozens of rollouts; a busy client has few on the wire."""
    admission = Admission(8, 256, grows=True)
    run(admission, 0.5, 60)
    assert admission.problems == 256 // 8
    run(admission, 64, 60)
    assert admission.problems == 256 // 64
    fades = Admission(8, 256)
    run(fades, 0.5, 60)
    assert fades.problems > 256 // 8
