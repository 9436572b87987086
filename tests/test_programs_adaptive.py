"""Searches that stop when the answer is settled, on a scripted policy and PRM."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs_scripted import Grown, Say, ScriptedPolicy, ScriptedPrm, end, search

from sal.programs.adaptive_best_of_n import AdaptiveBestOfNParams, adaptive_best_of_n
from sal.programs.adaptive_dvts import AdaptiveDvtsParams, adaptive_dvts
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.programs.dvts import DvtsParams, dvts
from sal.strategies.stopping import STOPS


def answers(text: str) -> ScriptedPolicy:
    """Sample i answers with the i-th character; a dot has no answer."""
    return ScriptedPolicy(
        {(i,): end(f"\\boxed{{{c}}}" if c != "." else "none") for i, c in enumerate(text)}
    )


class TestBestOfN:
    @pytest.mark.parametrize(
        ("text", "more", "sampled"),
        [
            # batches of 2
            ("11111111", {"stop": "agreement", "agree": 3}, 4),
            ("12111111", {"stop": "agreement", "agree": 3}, 6),
            ("1.1.1.1.", {"stop": "agreement", "agree": 2}, 8),
            ("11111111", {"stop": "posterior"}, 4),  # 31/32
            ("12111111", {"stop": "posterior"}, 8),  # 7 to 1: 502/512, after 5 to 1: 120/128
            ("11111111", {"stop": "margin", "confidence": 1.0}, 6),  # lead 4.8 > 2 left
            ("11111111", {"stop": "margin", "confidence": 0.6}, 4),  # exp(-3.2^2 / 8) = 0.28
        ],
    )
    def test_it_stops_at(self, text: str, more: dict[str, Any], sampled: int) -> None:
        params = AdaptiveBestOfNParams(budget=8, batch=2, **more)
        result = search(adaptive_best_of_n, answers(text), ScriptedPrm(lambda _: 0.8), params)
        assert (len(result.completions), result.unspent) == (sampled, 8 - sampled)
        assert result.trace.policy.requests == 1 + sampled  # the prompt first

    def test_a_batch_runs_side_by_side(self) -> None:
        second = threading.Event()
        policy = ScriptedPolicy({(0,): end("a", after=second), (1,): end("b", announce=second)})
        params = AdaptiveBestOfNParams(budget=2, batch=2)
        assert len(search(adaptive_best_of_n, policy, ScriptedPrm(), params).completions) == 2

    def test_an_error_is_no_agreement(self) -> None:
        tree: dict[Any, Any] = {(i,): end("\\boxed{1}") for i in range(4)}
        tree[1,] = Say("", error=RuntimeError("lost"))
        params = AdaptiveBestOfNParams(budget=4, batch=2, stop="agreement", agree=2)
        result = search(adaptive_best_of_n, ScriptedPolicy(tree), ScriptedPrm(), params)
        assert (len(result.completions), len(result.errors), result.unspent) == (3, 1, 0)

    def test_what_a_cap_saves_is_unspent_too(self) -> None:
        params = AdaptiveBestOfNParams(budget=8, batch=2, stop="posterior")
        result = search(
            adaptive_best_of_n, answers("12121212"), ScriptedPrm(), params, caps=Caps(tokens=30)
        )
        assert (len(result.completions), result.unspent) == (4, 4)


class TestDvts:
    def test_a_subtree_has_one_answer(self) -> None:
        """Four siblings that agree are one draw, and settle nothing."""
        params = AdaptiveDvtsParams(budget=12, width=4, batch=4, stop="agreement", agree=2)
        result = search(adaptive_dvts, answers("111122221112"), ScriptedPrm(), params)
        assert result.unspent == 0
        result = search(adaptive_dvts, answers("111111112222"), ScriptedPrm(), params)
        assert (len(result.completions), result.unspent) == (8, 4)

    def test_its_answer_is_that_of_its_best_completion(self) -> None:
        prm = ScriptedPrm({"\\boxed{2}": 0.9})
        params = AdaptiveDvtsParams(budget=12, width=4, batch=4, stop="agreement", agree=2)
        assert search(adaptive_dvts, answers("112133323333"), prm, params).unspent == 4

    def test_the_margin_is_that_of_the_vote_over_all(self) -> None:
        """Lead 8 x 0.6 = 4.8 > 4: the last subtree can yield four votes worth 1."""
        params = AdaptiveDvtsParams(budget=12, width=4, batch=4, stop="margin", confidence=1.0)
        ones = answers("1" * 12)
        assert search(adaptive_dvts, ones, ScriptedPrm(lambda _: 0.6), params).unspent == 4
        ones = answers("1" * 12)
        assert search(adaptive_dvts, ones, ScriptedPrm(lambda _: 0.5), params).unspent == 0


@pytest.mark.parametrize(
    ("params", "wrong"),
    [
        (AdaptiveBestOfNParams, {"stop": "never"}),
        (AdaptiveBestOfNParams, {"agree": 0}),
        (AdaptiveBestOfNParams, {"confidence": 0}),
        (AdaptiveBestOfNParams, {"batch": 0}),
        (AdaptiveBestOfNParams, {"budget": 0}),
        (AdaptiveDvtsParams, {"batch": 6}),
        (AdaptiveDvtsParams, {"budget": 6}),
    ],
)
def test_wrong_parameters_are_named(params: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        params(**wrong)


def grown(seed: int) -> Grown:
    """A random tree and its scores."""

    def script(path: tuple[int, ...]) -> Say:
        chance = random.Random(repr((seed, path)))
        if len(path) < 3 and chance.random() < 0.5:
            return Say("".join(map(str, path)))
        return end(f"{path} \\boxed{{{chance.choice('112')}}}")

    return script, lambda step: random.Random(f"{seed}{step}").random()


@pytest.mark.parametrize("stop", STOPS)
@given(seed=st.integers(0, 999), budget=st.integers(1, 4), batch=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_it_is_the_first_part_of_the_plain_search(
    stop: Any, seed: int, budget: int, batch: int
) -> None:
    """The budget holds, and what is sampled is what the plain method samples first."""
    script, score = grown(seed)
    rule: dict[str, Any] = {
        "stop": stop,
        "agree": 2,
        "confidence": 1.0 if stop == "margin" else 0.8,
    }
    pairs: tuple[Any, ...] = (
        (
            adaptive_best_of_n,
            AdaptiveBestOfNParams(budget=budget * 2, batch=batch, **rule),
            best_of_n,
            BestOfNParams(budget=budget * 2),
        ),
        (
            adaptive_dvts,
            AdaptiveDvtsParams(budget=budget * 2, width=2, batch=batch * 2, **rule),
            dvts,
            DvtsParams(budget=budget * 2, width=2),
        ),
    )
    for program, params, plain, plain_params in pairs:
        if plain is best_of_n:
            policy: Any = ScriptedPolicy(lambda path: end(f"{path} {script((*path, 0, 0)).text}"))
        else:
            policy = ScriptedPolicy(script)
        some = search(program, policy, ScriptedPrm(score), params)
        whole = search(plain, policy, ScriptedPrm(score), plain_params)
        assert some.completions == whole.completions[: len(some.completions)]
        begun = {n.id for n in some.trace.nodes if len(n.id) == 1}
        assert len(begun) + some.unspent == params.budget
        if stop == "margin":  # at confidence 1 it stops only where nothing could change the vote
            chosen, right = some.chosen["weighted"], whole.chosen["weighted"]
            assert [some.completions[i].key for i in [chosen] if i is not None] == [
                whole.completions[i].key for i in [right] if i is not None
            ]
