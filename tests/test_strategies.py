"""Decisions are pure: properties that hold whatever the scores are and whoever comes first."""

from __future__ import annotations

import math
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.aggregate import AGGREGATES, aggregate
from sal.strategies.answers import last_boxed
from sal.strategies.keep import firsts, survivors, widths, with_one_end
from sal.strategies.seeds import derive
from sal.strategies.steps import split_steps
from sal.strategies.voting import elect, majority, naive, weighted

unit = st.floats(0, 1)
ballots = st.lists(st.tuples(st.sampled_from(["", "1", "2", "3"]), unit), max_size=7)


class TestAggregate:
    def test_each_rule(self) -> None:
        scores = (0.5, 0.25, 0.75)
        assert aggregate(scores) == 0.75
        assert aggregate(scores, "min") == 0.25
        assert aggregate(scores, "prod") == pytest.approx(0.09375)
        assert aggregate(scores, "mean") == pytest.approx(0.5)

    @pytest.mark.parametrize("how", AGGREGATES)
    def test_no_step_ranks_below_every_score(self, how: str) -> None:
        assert aggregate((), how) < aggregate((0.0,), how)  # type: ignore[arg-type]

    def test_unknown_rule_is_named(self) -> None:
        with pytest.raises(ValueError, match="'best'"):
            aggregate((1.0,), "best")  # type: ignore[arg-type]

    @given(st.lists(unit, min_size=1), st.sampled_from(AGGREGATES))
    def test_stays_in_the_unit_interval(self, scores: list[float], how: str) -> None:
        assert 0 <= aggregate(scores, how) <= 1  # type: ignore[arg-type]


class TestVoting:
    def test_the_three_rules_differ(self) -> None:
        keys = ["6", "6", "7", "8", "8"]
        scores = [0.1, 0.2, 0.9, 0.5, 0.6]
        assert (naive(keys, scores), weighted(keys, scores)) == (2, 4)
        assert majority(["6", "6", "7", "8", "8", "6"]) == 0

    def test_an_empty_answer_never_wins(self) -> None:
        assert elect(["", "", "5"], [0.9, 0.9, 0.1]) == dict.fromkeys(
            ("naive", "weighted", "majority"), 2
        )

    def test_no_answer_means_nobody_wins(self) -> None:
        assert set(elect(["", ""], [0.9, 0.9]).values()) == {None}
        assert set(elect([], []).values()) == {None}

    def test_truncation_counted_as_eos_defect(self) -> None:
        """Defect: a truncated text was taken for an ended one; here it has no vote."""
        chosen = elect(["5", "5", "6"], [None, None, 0.1])
        assert set(chosen.values()) == {2}

    def test_ties(self) -> None:
        assert naive(["b", "a", "a"], [0.5, 0.5, 0.5]) == 1  # the more frequent
        assert weighted(["b", "a", "a"], [0.5, 0.25, 0.25]) == 0  # equal sums, better best

    def test_a_tie_goes_to_what_was_seen_first(self) -> None:
        assert majority(["b", "a"]) == 0
        assert majority(["", "c", "b", "a", "a", "b"]) == 2  # c has one vote, b came before a
        assert naive(["b", "a"], [0.5, 0.5]) == 0
        assert naive(["c", "b", "a"], [0.1, 0.5, 0.5]) == 1
        assert weighted(["b", "a", "b", "a"], [0.25, 0.5, 0.5, 0.25]) == 1  # the best of each ties
        assert elect(["b", "a"], [None, 0.0])["majority"] == 1  # one without a vote is not seen

    @given(ballots)
    def test_where_nothing_ties_the_order_changes_no_winner(
        self, votes: list[tuple[str, float]]
    ) -> None:
        # Sums of different powers of two are never equal.
        apart = [(key, 2.0**-i) for i, (key, _) in enumerate(votes)]

        def winners(votes: tuple[tuple[str, float], ...]) -> list[str | None]:
            keys, scores = [k for k, _ in votes], [s for _, s in votes]
            return [
                None if i is None else keys[i]
                for i in (naive(keys, scores), weighted(keys, scores))
            ]

        expected = winners(tuple(apart))
        some = list(permutations(apart))[:: max(1, math.factorial(len(apart)) // 20)]
        assert all(winners(order) == expected for order in some)

    @given(ballots)
    def test_the_majority_is_the_first_seen_of_the_most_frequent(
        self, votes: list[tuple[str, float]]
    ) -> None:
        keys = [key for key, _ in votes]
        counts = Counter(filter(None, keys))
        leading = [i for i, key in enumerate(keys) if key and counts[key] == max(counts.values())]
        assert majority(keys) == (leading[0] if leading else None)

    @given(ballots)
    def test_the_index_points_at_the_winning_answer(self, votes: list[tuple[str, float]]) -> None:
        keys, scores = [k for k, _ in votes], [s for _, s in votes]
        best = weighted(keys, scores)
        if best is not None:
            rivals = [s for k, s in votes if k == keys[best]]
            assert scores[best] == max(rivals)


class TestSiblings:
    def test_the_first_of_equal_texts(self) -> None:
        assert firsts(["a", "b", "a", "c", "b"]) == [0, 1, 3]
        assert firsts([]) == []

    def test_one_end_is_the_only_child(self) -> None:
        """Below 0 one of two equal steps is left; below 1 the first that is finished, alone."""
        parents, texts = [0, 0, 0, 1, 1, 1], ["a", "b", "a", "c", "d", "e"]
        finished = [False, False, False, False, True, True]
        assert with_one_end(parents, texts, finished) == [0, 1, 4]


class TestKeep:
    def test_top_n_over_m(self) -> None:
        assert survivors([0.1, 0.9, 0.5, 0.9], left=8, width=4) == [1, 3]

    def test_ceil_of_what_is_left(self) -> None:
        assert len(survivors([0.0] * 9, left=9, width=4)) == 3
        assert widths(9, 3) == [3, 3, 3]
        assert widths(7, 2) == [4, 3]
        assert widths(5, 0) == []

    @given(st.integers(0, 300), st.integers(1, 64))
    def test_an_expansion_has_exactly_what_is_left(self, left: int, kept: int) -> None:
        allotted = widths(left, kept)
        assert sum(allotted) == left
        assert allotted == sorted(allotted, reverse=True)
        assert max(allotted) - min(allotted) <= 1

    @given(st.lists(unit, min_size=1, max_size=64), st.integers(1, 8))
    def test_no_beam_gets_more_than_the_width(self, scores: list[float], width: int) -> None:
        kept = survivors(scores, left=len(scores), width=width)
        assert max(widths(len(scores), len(kept))) <= width

    @given(st.lists(unit, min_size=1, max_size=64), st.integers(1, 64), st.integers(1, 8))
    def test_nothing_dropped_beats_what_is_kept(
        self, scores: list[float], left: int, width: int
    ) -> None:
        kept = survivors(scores, left, width)
        dropped = set(range(len(scores))) - set(kept)
        assert all(scores[d] <= min(scores[k] for k in kept) for d in dropped)


class TestAnswers:
    @pytest.mark.parametrize(
        ("text", "answer"),
        [
            (r"so \boxed{6}", "6"),
            (r"\boxed{1} no, \boxed{ 2 }", "2"),
            (r"\boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
            (r"\boxed{\boxed{3}}", r"\boxed{3}"),
            (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
            (r"\boxed{4 and then \boxed{5}", "5"),
            (r"\boxed{5} and \boxed{6", "5"),
            (r"\\boxed{7}", "7"),
            (r"} \boxed{8} {", "8"),
            ("no answer", ""),
            (r"\boxed{}", ""),
            (r"\boxed{", ""),
        ],
    )
    def test_last_boxed(self, text: str, answer: str) -> None:
        assert last_boxed(text) == answer

    @given(st.text(alphabet="\\boxed{} 1", max_size=80))
    def test_any_text_is_survived(self, text: str) -> None:
        assert last_boxed(text + r" \boxed{ok}") == "ok"

    def test_a_deep_nest_is_one_pass(self) -> None:
        depth = 100_000
        assert last_boxed(r"\boxed{" * depth + "}").strip() == ""
        assert last_boxed(r"\boxed{" + "{" * depth + "1" + "}" * depth + "}") == (
            "{" * depth + "1" + "}" * depth
        )


class TestSeeds:
    def test_stable(self) -> None:
        assert derive(0, "p", (1, 2)) == derive(0, "p", [1, 2]) == 663874984

    def test_every_part_matters(self) -> None:
        seeds = {derive(r, p, q) for r in (0, 1) for p in ("a", "b") for q in ((), (1,), (1, 2))}
        assert len(seeds) == 12

    @given(st.integers(), st.text(), st.lists(st.integers(0)))
    def test_31_bits(self, run: int, problem: str, path: list[int]) -> None:
        assert 0 <= derive(run, problem, path) < 2**31


class TestSteps:
    def test_split(self) -> None:
        assert split_steps("a\n\nb\nc\n\n\nd") == ("a", "b\nc", "d")

    def test_trailing_separator_makes_an_empty_last_step_defect(self) -> None:
        """Defect: a trailing separator became an empty step, and `last` ranked on it."""
        assert split_steps("\n\na\n\n\n\nb\n\n\n\n") == ("a", "b")
        assert split_steps("\n\n \n\n") == ()

    @given(st.text(alphabet="a \n", max_size=40))
    def test_no_step_is_empty_and_nothing_is_lost(self, text: str) -> None:
        steps = split_steps(text)
        assert all(step == step.strip() != "" for step in steps)
        assert "".join("".join(steps).split()) == "".join(text.split())
