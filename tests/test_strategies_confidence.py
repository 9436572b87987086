"""DeepConf's equations, against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.confidence import (
    Kind,
    bar_over,
    consensus,
    falls,
    lowest_group,
    token_confidence,
    trace_confidence,
)

positive = st.floats(0.01, 30)


class TestConfidence:
    def test_a_token(self) -> None:
        """C_i = -(ln 0.5 + ln 0.25 + ln 0.25) / 3 = 5/3 ln 2."""
        logprobs = [math.log(0.5), math.log(0.25), math.log(0.25)]
        assert token_confidence(logprobs) == pytest.approx(5 / 3 * math.log(2))

    def test_the_lowest_group_of_three(self) -> None:
        """Means over (4 1 1), (1 1 4), (1 4 7): 2, 2, 4."""
        assert lowest_group([4, 1, 1, 4, 7], 3) == pytest.approx(2)

    def test_a_short_trace_is_one_group(self) -> None:
        assert lowest_group([4, 1], 3) == 2.5
        assert lowest_group([], 3) == 0

    @given(st.lists(positive, min_size=1, max_size=40), st.integers(1, 40))
    def test_it_is_the_least_mean(self, confidences: list[float], window: int) -> None:
        window = min(window, len(confidences))
        groups = (confidences[i : i + window] for i in range(len(confidences) - window + 1))
        assert lowest_group(confidences, window) == pytest.approx(min(map(sum, groups)) / window)

    @given(st.lists(positive, min_size=1, max_size=40), st.integers(1, 10), positive)
    def test_a_trace_given_up_would_not_have_reached_the_bar(
        self, confidences: list[float], window: int, bar: float
    ) -> None:
        """Looking early gives up no trace that the vote would have counted."""
        for seen in range(len(confidences)):
            if falls(confidences[:seen], window, bar):
                assert lowest_group(confidences, window) < bar + 1e-9


class TestKinds:
    """Of 1..12 in a window of 2 there are 11 groups: 1.5, 2.5, ... 11.5."""

    TRACE = tuple(range(12, 0, -1))

    def test_by_hand(self) -> None:
        assert trace_confidence(self.TRACE, "mean", 2) == pytest.approx(6.5)
        assert trace_confidence(self.TRACE, "tail", 3) == pytest.approx(2)
        assert trace_confidence(self.TRACE, "lowest", 2) == pytest.approx(1.5)
        # A tenth of 11 groups is one; of the 29 of 1..30 two, (1.5 + 2.5) / 2.
        assert trace_confidence(self.TRACE, "bottom", 2) == pytest.approx(1.5)
        assert trace_confidence(range(1, 31), "bottom", 2) == pytest.approx(2)

    @pytest.mark.parametrize("kind", ["mean", "tail", "lowest", "bottom"])
    def test_a_short_trace_is_its_mean(self, kind: Kind) -> None:
        assert trace_confidence([4, 1], kind, 3) == 2.5
        assert trace_confidence([], kind, 3) == 0


class TestBar:
    def test_percentiles_by_hand(self) -> None:
        """Of 1..11: the 10th percentile is 2, the 90th is 10; between two it is linear."""
        lowest = list(range(11, 0, -1))
        assert bar_over(lowest, 0.9) == pytest.approx(2)
        assert bar_over(lowest, 0.1) == pytest.approx(10)
        assert bar_over([1, 2], 0.75) == pytest.approx(1.25)

    def test_without_a_trace_there_is_none(self) -> None:
        assert bar_over([], 0.9) == -math.inf

    @given(st.lists(positive, min_size=1), st.floats(0.01, 1))
    def test_at_least_the_share_is_kept(self, lowest: list[float], keep: float) -> None:
        reached = sum(value >= bar_over(lowest, keep) for value in lowest)
        assert reached >= math.floor(keep * (len(lowest) - 1))
        assert reached == len(lowest) or keep < 1


class TestConsensus:
    def test_by_hand(self) -> None:
        """beta = (2 + 1) / (2 + 1 + 1): the vote without an answer is none."""
        assert consensus(["x", "y", "x", ""], [2, 1, 1, 9]) == pytest.approx(0.75)

    def test_nobody_votes(self) -> None:
        assert consensus([], []) == consensus([""], [1.0]) == consensus(["x"], [0.0]) == 0
