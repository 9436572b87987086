"""The shares of a budget, and the choice within and across chains, against Snell et al. (2024)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.revisions import chain_lengths
from sal.strategies.voting import elect, hierarchical, majority, weighted

votes = st.lists(
    st.tuples(st.sampled_from(["", "1", "2", "3"]), st.floats(0, 1), st.integers(0, 3)), max_size=9
)


class TestChainLengths:
    @pytest.mark.parametrize(
        ("budget", "ratio", "lengths"),
        [
            (16, 1.0, (4, 4, 4, 4)),
            (16, 4.0, (8, 8)),
            (16, 0.25, (2,) * 8),
            (64, 16.0, (32, 32)),
            (128, 2.0, (16,) * 8),
            (16, 16.0, (16,)),  # all one after the other
            (16, 1 / 16, (1,) * 16),  # all in parallel
            (16, 1e9, (16,)),
            (16, 1e-9, (1,) * 16),
            (8, 1.0, (3, 3, 2)),  # sqrt 8 = 2.8
            (7, 2.0, (4, 3)),  # sqrt 3.5 = 1.9
            (1, 3.0, (1,)),
        ],
    )
    def test_by_hand(self, budget: int, ratio: float, lengths: tuple[int, ...]) -> None:
        assert chain_lengths(budget, ratio) == lengths

    @given(st.integers(1, 300), st.floats(1e-6, 1e6))
    def test_the_whole_budget_and_no_more(self, budget: int, ratio: float) -> None:
        lengths = chain_lengths(budget, ratio)
        assert sum(lengths) == budget
        assert 1 <= lengths[-1] <= lengths[0] <= lengths[-1] + 1
        assert list(lengths) == sorted(lengths, reverse=True)

    @given(st.integers(1, 300), st.floats(1e-3, 1e3))
    def test_the_ratio_is_met_as_nearly_as_whole_chains_can(
        self, budget: int, ratio: float
    ) -> None:
        wanted = math.sqrt(budget / ratio)
        chains = len(chain_lengths(budget, ratio))
        assert abs(chains - wanted) <= 0.5 or chains in (1, budget)


class TestHierarchical:
    # Chain 0: 7 has 0.5 + 0.4 = 0.9, 6 has 0.8, so it puts up 7 with 0.5. Chain 1 puts up 6 with
    # 0.3, chain 2 6 with 0.3. Across: 6 has 0.3 + 0.3 = 0.6 > 0.5.
    keys = ("7", "7", "6", "6", "5", "6")
    scores = (0.5, 0.4, 0.8, 0.3, 0.2, 0.3)
    chains = (0, 0, 0, 1, 1, 2)

    def test_by_hand(self) -> None:
        assert hierarchical(self.keys, self.scores, self.chains) == 3
        # Of two chains 7 wins, with 0.5 to 0.3, though 6 has the most weight in all: 1.1 to 0.9.
        assert hierarchical(self.keys[:5], self.scores[:5], self.chains[:5]) == 0
        assert weighted(self.keys[:5], self.scores[:5]) == 2

    def test_a_long_chain_weighs_no_more_than_a_short_one(self) -> None:
        keys, scores = ["1"] * 5 + ["2"], [0.5] * 5 + [0.6]
        assert hierarchical(keys, scores, [0] * 5 + [1]) == 5
        assert weighted(keys, scores) == 0

    def test_the_other_rules_know_no_chains(self) -> None:
        own = {"weighted": lambda keys, scores: hierarchical(keys, scores, self.chains)}
        chosen = elect(self.keys, self.scores, own)
        assert chosen == {"naive": 2, "weighted": 3, "majority": 2}

    def test_a_chain_without_an_answer_puts_up_none(self) -> None:
        assert hierarchical(["", "1"], [0.9, 0.1], [0, 1]) == 1
        assert hierarchical(["", ""], [0.9, 0.1], [0, 1]) is None
        assert hierarchical([], [], []) is None
        own = {"weighted": lambda keys, scores: hierarchical(keys, scores, [0, 0])}
        assert elect(["2", "1"], [None, 0.1], own)["weighted"] == 1

    @given(votes)
    def test_one_chain_or_all_alone_is_the_weighted_vote(
        self, votes: list[tuple[str, float, int]]
    ) -> None:
        keys, scores = [k for k, _, _ in votes], [s for _, s, _ in votes]
        expected = weighted(keys, scores)
        assert hierarchical(keys, scores, [0] * len(keys)) == expected
        assert hierarchical(keys, scores, range(len(keys))) == expected
        assert hierarchical(keys, scores, [None] * len(keys)) == expected

    @given(votes, st.floats(0, 1))
    def test_equal_scores_make_it_the_majority_of_majorities(
        self, votes: list[tuple[str, float, int]], score: float
    ) -> None:
        by_chain = [[k for k, _, c in votes if c == chain] for chain in range(4)]
        first = [(chain, majority(keys)) for chain, keys in enumerate(by_chain)]
        places = [[i for i, vote in enumerate(votes) if vote[2] == chain] for chain in range(4)]
        put_up = [votes[i][0] for i in sorted(places[c][i] for c, i in first if i is not None)]
        winner = majority(put_up)
        keys, chains = [k for k, _, _ in votes], [c for _, _, c in votes]
        found = hierarchical(keys, [score] * len(keys), chains)
        assert (None if found is None else keys[found]) == (
            None if winner is None else put_up[winner]
        )
        plain = majority(keys)
        assert hierarchical(keys, [score] * len(keys), [0] * len(keys)) == plain

    @given(votes, st.randoms())
    def test_where_nothing_ties_the_order_changes_no_winner(
        self, votes: list[tuple[str, float, int]], random: object
    ) -> None:
        def winner(votes: list[tuple[str, float, int]]) -> str | None:
            keys, scores, chains = ([vote[i] for vote in votes] for i in range(3))
            found = hierarchical(keys, scores, chains)  # type: ignore[arg-type]
            return None if found is None else votes[found][0]

        # Sums of different powers of two are never equal.
        votes = [(key, 2.0**-i, chain) for i, (key, _, chain) in enumerate(votes)]
        shuffled = list(votes)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert winner(votes) == winner(shuffled)
