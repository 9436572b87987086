"""Steps that are cut, strings that end a completion, and what of it reaches a backend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from programs_scripted import QUESTION, ScriptedPrm, search

from sal.programs.beam import BeamParams, beam
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.programs.greedy import GreedyParams, greedy
from sal.programs.lookahead import LookaheadParams, lookahead
from sal.programs.majority import MajorityParams, majority
from sal.programs.revise import ReviseParams, revise
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.trace import ROLLOUT, SearchResult
from sal.programs.vote import Vote, by_number
from sal.runtime.frontend.backend import Policy
from sal.runtime.policy import KnownIds, Reply, Request
from sal.runtime.usage import Usage

PROMPT = f"{QUESTION}\n\n"


class Author(Policy):
    """Writes `solution`, a character a token, and heeds limits and stop strings as an engine does.

    `knows_ids`: it answers with token ids, which are the characters' numbers, and takes them back.
    """

    def __init__(self, solution: str, *, trims: bool = False, knows_ids: bool = False) -> None:
        super().__init__()
        self.solution = solution
        self.trims = trims
        self.knows_ids = knows_ids
        self.room = 1_000_000
        self.asked: list[Request] = []

    def write(self, request: Request) -> Reply:
        self.asked.append(request)
        if request.known is not None:
            assert request.known.ids == tuple(map(ord, request.text[: request.known.chars]))
        rest = self.solution[len(request.text.rpartition(PROMPT)[2]) :]
        text = rest[: min(request.max_tokens, self.room)]
        ended, matched = "end" if text == rest else "length", ""
        for at, stop in sorted((text.index(s), s) for s in request.stop if s in text)[:1]:
            ended, matched, text = "stop", stop, text[: at + len(stop)]
        usage = Usage(len(request.text), 0, len(text), 1)
        ids = tuple(map(ord, text)) if self.knows_ids else ()
        if self.trims:
            text = text.removesuffix(matched)
        whole = request.text + text
        known = KnownIds(tuple(map(ord, whole)), len(whole)) if self.knows_ids else None
        return Reply(text, ended, matched, usage, ids, known=known)  # type: ignore[arg-type]


def written(policy: Author, prm: ScriptedPrm | None = None, **params: Any) -> SearchResult:
    """One beam over `policy`'s solution."""
    return search(beam, policy, prm or ScriptedPrm(), BeamParams(budget=1, width=1, **params))


def told(result: SearchResult) -> list[tuple[tuple[int, ...], str, str]]:
    return [(node.id, node.text, node.finish) for node in result.trace.nodes]


class TestCutSteps:
    def test_the_search_goes_on_behind_a_step_that_is_cut(self) -> None:
        policy, prm = Author("abcdefgh\n\nij"), ScriptedPrm({"abcde": 0.9, "fgh": 0.8, "ij": 0.7})
        result = written(policy, prm, max_step_tokens=5)
        assert told(result) == [
            ((0,), "abcde", "cut"),
            ((0, 0), "fgh", "separator"),
            ((0, 0, 0), "ij", "eot"),
        ]
        (only,) = result.completions
        assert (only.text, only.finish, only.tokens) == ("abcdefgh\n\nij", "eot", 12)
        assert (only.steps, only.scores) == (("abcde", "fgh", "ij"), (0.9, 0.8, 0.7))
        # The PRM saw the piece as a step of its own, and what follows as the next one.
        assert [(prefix, steps) for _, prefix, steps in prm.calls] == [
            ((), ("abcde",)),
            (("abcde",), ("fgh",)),
            (("abcde", "fgh"), ("ij",)),
        ]
        assert [request.max_tokens for request in policy.asked] == [5, 5, 5]

    def test_white_space_at_a_cut_is_kept(self) -> None:
        result = written(Author("ab cd ef"), max_step_tokens=3)
        assert "".join(node.text for node in result.trace.nodes) == "ab cd ef"
        result = written(Author("abc def"), max_step_tokens=3)
        assert "".join(node.text for node in result.trace.nodes) == "abc def"

    def test_a_separator_that_a_cut_divides_makes_no_step(self) -> None:
        (only,) = written(Author("abc\n\ndef"), max_step_tokens=4).completions
        assert (only.text, only.steps) == ("abc\n\ndef", ("abc", "def"))

    @pytest.mark.parametrize(("most", "finishes"), [(8, ["cut", "length"]), (5, ["length"])])
    def test_the_completions_own_limit_truncates_it(self, most: int, finishes: list[str]) -> None:
        result = written(Author("abcdefgh\n\nij"), max_step_tokens=5, max_tokens=most)
        assert [node.finish for node in result.trace.nodes] == finishes
        (only,) = result.completions
        assert (only.finish, only.votes, only.text) == ("length", False, "abcdefgh"[:most])

    def test_an_engine_without_room_truncates_it_too(self) -> None:
        policy = Author("abcdefgh")
        policy.room = 3
        (only,) = written(policy, max_step_tokens=5).completions
        assert (only.text, only.finish) == ("abc", "length")

    def test_a_solution_that_is_written_whole_has_no_step_to_cut(self) -> None:
        policy = Author("abcdefgh\n\nijklmnop")
        result = written(policy, max_step_tokens=5, max_steps=2)
        assert [(n.text, n.finish) for n in result.trace.nodes] == [
            ("abcde", "cut"),
            ("fgh\n\nijklmnop", "eot"),
        ]
        assert [(r.max_tokens, r.stop) for r in policy.asked] == [(5, ("\n\n",)), (2043, ())]

    def test_nor_under_a_cap_on_the_problem(self) -> None:
        policy = Author("abcdefgh\n\nij")
        params = BeamParams(budget=1, width=1, max_step_tokens=5, max_steps=1)
        (only,) = search(beam, policy, ScriptedPrm(), params, caps=Caps(tokens=99)).completions
        assert (only.steps, only.finish) == (("abcdefgh", "ij"), "eot")

    def test_a_cap_on_the_problem_ends_the_search_at_a_cut(self) -> None:
        params = BeamParams(budget=1, width=1, max_step_tokens=5)
        result = search(beam, Author("abcdefghij"), ScriptedPrm(), params, caps=Caps(tokens=3))
        assert (told(result), result.unspent) == ([((0,), "abcde", "cut")], 1)

    def test_each_step_of_a_rollout_is_cut(self) -> None:
        params = LookaheadParams(budget=1, width=1, lookahead=2, max_step_tokens=2)
        prm = ScriptedPrm()
        result = search(lookahead, Author("abcdefgh"), prm, params)
        first = next(n for n in result.trace.nodes if n.id == (0, ROLLOUT))
        assert (first.text, first.finish, first.scores) == ("cdef", "cut", (0.5, 0.5))
        assert (QUESTION, ("ab",), ("cd", "ef")) in prm.calls

    def test_a_strategy_that_writes_no_single_steps_does_not_take_the_limit(self) -> None:
        with pytest.raises(TypeError, match="max_step_tokens"):
            BestOfNParams(max_step_tokens=5)  # type: ignore[call-arg]


class TestStopStrings:
    @pytest.mark.parametrize("trims", [False, True])
    def test_one_ends_the_completion_and_is_no_part_of_it(self, trims: bool) -> None:
        policy = Author("a\n\n\\boxed{1}</answer> and more", trims=trims)
        params = BeamParams(budget=1, width=1, stop_strings=("</answer>",))
        state = beam.run(QUESTION, params=params, verifier=ScriptedPrm(), backend=policy)
        (only,) = state["result"].completions
        assert (only.text, only.finish, only.key) == ("a\n\n\\boxed{1}", "eot", "1")
        assert only.steps == ("a", "\\boxed{1}")
        assert state.text() == PROMPT + only.text
        assert [request.stop for request in policy.asked] == [("\n\n", "</answer>")] * 2

    @pytest.mark.parametrize("trims", [False, True])
    @pytest.mark.parametrize("caps", [Caps(), Caps(tokens=999)])
    def test_in_a_solution_that_is_written_whole(self, trims: bool, caps: Caps) -> None:
        policy = Author("a\n\nb STOP c", trims=trims)
        params = MajorityParams(budget=1, stop_strings=("never", "STOP"))
        (only,) = search(majority, policy, None, params, caps=caps).completions
        assert (only.text, only.finish, only.votes) == ("a\n\nb", "eot", True)

    @pytest.mark.parametrize("trims", [False, True])
    def test_one_that_begins_with_the_separator_is_found_across_steps(self, trims: bool) -> None:
        policy = Author("a\n\nb\n\nProblem: c\n\nd", trims=trims)
        prm = ScriptedPrm()
        result = written(policy, prm, stop_strings=("\n\nProblem:",))
        assert told(result)[-1] == ((0, 0, 0), "", "eot")
        (only,) = result.completions
        assert (only.text, only.steps, only.finish) == ("a\n\nb", ("a", "b"), "eot")
        assert len(prm.calls) == 2, "what is taken out was scored"

    def test_one_that_a_cut_divides_is_found(self) -> None:
        result = written(Author("abcSTOPd"), stop_strings=("STOP",), max_step_tokens=5)
        assert [(n.text, n.finish) for n in result.trace.nodes] == [("abcST", "cut"), ("", "eot")]

    def test_one_in_the_prompt_ends_nothing(self) -> None:
        (only,) = written(Author("ab"), stop_strings=(QUESTION, "\n\na")).completions
        assert only.text == "ab"

    def test_the_next_attempt_of_a_chain_does_not_see_it(self) -> None:
        policy = Author("ab STOP cd", knows_ids=True)
        params = ReviseParams(budget=3, ratio=3, stop_strings=("STOP",))
        result = search(revise, policy, ScriptedPrm(), params)
        assert [c.text for c in result.completions] == ["ab"] * 3
        assert [request.text for request in policy.asked] == [
            PROMPT,
            f"{PROMPT}ab \n\n{PROMPT}",
            f"{PROMPT}ab \n\n{PROMPT}ab \n\n{PROMPT}",
        ]
        # What was read before the attempt is known still; `Author` compares the ids.
        assert [r.known and r.known.chars for r in policy.asked] == [None, 3, 11]

    def test_nor_where_its_window_slides(self) -> None:
        policy = Author("ab STOP cd", knows_ids=True)
        params = ReviseParams(budget=5, ratio=5, context=2, stop_strings=("STOP",))
        search(revise, policy, ScriptedPrm(), params)
        assert policy.asked[-1].text == f"{PROMPT}ab \n\n{PROMPT}ab \n\n{PROMPT}"


LIMITS: dict[str, Any] = {"top_p": 0.9, "top_k": 20, "min_p": 0.1}


class TestWhatIsAsked:
    def test_nothing_that_was_not_said(self) -> None:
        policy = Author("a\n\nb")
        written(policy)
        search(best_of_n, policy, ScriptedPrm(), BestOfNParams(budget=2))
        assert len(policy.asked) >= 4
        for request in policy.asked:
            assert (request.limits(), dict(request.options)) == ({}, PLAIN)

    def test_what_was_said_in_every_request(self) -> None:
        policy = Author("a\n\nb")
        search(beam, policy, ScriptedPrm(), replace(BeamParams(budget=1, width=1), **LIMITS))
        params = replace(LookaheadParams(budget=2, width=2), **LIMITS)
        search(lookahead, policy, ScriptedPrm(), params)
        assert [request.limits() for request in policy.asked] == [LIMITS] * len(policy.asked)

    def test_what_sglang_takes_for_unsaid_is_said_where_it_was(self) -> None:
        policy = Author("a")
        written(policy, top_p=1.0, top_k=-1, min_p=0.0)
        assert policy.asked[0].limits() == {"top_p": 1.0, "top_k": -1, "min_p": 0.0}

    def test_an_apps_own_gen_asks_for_what_it_says(self) -> None:
        from sglang import function, gen

        policy = Author("abc")

        @function
        def program(s: Any) -> None:
            s += PROMPT
            s += gen("one", max_tokens=1, top_p=0.5, frequency_penalty=0.3)
            s += gen("two", max_tokens=1)

        program.run(backend=policy).sync()
        one, two = policy.asked
        assert (one.limits(), dict(one.options)) == (
            {"top_p": 0.5},
            {**PLAIN, "frequency_penalty": 0.3},
        )
        assert (two.limits(), dict(two.options)) == ({}, PLAIN)

    def test_parameters_of_another_package_need_not_know_of_limits(self) -> None:
        @dataclass(frozen=True)
        class Own:
            temperature: float = 0.5
            max_tokens: int = 9
            separator: str = "\n\n"
            top_k: int = 3  # its own affair: how many it keeps

        @strategy(Own, prm="never asked")
        def own(search: Search, params: Own) -> Vote:
            return by_number(search.expand([search.root], [1]))

        policy = Author("a")
        search(own, policy, None, Own())
        assert policy.asked[0].limits() == {}

    def test_greedy_takes_strings_that_end_it_and_no_limit_on_tokens(self) -> None:
        policy = Author("ab STOP")
        (only,) = search(greedy, policy, None, GreedyParams(stop_strings=("STOP",))).completions
        assert (only.text, policy.asked[0].stop) == ("ab", ("STOP",))
        with pytest.raises(TypeError, match="top_p"):
            GreedyParams(top_p=0.9)  # type: ignore[call-arg]


PLAIN = {"skip_special_tokens": True, "spaces_between_special_tokens": True}
"""How text is written, which is no sampling."""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"top_p": 0.0}, r"top_p must be above 0 and at most 1, not 0\.0"),
        ({"top_p": 1.1}, r"top_p must be above 0 and at most 1"),
        ({"top_p": float("nan")}, r"top_p must be above 0 and at most 1"),
        ({"top_k": 0}, r"top_k must be a whole number of at least 1, not 0; -1 is for all tokens"),
        ({"top_k": -2}, r"top_k must be .*-1 is for all"),
        ({"top_k": 2.5}, r"top_k must be a whole number"),
        ({"min_p": -0.1}, r"min_p must be from 0 to 1"),
        ({"min_p": 1.1}, r"min_p must be from 0 to 1"),
        ({"max_step_tokens": 0}, r"max_step_tokens must be a whole number of at least 1"),
        ({"stop_strings": ("a", "")}, r"a stop string must be a text that is not empty"),
        ({"stop_strings": "STOP"}, r"stop_strings must be a list of texts, not 'STOP'"),
        ({"separator": ""}, r"separator must be a text that is not empty"),
    ],
)
def test_a_limit_that_is_none_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(BeamParams(), **wrong)
