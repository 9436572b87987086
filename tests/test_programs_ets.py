"""ETS: the leaves that its integer program keeps, and the tree that comes of it."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs_scripted import Say, ScriptedPolicy, ScriptedPrm, end, random_tree, search

from sal.programs.ets import EtsParams, ets
from sal.programs.rebase import RebaseParams, rebase
from sal.strategies.ets import clusters_of, retain

Path = tuple[int, ...]

THREE: list[Path] = [(0, 0), (0, 1), (1, 0)]
"""Two leaves under one node, one under another: |V| = 3 + 2 + 1 = 6."""


def objective(
    kept: tuple[int, ...],
    shares: list[int],
    paths: list[Path],
    clusters: list[int],
    lambda_c: float,
    lambda_s: float,
) -> float:
    """The sum that ETS maximises, as the paper writes it."""

    def nodes(leaves: Any) -> set[Path]:
        return {paths[i][:n] for i in leaves for n in range(len(paths[i]) + 1)}

    return (
        sum(shares[i] for i in kept) / sum(shares)
        - lambda_c * len(nodes(kept)) / len(nodes(range(len(paths))))
        + lambda_s * len({clusters[i] for i in kept}) / len(set(clusters))
    )


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[int], list[Path], list[int]]:
    paths = draw(
        st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=2, max_size=7, unique=True).map(
            sorted
        )
    )

    def one_each(most: int) -> st.SearchStrategy[list[int]]:
        return st.lists(st.integers(0, most), min_size=len(paths), max_size=len(paths))

    return draw(one_each(6).filter(any)), paths, draw(one_each(3))


class TestRetain:
    def test_shared_nodes_worked_by_hand(self) -> None:
        """lambda_c = 1, lambda_s = 0, shares 2:1:1, so that every node costs 1/6.

        {00}: .5 - 3/6 = 0; {00, 01}: .75 - 4/6 = .083; {00, 10}: .75 - 5/6 = -.083; all: 1 - 1.
        """
        assert retain([2, 1, 1], THREE, [0, 1, 2], 1.0, 0.0) == [0, 1]

    def test_coverage_worked_by_hand(self) -> None:
        """Shares 3:0:1; the first two leaves are of a kind, so that a kind is worth 1.5/2.

        {00}: .75 - 3/6 + .75 = 1; {00, 10}: 1 - 5/6 + 1.5 = 1.667; all: 1 - 1 + 1.5 = 1.5.
        Without that term {00} is best: .25 against .167.
        """
        assert retain([3, 0, 1], THREE, [0, 0, 1], 1.0, 1.5) == [0, 2]
        assert retain([3, 0, 1], THREE, [0, 0, 1], 1.0, 0.0) == [0]

    def test_nodes_that_cost_nothing_are_all_kept(self) -> None:
        assert retain([3, 0, 1], THREE, [0, 0, 1], 0.0, 0.0) == [0, 1, 2]

    def test_something_is_kept_however_much_it_costs(self) -> None:
        assert retain([2, 1, 1], THREE, [0, 0, 0], 99.0, 0.0) == [0]

    @given(trees(), st.sampled_from([0.1, 1.0, 3.0]), st.sampled_from([0.0, 0.5, 1.5]))
    @settings(deadline=None)
    def test_no_other_set_is_better(
        self, tree: tuple[list[int], list[Path], list[int]], lambda_c: float, lambda_s: float
    ) -> None:
        kept = tuple(retain(*tree, lambda_c, lambda_s))
        best = max(
            objective(some, *tree, lambda_c, lambda_s)
            for size in range(1, len(tree[0]) + 1)
            for some in combinations(range(len(tree[0])), size)
        )
        assert objective(kept, *tree, lambda_c, lambda_s) == pytest.approx(best, abs=1e-6)

    @given(trees())
    @settings(deadline=None)
    def test_the_same_leaves_the_same_choice(
        self, tree: tuple[list[int], list[Path], list[int]]
    ) -> None:
        assert retain(*tree, 1.0, 1.5) == retain(*tree, 1.0, 1.5)


class TestClusters:
    def test_cosine_worked_by_hand(self) -> None:
        """`a b` and `a c` share one of three grams each: 1 - 1/3."""
        assert clusters_of(["a b", "a c"], 0.66) == [0, 1]
        assert clusters_of(["a b", "a c"], 0.67) == [0, 0]

    def test_average_linkage_worked_by_hand(self) -> None:
        """To the pair of equal texts the third is 2/3 away on average, the fourth 1."""
        texts = ["a b", "a c", "a b", "x"]
        assert clusters_of(texts, 0.05) == [0, 1, 0, 2]
        assert clusters_of(texts, 0.7) == [0, 0, 0, 1]

    def test_a_sum_that_differs_is_another_kind(self) -> None:
        assert clusters_of(["q=12+4=16", "q=12+4=17", "q=12+4=16"], 0.05) == [0, 1, 0]

    def test_white_space_makes_no_kind(self) -> None:
        assert clusters_of(["a  b", "a b", "a\nb"], 0.05) == [0, 0, 0]

    def test_none_and_one(self) -> None:
        assert clusters_of([], 0.05) == []
        assert clusters_of(["a"], 0.05) == [0]

    @given(st.lists(st.text("ab +1", min_size=1).filter(str.strip), max_size=8), st.floats(0, 2))
    def test_equal_texts_are_of_a_kind(self, texts: list[str], distance: float) -> None:
        found = clusters_of(texts, distance)
        assert len(found) == len(texts)
        assert len(set(zip(texts, found, strict=True))) == len(set(texts))
        assert list(dict.fromkeys(found)) == list(range(len(set(found))))


def test_whole_tree() -> None:
    """Golden, with lambda_s = 0: 4 steps, whose REBASE shares by hand are 2, 2, 0, 0.

    e^4 : e^4 : e^2.5 : e^0.5 = 54.6 : 54.6 : 12.2 : 1.6, so 4 x .44 = 1.8, then 2 x .80 = 1.6.
    A node costs 1/5: {0}: .5 - 2/5; {0, 1}: 1 - 3/5 is best; the others are dropped.
    """
    tree: dict[Any, Any] = {(0,): Say("a"), (1,): Say("b"), (2,): Say("c"), (3,): Say("d")}
    tree |= {(i, k): end(f"\\boxed{{{i}}}") for i in (0, 1) for k in (0, 1)}
    prm = ScriptedPrm({"a": 0.8, "b": 0.8, "c": 0.5, "d": 0.1, "\\boxed{1}": 0.9})
    result = search(ets, ScriptedPolicy(tree), prm, EtsParams(budget=4, lambda_s=0.0))
    assert sorted((n.id, n.text, n.finish, n.scores) for n in result.trace.nodes) == [
        ((0,), "a", "separator", (0.8,)),
        ((0, 0), "\\boxed{0}", "eot", (0.5,)),
        ((0, 1), "\\boxed{0}", "eot", (0.5,)),
        ((1,), "b", "separator", (0.8,)),
        ((1, 0), "\\boxed{1}", "eot", (0.9,)),
        ((1, 1), "\\boxed{1}", "eot", (0.9,)),
        ((2,), "c", "separator", (0.5,)),
        ((3,), "d", "separator", (0.1,)),
    ]
    assert result.chosen == {"naive": 2, "weighted": 2, "majority": 0}


def test_the_budget_of_what_is_pruned_goes_to_what_is_kept() -> None:
    """A dear tree: one leaf is kept, and it gets all 4 children where REBASE would share them."""
    policy = ScriptedPolicy(lambda path: Say("a") if len(path) < 2 else end("\\boxed{1}"))
    result = search(ets, policy, ScriptedPrm(), EtsParams(budget=4, lambda_c=99.0))
    assert len({c.node[0] for c in result.completions}) == 1
    assert len(result.completions) == 4


@given(seed=st.integers(0, 10**6), budget=st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_without_a_cost_of_nodes_it_is_rebase(seed: int, budget: int) -> None:
    script, score = random_tree(seed)
    pruned, plain = (
        search(program, ScriptedPolicy(script), ScriptedPrm(score), params)
        for program, params in (
            (ets, EtsParams(budget=budget, max_steps=4, lambda_c=0.0)),
            (rebase, RebaseParams(budget=budget, max_steps=4)),
        )
    )
    assert pruned.completions == plain.completions
    assert pruned.trace.policy == plain.trace.policy
