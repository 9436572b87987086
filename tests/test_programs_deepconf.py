"""Confidence-filtered voting on a scripted policy."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs_scripted import Say, ScriptedPolicy, ScriptedPrm, Tree, end, search

from sal.programs.caps import Caps
from sal.programs.deepconf import DeepConfParams, deepconf
from sal.runtime.endpoint_errors import Unreachable
from sal.runtime.policy import IncompleteReply
from sal.strategies.confidence import Kind


def boxed(answer: int, confidence: float, **more: Any) -> Say:
    return end(f"\\boxed{{{answer}}}", confidence=confidence, **more)


# Warm-up traces of confidence 4, 3, 2, 1 and keep 2/3: the bar is their 33rd percentile, 2.
WARM: Tree = {(i,): boxed(1 + i % 2, 4.0 - i) for i in range(4)}
PARAMS = DeepConfParams(budget=6, warmup=4, batch=2, keep=2 / 3, window=3)


class TestDeepConf:
    @pytest.mark.parametrize("keeps_stop", [True, False], ids=["pooled", "stock"])
    def test_a_trace_under_the_bar_is_given_up_while_it_runs(self, keeps_stop: bool) -> None:
        tree: dict[Any, Any] = WARM | {
            (4,): [Say("sure", confidence=5.0), Say("lost", confidence=1.0), boxed(1, 9.0)],
            (5,): [Say("sure", confidence=3.0), boxed(2, 2.5)],
        }
        policy = ScriptedPolicy(tree, keeps_stop=keeps_stop)
        result = search(deepconf, policy, None, PARAMS)
        given_up, ended = result.completions[4:]
        assert (given_up.steps, given_up.finish, given_up.votes) == (
            ("sure", "lost"),
            "length",
            False,
        )
        assert ended.finish == "eot"
        assert ended.weight == pytest.approx(2.5)
        assert policy.stops == [["\n\n"]] * 8  # the third request of the first one was never made
        assert result.unspent == 0

    def test_the_vote_is_filtered_and_weighed(self) -> None:
        tree: dict[Any, Any] = WARM | {(4,): boxed(2, 2.5), (5,): boxed(2, 0.5)}
        result = search(deepconf, ScriptedPolicy(tree), None, PARAMS)
        assert [c.weight for c in result.completions] == [
            pytest.approx(4),
            pytest.approx(3),
            pytest.approx(2),
            None,
            pytest.approx(2.5),
            None,
        ]
        # 1 has 4 + 2, 2 has 3 + 2.5; by number two against two, and the smaller key wins
        assert result.chosen == {"naive": 0, "weighted": 0, "majority": 0}
        assert result.trace.prm.requests == 0

    def test_consensus_ends_it(self) -> None:
        """After the warm-up 4 of 4 + 0.2 = 0.952 of the weight is for one answer."""
        tree: dict[Any, Any] = {(0,): boxed(1, 4.0), (1,): boxed(2, 0.2), (2,): boxed(2, 4.0)}
        params = DeepConfParams(budget=4, warmup=2, batch=1, keep=1.0)
        result = search(deepconf, ScriptedPolicy(tree), None, params)
        assert (len(result.completions), result.unspent) == (2, 2)

    def test_no_more_than_the_warm_up(self) -> None:
        result = search(deepconf, ScriptedPolicy(WARM), None, DeepConfParams(budget=4, window=3))
        assert [c.votes for c in result.completions] == [True, True, True, False]

    def test_a_warm_up_that_fails_sets_no_bar(self) -> None:
        tree: dict[Any, Any] = {(0,): Say("", error=Unreachable("gone")), (1,): boxed(1, 0.1)}
        params = DeepConfParams(budget=2, warmup=1, batch=1)
        result = search(deepconf, ScriptedPolicy(tree), None, params)
        assert [c.key for c in result.completions] == ["1"]
        assert (result.chosen["weighted"], len(result.errors)) == (0, 1)

    def test_scores_are_recorded_and_decide_nothing(self) -> None:
        tree: dict[Any, Any] = WARM | {(4,): boxed(2, 2.5), (5,): boxed(2, 0.5)}
        prm = ScriptedPrm({"\\boxed{2}": 1.0, "\\boxed{1}": 0.0})
        result = search(deepconf, ScriptedPolicy(tree), prm, PARAMS)
        assert result.chosen["weighted"] == 0
        assert [c.scores for c in result.completions[:2]] == [(0.0,), (1.0,)]

    def test_an_endpoint_without_logprobs_is_an_error(self) -> None:
        class Mute(ScriptedPolicy):
            def generate(self, s: Any, sampling_params: Any) -> Any:
                text, meta = super().generate(s, sampling_params)
                meta.pop("output_top_logprobs", None)
                return text, meta

        with pytest.raises(IncompleteReply, match="Mute: its reply has no output_top_logprobs"):
            search(deepconf, Mute(lambda _: boxed(1, 1.0)), None, PARAMS)

    def test_caps_end_it_and_what_was_found_votes(self) -> None:
        tree: dict[Any, Any] = {(i,): [Say("a"), boxed(1, 2.0)] for i in range(6)}
        result = search(deepconf, ScriptedPolicy(tree), None, PARAMS, caps=Caps(tokens=40))
        assert result.unspent == 2
        assert len(result.completions) == 4

    @pytest.mark.parametrize(
        ("kind", "answer"),
        [
            ("mean", "1"),  # 3 against 2.5
            ("tail", "2"),  # the last step: 1 against 4
            ("lowest", "1"),  # 1 both: of equals the smaller key
        ],
    )
    def test_offline_the_surest_vote(self, kind: Kind, answer: str) -> None:
        """Two steps of 9 and 10 tokens; what has no answer is no part of the share."""
        tree: dict[Any, Any] = {
            (0,): [Say("12345678", confidence=5.0), boxed(1, 1.0)],
            (1,): end("no answer", confidence=9.0),
            (2,): [Say("12345678", confidence=1.0), boxed(2, 4.0)],
        }
        params = DeepConfParams(budget=3, mode="offline", confidence=kind, keep=0.5, window=9)
        # Under a cap a solution is written step by step, so the script can have two confidences.
        result = search(deepconf, ScriptedPolicy(tree), None, params, caps=Caps(tokens=1000))
        index = result.chosen["weighted"]
        assert index is not None
        assert result.completions[index].key == answer

    @pytest.mark.parametrize(
        "wrong",
        [
            {"keep": 0},
            {"keep": 1.5},
            {"window": 0},
            {"warmup": 0},
            {"consensus": 2},
            {"mode": "later"},
            {"confidence": "tail"},
        ],
    )
    def test_wrong_parameters_are_named(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            DeepConfParams(**wrong)

    @given(
        seed=st.integers(0, 999),
        budget=st.integers(1, 10),
        warmup=st.integers(1, 5),
        keep=st.floats(0.1, 1),
    )
    @settings(max_examples=30, deadline=None)
    def test_the_budget_holds_and_only_the_sure_vote(
        self, seed: int, budget: int, warmup: int, keep: float
    ) -> None:
        def script(path: tuple[int, ...]) -> list[Say]:
            chance = random.Random(repr((seed, path)))
            steps = [Say("a", confidence=chance.uniform(1, 9)) for _ in range(chance.randrange(3))]
            return [*steps, boxed(chance.choice((1, 1, 2)), chance.uniform(1, 9))]

        params = DeepConfParams(budget=budget, warmup=warmup, batch=2, keep=keep, window=4)
        first, again = (
            search(deepconf, ScriptedPolicy(script, keeps_stop=keeps), None, params)
            for keeps in (True, False)
        )
        assert (first.completions, first.chosen) == (again.completions, again.chosen)
        assert len(first.completions) + first.unspent == budget
        assert all(c.finish == "eot" for c in first.completions[:warmup])
        for i in first.chosen.values():
            assert i is None or first.completions[i].votes
        if keep == 1.0:
            assert all(c.votes for c in first.completions[:warmup])
