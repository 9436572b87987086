"""How hard a problem looks, and bins of such."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.difficulty import ABSOLUTE, MEASURES, Measure, bin_of, ease, quantile_edges


@pytest.mark.parametrize(
    ("measure", "keys", "scores", "seen"),
    [
        ("mean", ["1", "2"], [0.8, 0.4], 0.3),  # of four samples two are missing
        ("best", ["1", "2"], [0.8, 0.4], 0.8),
        ("share", ["1", "2", "1"], [0.1, 0.9, 0.1], 0.5),
        ("mean", ["", "2"], [0.8, 0.4], 0.1),  # no answer: nothing seen
        ("best", ["", "2"], [0.8, 0.4], 0.4),
        ("share", ["", "2"], [0.8, 0.4], 0.25),
        ("mean", ["1"], [-np.inf], 0.0),  # a text without a step
        ("best", [], [], 0.0),
    ],
)
def test_what_four_samples_say(
    measure: Measure, keys: list[str], scores: list[float], seen: float
) -> None:
    assert ease(measure, keys, scores, 4) == pytest.approx(seen)


@given(
    st.sampled_from(MEASURES),
    st.lists(st.tuples(st.sampled_from(["", "1", "2"]), st.floats(-1, 2)), max_size=8),
)
def test_it_is_a_share(measure: Measure, samples: list[tuple[str, float]]) -> None:
    keys, scores = [k for k, _ in samples], [s for _, s in samples]
    assert 0.0 <= ease(measure, keys, scores, 8) <= 1.0


def test_quantiles() -> None:
    values = np.array([0.5, 0.1, 0.3, 0.2, 0.4, 0.6])
    edges = quantile_edges(values, np.ones(6), 3)
    assert edges == (0.3, 0.5)
    assert [bin_of(value, edges) for value in values] == [2, 0, 1, 0, 1, 2]


def test_equal_values_stay_together() -> None:
    values = np.array([0.0, 0.0, 0.0, 1.0])
    assert quantile_edges(values, np.ones(4), 4) == (1.0,)
    assert quantile_edges(np.zeros(4), np.ones(4), 4) == ()
    assert quantile_edges(np.zeros(0), np.ones(0), 4) == ()


def test_what_weighs_nothing_is_not_there() -> None:
    values = np.array([0.1, 0.2, 0.3, 0.4])
    assert quantile_edges(values, np.array([0.0, 0.0, 1.0, 1.0]), 2) == (0.4,)
    assert quantile_edges(values, np.array([3.0, 1.0, 1.0, 1.0]), 2) == (0.2,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 6))
def test_no_bin_is_empty_and_there_are_no_more_than_asked_for(
    values: list[float], bins: int
) -> None:
    edges = quantile_edges(np.array(values), np.ones(len(values)), bins)
    assert {bin_of(value, edges) for value in values} == set(range(len(edges) + 1))
    assert len(edges) < bins or not edges


def test_absolute_bins() -> None:
    assert [bin_of(p, ABSOLUTE) for p in (0.0, 0.09, 0.1, 0.49, 0.5, 1.0)] == [0, 0, 1, 1, 2, 2]
