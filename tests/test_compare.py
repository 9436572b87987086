"""Comparisons: their statistics by hand, their tables, and those of a sweep."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from bench.compare import command
from bench.compare.comparing import comparison_of
from bench.compare.shared import ColdCache, Replies, SharedEngine
from conftest import known
from hypothesis import given
from hypothesis import strategies as st
from runs_examples import row
from runs_terminal import records

from bench import ours
from sal.cli.interrupt import EXIT_CODE, Interrupt
from sal.reports.comparison import Arm, Comparison
from sal.reports.comparison_tables import accuracy_table, frontier_table, gain_table, words
from sal.reports.statistics import frontier, holm, mcnemar, paired_difference
from sal.runs import registry
from sal.runs.errors import RunError
from sal.runs.planned_run import PlannedRun
from sal.runs.results import Summary, summarise
from sal.runtime.access import Access
from sal.runtime.client import Engine
from sal.runtime.plan import Role
from sal.runtime.usage import Usage

ROOT = Path(__file__).parents[1]
PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40)


class TestStatistics:
    def test_a_paired_difference(self) -> None:
        """Differences 0, 1, 0, 1: variance 1/3, over four problems."""
        found = paired_difference([True, True, False, True], [True, False, False, False])
        assert found.mean == 0.5
        assert found.stderr == pytest.approx(math.sqrt(1 / 12))

    def test_mcnemar_is_the_coin_toss_of_what_differs(self) -> None:
        """8 wins, 1 loss: 2 (C(9,0) + C(9,1)) / 2^9; problems that both solve say nothing."""
        ours = [True] * 8 + [False] + [True] * 5
        theirs = [False] * 8 + [True] + [True] * 5
        assert mcnemar(ours, theirs) == pytest.approx(20 / 512)
        assert mcnemar([True] * 5, [False] * 5) == pytest.approx(2 / 32)
        assert mcnemar([True, False], [True, False]) == 1.0

    def test_holm(self) -> None:
        """0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1 is no less than the one before."""
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
        assert holm([0.6, 0.7]) == [1.0, 1.0]
        assert holm([]) == []

    def test_a_frontier(self) -> None:
        assert frontier([1, 2, 3, 2, 2], [0.5, 0.7, 0.6, 0.7, 0.6]) == [
            True,
            True,
            False,
            True,
            False,
        ]

    @pytest.mark.parametrize("compared", [paired_difference, mcnemar])
    def test_what_is_not_paired_is_refused(self, compared: Any) -> None:
        with pytest.raises(ValueError, match="shorter"):
            compared([True, False], [True])

    @given(PAIRS)
    def test_two_methods_against_each_other(self, pairs: list[tuple[bool, bool]]) -> None:
        ours, theirs = zip(*pairs, strict=True)
        there, back = paired_difference(ours, theirs), paired_difference(theirs, ours)
        assert there.mean == -back.mean
        assert there.stderr == back.stderr
        assert mcnemar(ours, theirs) == mcnemar(theirs, ours)
        assert 0 < mcnemar(ours, theirs) <= 1

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.randoms())
    def test_holm_adjusts_upwards_whatever_the_order(self, ps: list[float], random: Any) -> None:
        adjusted = holm(ps)
        assert all(p <= a <= min(1.0, len(ps) * p) for p, a in zip(ps, adjusted, strict=True))
        assert min(adjusted) == min(1.0, len(ps) * min(ps))
        ranked = [a for _, a in sorted(zip(ps, adjusted, strict=True))]
        assert ranked == sorted(ranked)
        order = list(range(len(ps)))
        random.shuffle(order)
        assert holm([ps[i] for i in order]) == [adjusted[i] for i in order]

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
    def test_a_point_off_the_frontier_is_beaten_by_one_on_it(
        self, points: list[tuple[int, int]]
    ) -> None:
        marks = frontier(*zip(*points, strict=True))
        best = [point for point, on in zip(points, marks, strict=True) if on]
        assert {(c, -v) for c, v in best} >= {min((c, -v) for c, v in points)}
        for point, on in zip(points, marks, strict=True):
            beaten = any(c <= point[0] and v >= point[1] and (c, v) != point for c, v in best)
            assert beaten is not on


def arm(method: str, budget: int, right: Sequence[bool], flops: float | None = 1e9) -> Arm:
    correct = {f"q{i}": value for i, value in enumerate(right)}
    return Arm(method, budget, correct, 50.0 * budget, 30.0, 20.0, flops, 0.0, 0)


class TestComparison:
    """12 problems: majority solves 2 of them, beam all, rebase the same 2."""

    two = [True] * 2 + [False] * 10
    arms = (
        arm("greedy", 1, two, 1e8),
        arm("majority", 4, two, 4e8),
        arm("beam", 4, [True] * 12, 6e8),
        arm("rebase", 4, two, 7e8),
        arm("best-of-n", 4, two, 5e8),
    )
    comparison = Comparison(arms, ["majority", "best-of-n"])

    def test_only_equal_budgets_are_compared_and_each_pair_once(self) -> None:
        made = [(c.method, c.reference) for c in self.comparison.contrasts]
        assert made == [
            ("beam", "majority"),
            ("rebase", "majority"),
            ("best-of-n", "majority"),
            ("beam", "best-of-n"),
            ("rebase", "best-of-n"),
        ]

    def test_a_difference_is_adjusted_for_all_comparisons(self) -> None:
        """10 wins and no loss: 2 / 2^10, the two least of five p-values."""
        found = self.comparison.contrast("beam", "majority", 4)
        assert found is not None
        assert found.p == pytest.approx(5 * 2 / 2**10)
        assert found.verdict == "better"
        assert found.difference.mean == pytest.approx(10 / 12)
        worse = Comparison([self.arms[2], arm("dvts", 4, self.two)], ["beam"]).contrasts
        assert [c.verdict for c in worse] == ["worse"]

    def test_problems_are_matched_by_their_ids(self) -> None:
        turned = dict(reversed(list(self.arms[1].correct.items())))
        other = Arm("turned", 4, turned, 1, 1, 1, 1, 0, 0)
        (found,) = Comparison([self.arms[1], other], ["majority"]).contrasts
        assert (found.difference.mean, found.p) == (0.0, 1.0)

    def test_arms_on_other_problems_are_refused(self) -> None:
        with pytest.raises(ValueError, match="same problems"):
            Comparison([self.arms[0], arm("beam", 4, [True])], ["beam"])

    def test_the_tables(self) -> None:
        lines = accuracy_table(self.comparison).splitlines()
        assert lines[0] == "| accuracy, % | N = 1       | N = 4       |"
        assert lines[2] == "| greedy      | 16.7 ± 11.2 |             |"
        assert lines[4] == "| beam        |             | 100.0 ± 0.0 |"
        gains = gain_table(self.comparison, "majority").splitlines()
        assert gains[2].split("|")[1:3] == [" beam                     ", " +83.3 ± 11.2 ▲ "]
        assert gains[3].split("|")[1:3] == [" rebase                   ", " +0.0 ± 0.0     "]

    def test_the_words(self) -> None:
        said = words(self.comparison).splitlines()
        assert "for all 5 comparisons" in said[0]
        assert said[2] == (
            "- **beam**: against majority better at N = 4; against best-of-n better at N = 4."
        )
        assert said[3].startswith("- **rebase**: against majority no significant difference at")

    def test_the_words_list_all_budgets(self) -> None:
        arms = [arm(name, n, self.two) for name in ("majority", "beam") for n in (4, 16, 64)]
        said = words(Comparison(arms, ["majority"]))
        assert "no significant difference at N = 4, 16 and 64." in said

    def test_the_frontier_is_marked_by_cost(self) -> None:
        rows = [
            [cell.strip() for cell in line.split("|")[1:-1]]
            for line in frontier_table(self.comparison).splitlines()[2:]
        ]
        assert [row[0] for row in rows] == ["greedy", "majority", "best-of-n", "beam", "rebase"]
        assert [row[-1] for row in rows] == ["tokens and FLOPs", "", "", "tokens and FLOPs", ""]

    def test_an_unknown_cost_has_no_frontier(self) -> None:
        found = Comparison([*self.arms[:2], arm("beam", 4, [True] * 12, None)], []).as_json()
        assert [a["frontier"]["flops"] for a in found["arms"]] == [False] * 3
        assert [a["frontier"]["tokens"] for a in found["arms"]] == [True, False, True]
