"""Comparisons: their statistics by hand, their tables, and those of a sweep."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs_examples import row
from scipy.stats import binomtest

from sal.reports.comparison import Arm, Comparison
from sal.reports.comparison_tables import accuracy_table, frontier_table, gain_table, words
from sal.reports.grid import Section, as_json, page, sections
from sal.reports.statistics import frontier, holm, mcnemar, paired_difference
from sal.runs.recipe_file import load
from sal.runs.registry import STRATEGIES
from sal.runs.summary import Summary, summarise
from sal.runs.sweep.axes import read_axes
from sal.runs.sweep.cells import Cell, plan_cells

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

    def test_over_seeds_each_difference_may_have_either_sign(self) -> None:
        """Differences 1, 1/2, 1/2, all one way: of 8 sums of signs, two are as far from 0."""
        assert mcnemar([1.0, 0.5, 1.0, 0.5], [0.0, 0.0, 0.5, 0.5]) == pytest.approx(2 / 8)
        third = [1 / 3] * 6
        assert mcnemar(third, [0.0] * 6) == pytest.approx(2 / 64)
        assert mcnemar([1.0, 0.5], [0.5, 1.0]) == pytest.approx(1.0)

    @given(PAIRS)
    def test_it_is_the_binomial_test_of_what_differs(self, pairs: list[tuple[bool, bool]]) -> None:
        wins, losses = (
            sum(pair == way for pair in pairs) for way in [(True, False), (False, True)]
        )
        expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
        assert mcnemar(*zip(*pairs, strict=True)) == pytest.approx(expected)

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
        assert "by McNemar's exact test on the same 12" in said[0]
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


RIGHT = {"naive": True, "weighted": False, "majority": False, "pass": True}
WRONG = dict.fromkeys(RIGHT, False)
Done = tuple[list[Cell], list[Any], dict[Path, Summary]]


def done(*cells: tuple[str, str, int, str | None, int, Sequence[dict[str, bool]]]) -> Done:
    """Cells of (method, rule, N, PRM, seed, what is correct of each problem), searched."""
    runs: list[Any] = []
    planned: list[Any] = []
    summaries = {}
    for number, (method, rule, budget, prm, seed, correct) in enumerate(cells):
        strategy = method.partition(",")[0]
        rows = [replace(row(f"q{i}"), rule=rule, correct=of) for i, of in enumerate(correct)]
        recipe = SimpleNamespace(
            strategy=strategy, dataset="some", split="test", policy="p", prm=prm, seed=seed
        )
        planned.append(Cell(f"{number}", method, SimpleNamespace(recipe=recipe, budget=budget)))  # type: ignore[arg-type]
        runs.append(SimpleNamespace(path=Path(f"{number}"), rows=lambda rows=rows: iter(rows)))
        summaries[runs[-1].path] = summarise(
            rows,
            strategy=strategy,
            budget=budget,
            owed=0,
            seconds=1.0,
            versions={},
            recipe="",
            models={},
        )
    return planned, runs, summaries


def accuracies(section: Section) -> dict[tuple[str, int], float]:
    return {(arm.method, arm.budget): arm.accuracy.mean for arm in section.comparison.arms}


class TestSweep:
    def test_particles_are_judged_by_their_own_rule_beside_the_weighted_vote(self) -> None:
        """One problem, on which the particle of the highest score is right and the vote is not."""
        (found,) = sections(
            *done(
                ("majority", "majority", 4, None, 0, [RIGHT]),
                ("best-of-n", "weighted", 4, "j", 0, [RIGHT]),
                ("particle", "naive", 4, "j", 0, [RIGHT]),
            )
        )
        assert accuracies(found) == {
            ("majority", 4): 0.0,
            ("best-of-n", 4): 0.0,
            ("best-of-n, naive", 4): 1.0,
            ("particle", 4): 1.0,
            ("particle, weighted", 4): 0.0,
        }
        assert found.comparison.references == ("majority", "best-of-n")

    def test_seeds_are_pooled_problem_by_problem(self) -> None:
        """Right with both seeds, with one, with none; so far the error is over three problems."""
        (found,) = sections(
            *done(
                ("dvts", "naive", 4, "j", 0, [RIGHT, RIGHT, WRONG]),
                ("dvts", "naive", 4, "j", 1, [RIGHT, WRONG, WRONG]),
            )
        )
        (arm,) = found.comparison.arms
        assert arm.correct == {"q0": 1.0, "q1": 0.5, "q2": 0.0}
        assert arm.accuracy.stderr == pytest.approx(0.5 / math.sqrt(3))
        assert "by the exact sign-flip test of means on the same 3" in words(found.comparison)
        with pytest.raises(ValueError, match="same problems"):
            Arm.pooled([arm, replace(arm, correct={"q0": 1.0})])

    def test_what_asks_no_prm_stands_beside_each(self) -> None:
        cells, runs, summaries = done(
            ("greedy", "majority", 1, None, 0, [RIGHT]),
            ("majority", "majority", 4, None, 0, [RIGHT]),
            ("beam", "naive", 4, "j", 0, [RIGHT]),
            ("beam", "naive", 4, "k", 0, [WRONG]),
        )
        found = sections(cells, runs, summaries)
        assert [section.models for section in found] == ["p, judged by j", "p, judged by k"]
        for section, right in zip(found, (1.0, 0.0), strict=True):
            assert accuracies(section) == {
                ("greedy", 1): 0.0,
                ("majority", 4): 0.0,
                ("beam", 4): right,
            }
        text = page(cells, found, "2s of searching.")
        assert text.startswith("# Every strategy on the same 1 problems\n\nsome (test), p, judged")
        assert text.count("\n## p, judged by") == 2
        assert text.count("\n### Accuracy against N") == 2
        content = as_json(found)
        assert [(a["method"], a["prm"]) for a in content["arms"] if a["budget"] == 4] == [
            *(("majority", "j"), ("beam", "j")),
            *(("majority", "k"), ("beam", "k")),
        ]
        assert {c["prm"] for c in content["contrasts"]} == {"j", "k"}

    def test_a_variant_of_a_strategy_is_compared_with_the_first(self) -> None:
        (found,) = sections(
            *done(
                ("best-of-n, aggregate=last", "weighted", 4, "j", 0, [RIGHT]),
                ("best-of-n, aggregate=min", "weighted", 4, "j", 0, [RIGHT]),
            )
        )
        assert found.comparison.references == ("best-of-n, aggregate=last",)

    def test_what_is_not_finished_is_left_out(self) -> None:
        cells, runs, summaries = done(
            ("dvts", "naive", 4, "j", 0, [RIGHT]), ("dvts", "naive", 8, "j", 0, [RIGHT])
        )
        del summaries[runs[1].path]
        (found,) = sections(cells, runs, summaries)
        assert accuracies(found) == {("dvts", 4): 1.0}


class TestJustCompare:
    RECIPE = ROOT / "recipes" / "compare-tiny.yaml"

    def test_it_is_every_strategy_on_the_same_problems(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(STRATEGIES, "newest", STRATEGIES["beam"])
        loaded = load(self.RECIPE)
        cells = plan_cells(loaded.settings, read_axes(loaded.sweep or {}), gpu=False)
        searches = [name for name in STRATEGIES if name != "greedy"]
        assert [(cell.method, cell.prepared.budget) for cell in cells] == [
            ("greedy", 1),
            *((name, n) for n in (4, 16, 64) for name in searches),
        ]
        assert {len(cell.prepared.problems.questions) for cell in cells} == {200}

    def test_the_page_in_bench_is_of_them(self) -> None:
        content = json.loads((ROOT / "bench" / "compare.json").read_text())
        assert content["problems"] == 200
        assert {a["budget"] for a in content["arms"]} == {1, 4, 16, 64}
        recipe = self.RECIPE.relative_to(ROOT).as_posix()
        lines = (ROOT / "justfile").read_text().splitlines()
        assert any("sal sweep" in line and recipe in line for line in lines)
