"""When an answer is settled: the three rules, against numbers worked by hand."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.stopping import (
    STOPS,
    agreement,
    answer_of,
    is_settled,
    lead_posterior,
    overturn_bound,
)

keys = st.sampled_from(["", "1", "2", "3"])
unit = st.floats(0, 1)
votes = st.lists(st.tuples(keys, unit), max_size=6)
untied = st.lists(st.tuples(keys, unit), max_size=6, unique_by=lambda vote: vote[1])


class TestAgreement:
    @pytest.mark.parametrize(
        ("answers", "settles"),
        [("122", False), ("1222", True), ("2221", False), ("22", False), ("22 2", False)],
    )
    def test_the_last_three_answers_agree(self, answers: str, settles: bool) -> None:
        assert agreement([a.strip() for a in answers], 3) is settles


class TestPosterior:
    @pytest.mark.parametrize(
        ("a", "b", "probability"),
        [
            # sum_{k<=a} C(a+b+1, k) / 2^(a+b+1), by hand
            (0, 0, 1 / 2),
            (1, 0, 3 / 4),
            (3, 0, 15 / 16),
            (4, 0, 31 / 32),
            (6, 1, 247 / 256),  # 1 - (C(8,7) + C(8,8)) / 2^8
            (9, 3, 7814 / 8192),  # 1 - (C(13,10) + ... + C(13,13)) / 2^13 = 1 - 378/8192
        ],
    )
    def test_beta_by_hand(self, a: int, b: int, probability: float) -> None:
        assert lead_posterior(["x"] * a + ["y"] * b + ["", ""]) == pytest.approx(probability)

    def test_only_the_leading_two_count(self) -> None:
        assert lead_posterior(list("xxxxyz")) == lead_posterior(list("xxxxy"))

    def test_adaptive_consistency_stops_at_four_to_none(self) -> None:
        for count, stops in ((3, False), (4, True)):
            draws = [[("x", 0.0)]] * count
            assert is_settled("posterior", draws, 9, agree=1, confidence=0.95) is stops

    @given(st.integers(0, 40), st.integers(0, 40))
    def test_it_is_the_incomplete_beta_integral(self, a: int, b: int) -> None:
        """P(p > 1/2) for p ~ Beta(a+1, b+1), integrated numerically."""
        a, b = max(a, b), min(a, b)
        middles = [(i + 0.5) / 4000 for i in range(4000)]
        weights = [math.exp(a * math.log(x) + b * math.log(1 - x)) for x in middles]
        expected = math.fsum(weights[2000:]) / math.fsum(weights)
        assert lead_posterior(["x"] * a + ["y"] * b) == pytest.approx(expected, abs=1e-4)


class TestMargin:
    VOTES = (("x", 0.9), ("x", 0.8), ("y", 0.2), ("", 1.0))  # lead 1.7 - 0.2 = 1.5

    def test_hoeffding_by_hand(self) -> None:
        assert overturn_bound(self.VOTES, 4) == pytest.approx(math.exp(-(1.5**2) / (2 * 4)))
        assert overturn_bound(self.VOTES, 4, worth=2) == pytest.approx(math.exp(-2.25 / 32))

    def test_a_lead_above_all_that_is_left_cannot_be_overturned(self) -> None:
        assert overturn_bound(self.VOTES, 1) == 0
        assert overturn_bound((("x", 1.0),), 1) > 0  # a tie can

    def test_nothing_leads(self) -> None:
        assert overturn_bound((), 3) == overturn_bound((("", 1.0),), 3) == 1
        assert overturn_bound((("x", 0.5), ("y", 0.5)), 3) == 1
        assert overturn_bound((("x", 0.5), ("y", 0.5)), 0) == 1

    def test_a_text_without_a_step_adds_nothing(self) -> None:
        assert overturn_bound((("x", -math.inf), ("y", 0.5)), 3) == overturn_bound((("y", 0.5),), 3)

    @given(votes, st.integers(1, 8), st.lists(st.tuples(keys, unit), max_size=8))
    def test_zero_means_that_no_future_changes_the_answer(
        self, seen: list[tuple[str, float]], left: int, future: list[tuple[str, float]]
    ) -> None:
        if overturn_bound(seen, left) > 0:
            return
        from sal.strategies.voting import weighted

        every = seen + future[:left]
        before, after = (weighted([k for k, _ in v], [s for _, s in v]) for v in (seen, every))
        assert before is not None
        assert after is not None
        assert every[after][0] == seen[before][0]

    def test_the_bound_holds_over_every_fair_future(self) -> None:
        """All 2^n futures of votes worth 1 for either answer, each as likely."""
        for lead, left in ((2, 4), (3, 9), (4, 10)):
            overturned = sum(math.comb(left, k) for k in range(left + 1) if 2 * k - left >= lead)
            assert overturned / 2**left <= overturn_bound([("x", 1.0)] * lead, left)


class TestSettled:
    @given(st.lists(untied, max_size=6), st.integers(0, 9), st.sampled_from(STOPS))
    def test_the_order_inside_a_draw_decides_nothing_but_ties(
        self, draws: list[list[tuple[str, float]]], left: int, stop: str
    ) -> None:
        def decide(draws: list[list[tuple[str, float]]]) -> bool:
            return is_settled(stop, draws, left, agree=2, confidence=0.9, worth=6)  # type: ignore[arg-type]

        expected = decide(draws)
        for order in list(permutations(range(6)))[::90]:
            assert decide([[d[i] for i in order if i < len(d)] for d in draws]) is expected

    @given(st.lists(votes, max_size=6), st.randoms(), st.sampled_from(["posterior", "margin"]))
    def test_the_order_of_draws_decides_nothing_where_answers_are_counted(
        self, draws: list[list[tuple[str, float]]], random: object, stop: str
    ) -> None:
        shuffled = list(draws)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        one, other = (
            is_settled(stop, d, 5, agree=2, confidence=0.9, worth=6)  # type: ignore[arg-type]
            for d in (draws, shuffled)
        )
        assert one is other

    def test_of_equal_scores_the_first_in_the_tree_counts(self) -> None:
        draws = [[("1", 0.0)], [("1", 0.0), ("2", 0.0)]]
        assert is_settled("agreement", draws, 3, agree=2, confidence=1)
        draws[1].reverse()
        assert not is_settled("agreement", draws, 3, agree=2, confidence=1)

    def test_a_draw_has_the_answer_of_its_best_completion(self) -> None:
        assert answer_of([("x", 0.3), ("y", 0.6), ("x", 0.5)]) == "y"
        assert answer_of([]) == ""
        assert not is_settled("agreement", [[("x", 1)], []], 3, agree=2, confidence=1)
