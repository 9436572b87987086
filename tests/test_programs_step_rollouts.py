"""Rollouts from every step of a solution: which are made, and what they are judged by."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from conftest import known
from programs_scripted import Say, ScriptedPolicy, ScriptedPrm, Tree, end, search
from test_programs_recall import check_cut_anywhere, run

from sal.programs.caps import Caps
from sal.programs.step_rollouts import StepRolloutsParams, step_rollouts
from sal.programs.trace import SearchResult
from sal.runs.registry import LABELLERS, STRATEGIES

RIGHT, WRONG = "\\boxed{1}", "\\boxed{2}"
Place = tuple[int, ...]


class Answers(ScriptedPrm):
    """Knows the right answer."""

    outcome = True
    aggregate = "last"

    def __init__(self) -> None:
        super().__init__(lambda step: float(RIGHT in step))


def label(tree: Tree, default: Say = end(WRONG), **params: object) -> SearchResult:
    policy = ScriptedPolicy(lambda path: tree.get(path, default))
    settings = StepRolloutsParams(**params)  # type: ignore[arg-type]
    return search(step_rollouts, policy, Answers(), settings)


ALL = {False: 86, True: 46}
"""Tokens of what follows in all: two solutions, and 2 rollouts from three prefixes or from one."""


def rollouts(result: SearchResult) -> dict[Place, list[bool]]:
    """Of each prefix by its path: how its rollouts ended, in their order."""
    found: dict[Place, list[bool]] = {}
    for node in sorted(result.trace.nodes, key=lambda n: n.id):
        if len(node.id) > 1 and node.id[-1] > 0:
            found.setdefault(node.parent, []).append(node.scores[-1] == 1)
    return found


TWO: Tree = {
    (0,): Say("a"),
    (0, 0): Say("b"),
    (0, 0, 0): end(RIGHT),
    (1,): Say("c"),
    (1, 0): end(WRONG),
}


def test_every_prefix_but_the_whole_gets_its_rollouts() -> None:
    tree = TWO | {(0, 1): end(RIGHT), (0, 0, 2): end("d\n\n" + RIGHT)}
    assert rollouts(label(tree, budget=2, rollouts=2)) == {
        (0,): [True, False],
        (0, 0): [False, True],
        (1,): [False, False],
    }


def test_a_rollout_goes_on_from_the_prefix_that_it_is_for() -> None:
    policy = ScriptedPolicy(lambda path: TWO.get(path, end(WRONG)))
    search(step_rollouts, policy, Answers(), StepRolloutsParams(budget=2, rollouts=1))
    assert policy.prefixes[0, 0, 1].endswith("a\n\nb\n\n")
    assert policy.prefixes[1, 1].endswith("c\n\n")


@pytest.mark.parametrize("answer", [RIGHT, WRONG])
def test_a_problem_that_comes_out_one_way_gets_none(answer: str) -> None:
    tree: Tree = {(0,): Say("a"), (0, 0): end(answer), (1,): Say("b"), (1, 0): end(answer)}
    result = label(tree, budget=2, rollouts=2)
    assert rollouts(result) == {}
    assert len(result.completions) == 2


def test_what_was_cut_or_does_not_answer_gets_none_and_decides_nothing() -> None:
    tree: Tree = {
        (0,): Say("a"),
        (0, 0): end(RIGHT),
        (1,): Say("b"),
        (1, 0): Say(WRONG, "length"),
        (2,): Say("c"),
        (2, 0): end("I do not know"),
    }
    assert rollouts(label(tree, budget=3, rollouts=2)) == {}
    more = tree | {(3,): Say("d"), (3, 0): end(WRONG)}
    assert rollouts(label(more, budget=4, rollouts=1)) == {(0,): [False], (3,): [False]}


def test_a_prefix_that_two_solutions_share_is_rolled_out_once() -> None:
    tree: Tree = {
        (0,): Say("a"),
        (0, 0): end(RIGHT),
        (1,): Say("a"),
        (1, 0): Say("b"),
        (1, 0, 0): end(WRONG),
    }
    assert rollouts(label(tree, budget=2, rollouts=3)).keys() == {(0,), (1, 0)}


def test_a_solution_that_ends_behind_a_separator_is_whole_before_it() -> None:
    tree: Tree = {
        (0,): Say("a"),
        (0, 0): Say(RIGHT),
        (0, 0, 0): end(""),
        (1,): Say("c"),
        (1, 0): end(WRONG),
    }
    result = label(tree, budget=2, rollouts=1)
    assert rollouts(result).keys() == {(0,), (1,)}


def test_harder_problems_get_more() -> None:
    """One of two is right: twice the least. A solution that was cut counts as not right."""
    assert len(rollouts(label(TWO, budget=2, rollouts=2, adaptive=True))[0,]) == 4
    many: Tree = TWO | {(i,): Say("cut", "length") for i in range(2, 11)}
    assert len(rollouts(label(many, budget=11, rollouts=2, adaptive=True))[0,]) == 8


@pytest.mark.parametrize("error", range(8))
def test_the_first_error_is_found_in_three_probes_of_eight_steps(error: int) -> None:
    """The rollouts of a prefix before the error come out right, the others do not."""
    tree: Tree = {(0,): end(RIGHT)}
    for step in range(8):
        path = (1,) + (0,) * step
        tree[path] = Say(f"s{step}") if step < 7 else end(WRONG)
        if step < error:
            tree[(*path, 2)] = end(RIGHT)
    found = rollouts(label(tree, budget=2, rollouts=2, first_error=True))
    assert len(found) <= 3
    finished = {len(path) - 1: any(right) for path, right in found.items()}
    assert max((t for t, good in finished.items() if good), default=-1) == error - 1
    assert min((t for t, good in finished.items() if not good), default=7) == error


def test_only_wrong_solutions_are_searched_for_an_error() -> None:
    found = rollouts(label(TWO, budget=2, rollouts=2, first_error=True))
    assert found.keys() == {(1,)}


def test_rollouts_that_all_fail_end_the_search_for_an_error() -> None:
    tree = TWO | {(1, 1): Say("", error=RuntimeError("gone")), (1, 2): Say("", "abort")}
    result = label(tree, budget=2, rollouts=2, first_error=True)
    assert len(result.errors) == 2


def test_the_vote_is_the_solutions_alone_and_none_weighs_more_for_being_right() -> None:
    result = label(TWO | {(2,): end(WRONG)}, budget=3, rollouts=2)
    assert [c.node for c in result.completions] == [(0, 0, 0), (1, 0), (2,)]
    assert result.rule == "majority"
    assert result.chosen["weighted"] == result.chosen["majority"] == 1


@pytest.mark.parametrize("first_error", [False, True])
@pytest.mark.parametrize("tokens", range(1, 90, 8))
def test_a_cap_on_tokens_ends_it_anywhere(tokens: int, first_error: bool) -> None:
    policy = ScriptedPolicy(lambda path: TWO.get(path, end(WRONG)))
    params = StepRolloutsParams(budget=2, rollouts=2, first_error=first_error)
    result = search(step_rollouts, policy, Answers(), params, caps=Caps(tokens=tokens))
    spent = known(result.trace.policy.completion_tokens)
    assert min(tokens, ALL[first_error]) <= spent <= ALL[first_error]
    assert result.capped or spent == ALL[first_error]


def test_it_needs_a_verifier_that_knows() -> None:
    with pytest.raises(TypeError, match="needs a verifier"):
        step_rollouts.run("q", backend=ScriptedPolicy(TWO))


@pytest.mark.parametrize(
    ("name", "wrong"), [("rollouts", 0), ("adaptive", 1), ("first_error", "yes"), ("budget", 0)]
)
def test_a_wrong_parameter_is_named(name: str, wrong: object) -> None:
    with pytest.raises(ValueError, match=f"^{name} "):
        StepRolloutsParams(**{name: wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("params", [{}, {"adaptive": True}, {"first_error": True}])
def test_cut_after_any_node_it_ends_the_same(
    params: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And asks for nothing twice: what was sampled is what the labels are made of."""
    monkeypatch.setitem(STRATEGIES, "step-rollouts", LABELLERS["step-rollouts"])
    settings = StepRolloutsParams(budget=8, rollouts=2, **params)  # type: ignore[arg-type]
    made = run("step-rollouts", settings, tmp_path / "whole")
    assert rollouts(made.result)
    path = tmp_path / "nodes"
    again = partial(run, "step-rollouts", settings, path, session=2)
    check_cut_anywhere(made, again, path)
