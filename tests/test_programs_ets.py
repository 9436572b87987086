"""ETS: the leaves that its integer program keeps, and the tree that comes of it."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path as File
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs_scripted import Say, ScriptedPolicy, ScriptedPrm, end, random_tree, search

from sal.programs.ets import EtsParams, ets
from sal.programs.rebase import RebaseParams, rebase
from sal.strategies.ets import clusters_of, lambda_s_at, retain
from sal.strategies.step_vectors import step_vectors

GOLDEN = File(__file__).parent / "golden" / "equal_steps.jsonl"
GOLDEN_EQUAL = 124

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
    def test_the_same_leaves_the_same_choice(
        self, tree: tuple[list[int], list[Path], list[int]]
    ) -> None:
        assert retain(*tree, 1.0, 1.5) == retain(*tree, 1.0, 1.5)


class TestClusters:
    def test_average_linkage_worked_by_hand(self) -> None:
        """Two equal rows, one at right angles to them, and one between: cosine 0.8, and 0.6.

        The third joins the pair at 0.2; the fourth is then (1 + 1 + 0.4) / 3 = 0.8 away.
        """
        rows = [[1.0, 0.0], [1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]
        assert clusters_of(rows, 0.1) == [0, 0, 1, 2]
        assert clusters_of(rows, 0.21) == [0, 0, 0, 1]
        assert clusters_of(rows, 0.79) == [0, 0, 0, 1]
        assert clusters_of(rows, 0.81) == [0, 0, 0, 0]

    def test_numbers_are_given_in_order_of_appearance(self) -> None:
        assert clusters_of([[0, 1], [1, 0], [0, 2]], 0.05) == [0, 1, 0]

    def test_none_and_one(self) -> None:
        assert clusters_of([], 0.05) == []
        assert clusters_of([[1.0, 2.0]], 0.05) == [0]

    def test_a_row_without_a_direction(self) -> None:
        with pytest.raises(ValueError, match="zeros"):
            clusters_of([[1, 0], [0, 0]], 0.05)

    @pytest.mark.parametrize(
        ("width", "lambda_s"),
        [(1, 1.5), (16, 1.5), (31, 1.5), (33, 1.4), (64, 1.4), (129, 1.45), (256, 1.45)],
    )
    def test_lambda_s_is_the_authors_of_the_nearest_width(
        self, width: int, lambda_s: float
    ) -> None:
        assert lambda_s_at(width) == lambda_s


class TestStepVectors:
    def kinds(self, *texts: str) -> list[int]:
        return clusters_of(step_vectors(texts), EtsParams().cluster_distance)

    def test_cosine_worked_by_hand(self) -> None:
        """Numbers {3: 2, 4: 1} and {3: 1}: 2/sqrt 5; words {a, 3, 4} and {a, 3}: 2/sqrt 6."""
        one, other = step_vectors(["a 3 3 4", "a 3"])
        assert one @ other == pytest.approx(0.8 * 2 / 5**0.5 + 0.2 * 2 / 6**0.5)
        assert one @ one == pytest.approx(1)

    def test_other_words_to_the_same_numbers_are_of_a_kind(self) -> None:
        assert self.kinds("First, we add 2 and 3 to get 5.", "Adding 2 to 3 gives 5.") == [0, 0]

    def test_another_number_is_another_kind(self) -> None:
        assert self.kinds("q=12+4=16", "q=12+4=17", "q=12+4=16") == [0, 1, 0]
        assert self.kinds("So the answer is 8.", "So the answer is 9.") == [0, 1]

    def test_without_numbers_the_words_decide(self) -> None:
        substitute = "Substituting the known values, we get:"
        assert self.kinds(substitute, "Substituting the given values, we get:") == [0, 0]
        assert self.kinds(substitute, "There are 3 cases.") == [0, 1]

    @given(st.lists(st.text("ab +1", min_size=1).filter(str.strip), max_size=8), st.floats(0, 2))
    def test_equal_texts_are_of_a_kind(self, texts: list[str], distance: float) -> None:
        found = clusters_of(step_vectors(texts), distance)
        assert len(found) == len(texts)
        assert len(set(zip(texts, found, strict=True))) == len(set(texts))
        assert list(dict.fromkeys(found)) == list(range(len(set(found))))


class TestGoldenSteps:
    """50 sets of four steps that a model sampled at one place of one problem (Qwen2.5-Math's
    recorded samples). Steps of a `kind` say the same: one solution could go on from either. They
    were told apart by a reader. Weights and distance were chosen on every other set from the
    first; the rest was held out.
    """

    SETS: ClassVar[list[dict[str, Any]]] = [
        json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()
    ]

    def precision_recall(self, sets: list[dict[str, Any]]) -> tuple[float, float]:
        """Over pairs of steps of one set: of those in a cluster, the equal; and the reverse."""
        found = equal = both = 0
        for one in sets:
            clusters = clusters_of(step_vectors(one["steps"]), EtsParams().cluster_distance)
            for a, b in combinations(range(len(clusters)), 2):
                together, same = clusters[a] == clusters[b], one["kind"][a] == one["kind"][b]
                found, equal, both = found + together, equal + same, both + (together and same)
        return both / found, both / equal

    def test_there_are_enough_of_both(self) -> None:
        pairs = [k[a] == k[b] for s in self.SETS for k in [s["kind"]]
                 for a, b in combinations(range(4), 2)]  # fmt: skip
        assert (len(self.SETS), len(pairs), sum(pairs)) == (50, 300, GOLDEN_EQUAL)

    def test_equal_steps_cluster_and_others_do_not(self) -> None:
        chosen, held_out = self.SETS[0::2], self.SETS[1::2]
        assert self.precision_recall(chosen) == pytest.approx((0.91, 0.91), abs=0.005)
        assert self.precision_recall(held_out) == pytest.approx((0.89, 0.94), abs=0.005)


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


def one_kind(texts: Any) -> list[list[float]]:
    """An embedder that sees no difference."""
    return [[1.0, 2.0] for _ in texts]


def too_few(texts: Any) -> list[list[float]]:
    return [[1.0]] * (len(texts) - 1)


class TestEmbedder:
    def test_an_embedder_of_ones_own_tells_the_kinds(self) -> None:
        """Four equal shares. Of four kinds all are worth keeping; of one, not: a kind more is
        worth nothing, and the cost of the nodes decides between equals."""
        policy = ScriptedPolicy(
            {(i,): Say(str(i)) for i in range(4)}
            | {(i, k): end("\\boxed{1}") for i in range(4) for k in range(4)}
        )
        for embedder, kept in ((None, 4), (f"{__name__}:one_kind", 1)):
            params = EtsParams(budget=4, lambda_c=1.4, embedder=embedder)
            result = search(ets, policy, ScriptedPrm(), params)
            assert len({c.node[0] for c in result.completions}) == kept

    def test_an_embedder_that_miscounts_is_told(self) -> None:
        policy = ScriptedPolicy(lambda path: Say("a") if len(path) < 2 else end("\\boxed{1}"))
        with pytest.raises(ValueError, match="3 vectors for 4 steps"):
            search(ets, policy, ScriptedPrm(), EtsParams(budget=4, embedder=f"{__name__}:too_few"))

    @pytest.mark.parametrize("name", ["nothing", "no_such_module:f", f"{__name__}:nothing", ":f",
                                      f"{__name__}:GOLDEN"])  # fmt: skip
    def test_one_that_is_not_there_is_refused_at_once(self, name: str) -> None:
        with pytest.raises(ValueError, match="embedder"):
            EtsParams(embedder=name)
