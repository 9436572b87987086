"""Policies that reason: their steps, the end and the extension of their reasoning, and what counts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from programs_scripted import QUESTION, ScriptedPrm, search
from test_programs_recall import Judge, check_cut_anywhere, run
from test_strategies_registry import small
from thinkers import CLOSES, OPENS, PROMPT, Improvises, Says

from sal.grading.extract import extract
from sal.programs.beam import BeamParams, beam
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.programs.greedy import GreedyParams, greedy
from sal.programs.lookahead import LookaheadParams, lookahead
from sal.programs.majority import MajorityParams, majority
from sal.programs.problem import Problem
from sal.programs.trace import ROLLOUT, SearchResult
from sal.runs.node_records import node_json, node_of
from sal.runs.registry import STRATEGIES
from sal.strategies.steps import split_steps
from sal.strategies.thinking import TAGS, WAIT, begun_reasoning, ending, open_reasoning

THOUGHT = "\none\n\ntwo\n\nthree\n"
FORCING = [name for name in STRATEGIES if name != "auto"]
"""`auto` asks as its rule was fitted."""


def one_beam(policy: Says, prm: ScriptedPrm | None = None, **params: Any) -> SearchResult:
    return search(beam, policy, prm or ScriptedPrm(), BeamParams(budget=1, width=1, **params))


def told(result: SearchResult) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(node.text, node.finish, node.forced) for node in result.trace.nodes]


class TestText:
    @pytest.mark.parametrize("tags", TAGS, ids=lambda tags: tags.opens)
    def test_reasoning_is_open_until_its_tag_closes(self, tags: Any) -> None:
        for prompt, text in (("q\n\n", f"\n{tags.opens}\nx"), (f"q{tags.opens}\n", "x")):
            assert open_reasoning(prompt, text) == begun_reasoning(prompt, text) == tags
            closed = text + ending(text, tags) + f"y {tags.opens}"
            assert open_reasoning(prompt, closed) is None
            assert begun_reasoning(prompt, closed) == tags
        assert begun_reasoning("q\n\n", f"x {tags.opens}") is None
        assert begun_reasoning(f"{tags.opens} q\n\n", "x") is None

    @pytest.mark.parametrize("tags", TAGS, ids=lambda tags: tags.opens)
    def test_a_grader_reads_what_follows_the_same_tags(self, tags: Any) -> None:
        thought = f"{tags.opens}\n\\boxed{{1}}"
        assert extract(thought) is None
        assert extract(thought + ending(thought, tags) + "\\boxed{2}") == "2"

    def test_a_tag_is_no_part_of_a_step(self) -> None:
        text = f"{OPENS}\na\n\nb < c\n\n{CLOSES}\n\nd{CLOSES}e"
        assert split_steps(text) == ("a", "b < c", "de")

    def test_the_end_stands_on_a_line_of_its_own(self) -> None:
        assert ending("a", TAGS[0]) == "\n</think>\n\n"
        assert ending("a\n", TAGS[0]) == "</think>\n\n"
        assert ending("a < b <", TAGS[0]) == "\n</think>\n\n"

    def test_a_tag_that_was_begun_is_completed(self) -> None:
        for begun in range(2, len(CLOSES)):
            text = f"{OPENS}a\n{CLOSES[:begun]}"
            assert text + ending(text, TAGS[0]) == f"{OPENS}a\n{CLOSES}\n\n"


class TestUnforced:
    @pytest.mark.parametrize("opened", [False, True])
    def test_paragraphs_of_reasoning_are_steps(self, opened: bool) -> None:
        policy, prm = Says(THOUGHT, opened=opened), ScriptedPrm({"one": 0.9})
        problem = Problem(QUESTION, prompt=PROMPT + f"{OPENS}\n" * opened)
        params = BeamParams(budget=1, width=1)
        state = beam.run(problem, params=params, verifier=prm, backend=policy)
        (only,) = state["result"].completions
        assert only.steps == ("one", "two", "three", "So", "\\boxed{1}")
        assert only.scores == (0.9, 0.5, 0.5, 0.5, 0.5)
        assert (only.finish, only.key) == ("eot", "1")
        # The PRM sees the paragraphs, and no tag.
        assert {step for _, prefix, steps in prm.calls for step in (*prefix, *steps)} == {
            *only.steps
        }
        assert (OPENS in only.text) is not opened
        assert all(node.forced == () for node in state["result"].trace.nodes)

    @pytest.mark.parametrize("opened", [False, True])
    def test_a_text_that_ends_inside_its_reasoning_is_no_answer(self, opened: bool) -> None:
        class Gives(Says):
            def rest(self, solution: str, seed: int | None) -> str:
                return f"{'' if opened else OPENS}a\n\n\\boxed{{7}}"[len(solution) :]

        problem = Problem(QUESTION, prompt=PROMPT + f"{OPENS}\n" * opened)
        programs: list[tuple[Any, Any]] = [
            (beam, BeamParams(budget=1, width=1)),
            (best_of_n, BestOfNParams(budget=1)),
        ]
        for program, params in programs:
            state = program.run(
                problem, params=params, verifier=ScriptedPrm(), backend=Gives(opened=opened)
            )
            (only,) = state["result"].completions
            assert (only.finish, only.votes) == ("length", False)
            assert set(state["result"].chosen.values()) == {None}

    def test_a_stop_string_inside_the_reasoning_gives_none_either(self) -> None:
        (only,) = one_beam(Says(THOUGHT), stop_strings=("two",)).completions
        assert (only.finish, only.text) == ("length", f"{OPENS}\none")

    def test_without_a_word_of_it_nothing_is_asked_for_otherwise(self) -> None:
        policy = Says(THOUGHT)
        one_beam(policy)
        assert {request.stop for request in policy.requests} == {("\n\n",)}
        assert {request.max_tokens for request in policy.requests} == {
            2048 - n for n in (0, 13, 18, 34, 38)
        }


class TestBudget:
    def test_once_it_is_spent_the_end_is_written_and_the_answer_follows(self) -> None:
        policy, prm = Says(THOUGHT), ScriptedPrm()
        result = one_beam(policy, prm, think_budget=20)
        assert told(result) == [
            (f"{OPENS}\none", "separator", ()),
            ("two", "separator", ()),
            (f"th\n{CLOSES}\n\n", "cut", (f"\n{CLOSES}\n\n",)),
            ("So", "separator", ()),
            ("\\boxed{1}", "eot", ()),
        ]
        (only,) = result.completions
        assert only.text == f"{OPENS}\none\n\ntwo\n\nth\n{CLOSES}\n\nSo\n\n\\boxed{{1}}"
        assert only.steps == ("one", "two", "th", "So", "\\boxed{1}")
        assert only.finish == "eot"
        # What was written for it is no token of its own; its end of text is one.
        forced = len(f"\n{CLOSES}\n\n")
        assert only.tokens == len(only.text) + 1 - forced
        assert [node.tokens for node in result.trace.nodes] == [13, 5, 2, 4, 10]
        assert result.trace.policy.completion_tokens == only.tokens
        # The next request goes on behind it, with the ids up to it.
        asked = policy.requests[3]
        assert asked.text.endswith(f"th\n{CLOSES}\n\n")
        assert asked.known is not None
        assert len(asked.text) - asked.known.chars == forced
        assert [request.max_tokens for request in policy.requests[:3]] == [20, 7, 2]

    def test_spent_at_the_end_of_a_step(self) -> None:
        result = one_beam(Says(THOUGHT), think_budget=18)
        assert told(result)[1] == (f"two\n\n{CLOSES}\n\n", "cut", (f"{CLOSES}\n\n",))
        assert result.completions[0].steps == ("one", "two", "So", "\\boxed{1}")

    def test_reasoning_that_ends_in_time_is_left_alone(self) -> None:
        plain = one_beam(Says(THOUGHT))
        result = one_beam(Says(THOUGHT), think_budget=len(OPENS + THOUGHT + CLOSES))
        assert told(result) == told(plain)
        assert result.completions == plain.completions

    @pytest.mark.parametrize("caps", [Caps(), Caps(tokens=999)])
    @pytest.mark.parametrize(
        ("program", "params"), [(best_of_n, BestOfNParams), (majority, MajorityParams)]
    )
    def test_in_a_solution_that_is_written_whole(
        self, program: Any, params: Any, caps: Caps
    ) -> None:
        result = search(
            program, Says(THOUGHT), ScriptedPrm(), params(budget=1, think_budget=20), caps=caps
        )
        (only,) = result.completions
        assert only.text == f"{OPENS}\none\n\ntwo\n\nth\n{CLOSES}\n\nSo\n\n\\boxed{{1}}"
        assert only.steps == ("one", "two", "th", "So", "\\boxed{1}")
        assert told(result) == [(only.text, "eot", (f"\n{CLOSES}\n\n",))]

    def test_greedy_decoding_has_one_too(self) -> None:
        result = search(greedy, Says(THOUGHT), None, GreedyParams(think_budget=20))
        assert result.trace.nodes[0].forced == (f"\n{CLOSES}\n\n",)

    def test_one_that_runs_out_behind_the_reasoning_cuts_nothing(self) -> None:
        """The first request has its room, since it may be reasoning: the answer goes on."""
        policy = Says("\nx\n")
        params = BestOfNParams(budget=1, think_budget=len(OPENS + "\nx\n" + CLOSES) + 3)
        (only,) = search(best_of_n, policy, ScriptedPrm(), params).completions
        assert only.text == f"{OPENS}\nx\n{CLOSES}\n\nSo\n\n\\boxed{{1}}"
        assert only.steps == ("x", "So", "\\boxed{1}")
        assert [request.max_tokens for request in policy.requests][1:] == [2048 - 21]

    def test_a_policy_that_does_not_reason_writes_what_it_would(self) -> None:
        class Answers(Says):
            def rest(self, solution: str, seed: int | None) -> str:
                return "one more\n\ntwo\n\n\\boxed{1}"[len(solution) :]

        forcing: dict[str, Any] = {"think_budget": 4, "think_extensions": 2}
        params: dict[str, Any]
        for params in ({}, forcing):
            result = one_beam(Answers(), **params)
            assert [text for text, *_ in told(result)] == ["one more", "two", "\\boxed{1}"]
            whole = search(best_of_n, Answers(), ScriptedPrm(), BestOfNParams(budget=1, **params))
            assert whole.completions[0].text == "one more\n\ntwo\n\n\\boxed{1}"

    def test_a_step_has_its_own_limit_still(self) -> None:
        policy = Says("\none\n\ntwelve\n")
        result = one_beam(policy, think_budget=18, max_step_tokens=6)
        assert [(text, finish) for text, finish, _ in told(result)] == [
            ("<think", "cut"),
            (">\none\n", "cut"),
            (f"\ntwelv\n{CLOSES}\n\n", "cut"),
            ("So", "separator"),
            ("\\boxed", "cut"),
            ("{1}", "eot"),
        ]

    def test_a_rollout_goes_on_behind_the_end(self) -> None:
        params = LookaheadParams(budget=1, width=1, lookahead=3, think_budget=15)
        result = search(lookahead, Says(THOUGHT), ScriptedPrm(), params)
        ahead = next(node for node in result.trace.nodes if node.id == (0, ROLLOUT))
        assert ahead.text == f"tw\n{CLOSES}\n\nSo\n\n\\boxed{{1}}"
        assert ahead.forced == (f"\n{CLOSES}\n\n",)
        assert len(ahead.scores) == 3

    def test_a_cap_on_the_problem_counts_what_was_sampled(self) -> None:
        params = BestOfNParams(budget=1, think_budget=13)
        result = search(best_of_n, Says(THOUGHT), ScriptedPrm(), params, caps=Caps(tokens=13))
        assert result.capped
        assert result.completions[0].tokens == 13

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"think_budget": 0}, "think_budget must be a whole number of at least 1"),
            ({"think_budget": 2048}, "think_budget 2048 leaves nothing of max_tokens 2048"),
            ({"think_extensions": -1}, "think_extensions must be a whole number of at least 0"),
        ],
    )
    def test_what_cannot_be_is_refused(self, given: dict[str, Any], reason: str) -> None:
        for params in (BeamParams, BestOfNParams, GreedyParams):
            with pytest.raises(ValueError, match=reason):
                params(**given)


class TestExtensions:
    def test_wait_stands_in_place_of_an_early_end(self) -> None:
        policy = Says("\none\n", " a\n\nb\n", " never")
        result = one_beam(policy, think_extensions=1)
        assert told(result) == [
            (f"{OPENS}\none\nWait a", "separator", (WAIT,)),
            (f"b\n{CLOSES}", "separator", ()),
            ("So", "separator", ()),
            ("\\boxed{1}", "eot", ()),
        ]
        (only,) = result.completions
        assert only.steps == ("one\nWait a", "b", "So", "\\boxed{1}")
        # The end that was taken back was sampled, "Wait" was not.
        assert only.tokens == len(only.text) + 1 + len(CLOSES) - len(WAIT)
        assert policy.requests[1].text.endswith("\none\nWait")
        assert policy.requests[1].known is not None
        assert len(policy.requests[1].text) - policy.requests[1].known.chars == len(WAIT)

    @pytest.mark.parametrize("caps", [Caps(), Caps(tokens=999)])
    def test_so_often_on_a_path_and_until_the_budget_is_spent(self, caps: Caps) -> None:
        def texts(**params: Any) -> list[str]:
            policy = Says("\na\n", " b\n", " c\n", " d\n")
            both = [
                (best_of_n, BestOfNParams(budget=1, **params)),
                (beam, BeamParams(budget=1, width=1, **params)),
            ]
            return [
                search(program, policy, ScriptedPrm(), given, caps=caps).completions[0].text
                for program, given in both
            ]

        answer = "\n\nSo\n\n\\boxed{1}"
        assert texts(think_extensions=2) == [f"{OPENS}\na\nWait b\nWait c\n{CLOSES}{answer}"] * 2
        # 18 tokens, the first end among them, come to the first "Wait"; 2 more to " b".
        assert (
            texts(think_extensions=9, think_budget=20)
            == [f"{OPENS}\na\nWait b\n{CLOSES}{answer}"] * 2
        )

    def test_a_fork_has_those_of_its_own_path(self) -> None:
        """Both children of the first step have used one already."""
        policy = Says("\na\n", " b\n\nc\n", " d\n", " e\n")
        params = BeamParams(budget=2, width=2, think_extensions=2)
        result = search(beam, policy, ScriptedPrm(), params)
        assert {c.text.count(WAIT) for c in result.completions} == {2}
        assert sorted(len(node.forced) for node in result.trace.nodes if node.forced) == [1] * 4

    def test_a_policy_that_knows_no_ids_is_sent_the_text(self) -> None:
        class Plain(Says):
            def write(self, request: Any) -> Any:
                return dataclasses.replace(super().write(request), known=None, token_ids=())

        plain = one_beam(Plain("\none\n", " a\n\nb\n"), think_extensions=1, think_budget=30)
        knows = one_beam(Says("\none\n", " a\n\nb\n"), think_extensions=1, think_budget=30)
        assert [c.text for c in plain.completions] == [c.text for c in knows.completions]


@pytest.mark.parametrize("name", FORCING)
class TestEveryStrategy:
    def params(self, name: str) -> Any:
        return dataclasses.replace(small(STRATEGIES[name], 8), think_budget=24, think_extensions=1)

    def test_what_is_sampled_and_what_is_forced(self, name: str) -> None:
        result = search(STRATEGIES[name].program, Improvises(), Judge(), self.params(name))
        nodes = {node.id: node for node in result.trace.nodes}
        assert any(node.forced for node in nodes.values())
        for completion in result.completions:
            thought, closed, _ = completion.text.partition(CLOSES)
            assert (completion.finish == "eot") == bool(closed)
            path = [nodes[completion.node[:n]] for n in range(1, len(completion.node) + 1)]
            if name == "revise":
                path = path[-1:]  # each attempt is a completion of its own
            forced = [text for node in path for text in node.forced]
            assert forced.count(WAIT) <= 1
            assert sum(CLOSES in text for text in forced) <= 1
            assert thought.count(WAIT) == forced.count(WAIT)
            assert len(thought + closed) - sum(len(text.rstrip()) for text in forced) <= 24
            assert completion.tokens == sum(node.tokens or 0 for node in path)
            assert len(completion.scores) in (0, len(completion.steps))

    def test_cut_after_any_node_it_ends_the_same(self, name: str, tmp_path: Path) -> None:
        params = self.params(name)
        made = run(name, params, tmp_path / "whole", told=Improvises)
        path = tmp_path / "nodes"
        check_cut_anywhere(
            made, lambda: run(name, params, path, session=2, told=Improvises), path, every=3
        )


def test_the_record_of_a_node_tells_what_was_forced() -> None:
    (node, *_) = one_beam(Says(THOUGHT), think_budget=10).trace.nodes
    content = json.loads(json.dumps(node_json(node)))
    assert content["forced"] == [f"\n{CLOSES}\n\n"]
    assert node_of(content) == node
    del content["forced"]  # an older version's
    assert node_of(content).forced == ()
