"""Lookahead: a step is worth what the PRM says at the end of its rollout."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import known
from hypothesis import given, settings
from hypothesis import strategies as st
from programs_scripted import QUESTION, Say, ScriptedPolicy, ScriptedPrm, end, random_tree, search

from sal.programs.beam import BeamParams, beam
from sal.programs.caps import Caps
from sal.programs.dvts import DvtsParams, dvts
from sal.programs.lookahead import LookaheadParams, lookahead
from sal.programs.trace import ROLLOUT
from sal.runtime.endpoint_errors import Unreachable
from sal.strategies.aggregate import Aggregate

TRAP: dict[Any, Any] = {
    (0,): Say("good looks"),
    (1,): Say("good end"),
    (0, ROLLOUT): [Say("x"), Say("y")],
    (1, ROLLOUT): [Say("z"), end("\\boxed{1}")],
    (1, 0): end("\\boxed{1}"),
    (1, 1): end("\\boxed{2}"),
    (0, 0): end("\\boxed{3}"),
    (0, 1): end("\\boxed{4}"),
}
"""By itself the first step scores 0.9 and the second 0.3; two steps later 0.1 and 0.8."""

PRM = {"good looks": 0.9, "good end": 0.3, "x": 0.7, "y": 0.1, "z": 0.2, "\\boxed{1}": 0.8}
TWO = LookaheadParams(budget=2, width=2, lookahead=2)


def kept(aggregate: Aggregate, steps: int) -> int:
    params = LookaheadParams(budget=2, width=2, lookahead=steps, aggregate=aggregate)
    result = search(lookahead, ScriptedPolicy(TRAP), ScriptedPrm(PRM), params)
    (first,) = {c.node[0] for c in result.completions}
    return first


@pytest.mark.parametrize(
    ("aggregate", "steps", "first"),
    [
        ("last", 0, 0),  # 0.9 against 0.3
        ("last", 1, 0),  # 0.7 against 0.2
        ("last", 2, 1),  # 0.1 against 0.8
        ("min", 2, 1),  # 0.1 against 0.2
        ("mean", 2, 0),  # 1.7 / 3 against 1.3 / 3
        ("prod", 2, 0),  # 0.063 against 0.048
    ],
)
def test_worked_by_hand(aggregate: Aggregate, steps: int, first: int) -> None:
    """Section 5.2: the PRM's prediction at the end of the rollout ranks the step."""
    assert kept(aggregate, steps) == first


def test_a_rollout_is_generated_but_not_scored_defect() -> None:
    """Defect: the first implementation generated k steps and ranked by the score before them."""
    prm = ScriptedPrm(PRM)
    search(lookahead, ScriptedPolicy(TRAP), prm, TWO)
    assert (QUESTION, ("good looks",), ("x", "y")) in prm.calls
    assert (QUESTION, ("good end",), ("z", "\\boxed{1}")) in prm.calls


def test_rolled_out_steps_are_spent_and_not_kept() -> None:
    """N(k + 1) step samples for the first step of N = 2 with k = 2; then 2 more that end."""
    policy = ScriptedPolicy(TRAP)
    result = search(lookahead, policy, ScriptedPrm(PRM), TWO)
    assert result.trace.policy.requests == 1 + 2 * (2 + 1) + 2
    assert result.trace.policy.completion_tokens == sum(known(n.tokens) for n in result.trace.nodes)
    assert [c.text for c in result.completions] == [
        "good end\n\n\\boxed{1}",
        "good end\n\n\\boxed{2}",
    ]
    assert result.completions[0].scores == (0.3, 0.8)
    assert result.completions[0].tokens == len("good end ") + len("\\boxed{1} ")
    assert policy.prefixes[1, 0] == policy.prefixes[1, ROLLOUT] == "q\n\ngood end\n\n"


def test_equal_solutions_share_one_rollout() -> None:
    """Golden: of three equal steps the first is rolled out, and all are ranked by its end."""
    tree: dict[Any, Any] = {
        (0,): Say("other"),
        (1,): Say("same"),
        (2,): Say("same"),
        (3,): Say("same"),
        (0, ROLLOUT): Say("x"),
        (1, ROLLOUT): Say("y"),
    }
    scores = {"other": 0.5, "same": 0.5, "x": 0.2, "y": 0.9}
    params = LookaheadParams(budget=4, width=2, lookahead=1, max_steps=2)
    result = search(
        lookahead,
        ScriptedPolicy(lambda path: tree.get(path) or end("\\boxed{1}")),
        ScriptedPrm(scores),
        params,
    )
    rollouts = [n.id for n in result.trace.nodes if n.id[-1] == ROLLOUT]
    assert sorted(rollouts) == [(0, ROLLOUT), (1, ROLLOUT)]
    assert {c.node[0] for c in result.completions} == {1, 2}  # 0.9, and not 0.2 or their own 0.5


def test_whole_tree() -> None:
    """Golden: rollouts are nodes that end with -1, and they have no children."""
    result = search(lookahead, ScriptedPolicy(TRAP), ScriptedPrm(PRM), TWO)
    assert sorted((n.id, n.text, n.finish, n.scores) for n in result.trace.nodes) == [
        ((0,), "good looks", "separator", (0.9,)),
        ((0, -1), "x\n\ny", "separator", (0.7, 0.1)),
        ((1,), "good end", "separator", (0.3,)),
        ((1, -1), "z\n\n\\boxed{1}", "eot", (0.2, 0.8)),
        ((1, 0), "\\boxed{1}", "eot", (0.8,)),
        ((1, 1), "\\boxed{2}", "eot", (0.5,)),
    ]


class Watching(ScriptedPolicy):
    """Keeps the temperature of every request."""

    def __init__(self, script: Any) -> None:
        super().__init__(script)
        self.temperatures: list[float] = []

    def generate(self, s: Any, sampling_params: Any) -> Any:
        self.temperatures.append(sampling_params.temperature)
        return super().generate(s, sampling_params)


def test_a_rollout_is_greedy_and_its_step_is_not() -> None:
    policy = Watching({(0,): Say("a"), (0, ROLLOUT): Say("b"), (0, 0): end("c")})
    params = LookaheadParams(budget=1, lookahead=1)
    search(lookahead, policy, ScriptedPrm(), params)
    assert policy.temperatures == [0.8, 0.0, 0.8]


def test_nothing_else_is_greedy() -> None:
    """Nor is the request that reads the prompt, whose temperature SGLang's batch would keep."""
    policy = Watching({(0,): end("a"), (1,): end("b")})
    search(lookahead, policy, ScriptedPrm(), LookaheadParams(budget=2, lookahead=1))
    assert policy.temperatures == [0.8] * 3


@pytest.mark.parametrize("failing", ["policy", "PRM"])
def test_a_rollout_that_fails_leaves_the_steps_own_score(failing: str) -> None:
    gone = Unreachable("gone")
    tree = dict(TRAP)
    scores: dict[str, Any] = dict(PRM)
    if failing == "policy":
        tree[0, ROLLOUT] = [Say("x"), Say("", error=gone)]
    else:
        scores["y"] = gone
    result = search(lookahead, ScriptedPolicy(tree), ScriptedPrm(scores), TWO)
    assert {c.node[0] for c in result.completions} == {0}  # 0.9 against 0.8
    assert result.errors == (f"{failing}: Unreachable: gone",)
    (failed,) = (n for n in result.trace.nodes if n.finish == "error")
    assert (failed.id, failed.scores) == ((0, ROLLOUT), ())


def test_no_rollout_begins_after_a_cap() -> None:
    policy = ScriptedPolicy(lambda _: Say("one"))
    params = LookaheadParams(budget=2, lookahead=9)
    result = search(lookahead, policy, ScriptedPrm(), params, caps=Caps(tokens=12))
    assert 12 <= known(result.trace.policy.completion_tokens) < 12 + 2 * len("one ")
    assert result.unspent == 2


def test_a_rollout_stops_at_the_token_limit() -> None:
    policy = ScriptedPolicy(lambda _: Say("ab"))
    params = LookaheadParams(budget=1, lookahead=9, max_tokens=9)
    result = search(lookahead, policy, ScriptedPrm(), params)
    (rollout,) = (n for n in result.trace.nodes if n.id == (0, ROLLOUT))
    assert (rollout.text, rollout.finish, rollout.tokens) == ("ab\n\nab", "length", 6)


@given(seed=st.integers(0, 10**6), budget=st.integers(1, 8), width=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_no_lookahead_is_beam_search(seed: int, budget: int, width: int) -> None:
    script, score = random_tree(seed)
    common: dict[str, Any] = {"budget": budget, "width": width, "max_steps": 4}
    ahead, plain = (
        search(program, ScriptedPolicy(script), ScriptedPrm(score), params)
        for program, params in (
            (lookahead, LookaheadParams(**common, lookahead=0)),
            (beam, BeamParams(**common)),
        )
    )
    assert ahead.completions == plain.completions
    assert ahead.trace.policy == plain.trace.policy


@pytest.mark.parametrize(("steps", "first"), [(0, 0), (1, 0), (2, 1)])
def test_dvts_looks_ahead_as_well(steps: int, first: int) -> None:
    """0.9 against 0.3, 0.7 against 0.2, 0.1 against 0.8; what is finished has its own score."""
    params = DvtsParams(budget=2, width=2, lookahead=steps)
    result = search(dvts, ScriptedPolicy(TRAP), ScriptedPrm(PRM), params)
    assert {c.node[0] for c in result.completions} == {first}
    assert all(len(c.scores) == 2 for c in result.completions)
    rolled = {n.id for n in result.trace.nodes if n.id[-1] == ROLLOUT}
    assert rolled == ({(0, ROLLOUT), (1, ROLLOUT)} if steps else set())


def test_the_wrong_field_is_named() -> None:
    with pytest.raises(ValueError, match=r"^lookahead "):
        LookaheadParams(lookahead=-1)
    with pytest.raises(ValueError, match=r"^width "):
        LookaheadParams(width=0)
