"""Self-consistency: a vote, and nothing for the PRM."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import known
from hypothesis import given
from hypothesis import strategies as st
from programs_scripted import Say, ScriptedPolicy, ScriptedPrm, Tree, end, search

from sal.programs.caps import Caps
from sal.programs.majority import MajorityParams, majority
from sal.runs.registry import STRATEGIES
from sal.runs.settings import Settings, prepare
from sal.strategies.voting import elect

FIVE: Tree = {
    (0,): end("\\boxed{7}"),
    (1,): end("a\n\n\\boxed{3}"),
    (2,): end("b\n\n\\boxed{3}"),
    (3,): Say("\\boxed{7}", "length"),
    (4,): end("none"),
}


def test_the_most_frequent_answer_of_those_that_ended_wins() -> None:
    """By hand (section 2 of the paper, argmax of the count): 3 twice, 7 once; the cut one has no vote."""
    prm = ScriptedPrm()
    result = search(majority, ScriptedPolicy(FIVE), prm, MajorityParams(budget=5))
    assert result.chosen == {"naive": 1, "weighted": 1, "majority": 1}
    assert [c.scores for c in result.completions] == [()] * 5
    assert prm.calls == []
    assert result.trace.prm.requests == 0


@pytest.mark.parametrize("name", [n for n, s in STRATEGIES.items() if not s.program.needs_prm])
def test_no_prm_is_started_for_it(name: str) -> None:
    prepared = prepare(Settings(strategy=name, params={}, limit=1), gpu=False)
    assert (prepared.recipe.policy, prepared.recipe.prm) == ("tiny", None)


def test_majority_needs_no_prm() -> None:
    assert not STRATEGIES["majority"].program.needs_prm


def test_whole_tree() -> None:
    """Golden: every node of a search, as it is recorded."""
    trace = search(majority, ScriptedPolicy(FIVE), None, MajorityParams(budget=5)).trace
    assert [
        (n.id, n.text, n.tokens, n.finish, n.scores)
        for n in sorted(trace.nodes, key=lambda n: n.id)
    ] == [
        ((0,), "\\boxed{7}", 10, "eot", ()),
        ((1,), "a\n\n\\boxed{3}", 13, "eot", ()),
        ((2,), "b\n\n\\boxed{3}", 13, "eot", ()),
        ((3,), "\\boxed{7}", 10, "length", ()),
        ((4,), "none", 5, "eot", ()),
    ]


def test_a_failed_sample_is_an_error() -> None:
    policy = ScriptedPolicy({(0,): Say("", "abort"), (1,): end("\\boxed{1}")})
    result = search(majority, policy, None, MajorityParams(budget=2))
    assert [c.key for c in result.completions] == ["1"]
    assert len(result.errors) == 1


def test_a_cap_on_tokens_ends_it_within_a_step() -> None:
    policy = ScriptedPolicy(lambda _: [Say("one")] * 9)
    result = search(majority, policy, None, MajorityParams(budget=2), caps=Caps(tokens=8))
    assert 8 <= known(result.trace.policy.completion_tokens) < 8 + 2 * len("one ")
    assert [c.finish for c in result.completions] == ["length", "length"]


def test_the_wrong_field_is_named() -> None:
    wrong: dict[str, Any]
    for wrong in ({"budget": 0}, {"temperature": -1.0}, {"max_tokens": 0}, {"separator": ""}):
        (field,) = wrong
        with pytest.raises(ValueError, match=f"^{field} "):
            MajorityParams(**wrong)


@given(st.lists(st.sampled_from(["", "1", "2", "3"]), max_size=7), st.sampled_from([-1.0, 0.5]))
def test_scores_that_are_all_equal_reduce_every_rule_to_the_majority(
    keys: list[str], score: float
) -> None:
    scores = [-float("inf") if score < 0 else score] * len(keys)
    chosen = elect(keys, scores)
    answers = {None if i is None else keys[i] for i in chosen.values()}
    assert len(answers) == 1
