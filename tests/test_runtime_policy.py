"""The boundary to the policy: what a reply must hold, and what happens when it does not."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from programs_scripted import QUESTION, ScriptedPolicy, ScriptedPrm, end, search
from sglang.lang.backend.base_backend import BaseBackend

from sal.programs.beam import BeamParams, beam
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.programs.dvts import DvtsParams, dvts
from sal.runtime.frontend.backend import Policy
from sal.runtime.policy import UNKNOWN, IncompleteReply, PolicyFault, Reply, Request, read_reply
from sal.runtime.usage import Usage

STEPWISE = Request("?", 9, stop=("\n\n",))
WHOLE = Request("?", 9)
COUNTS = {"prompt_tokens": 5, "cached_tokens": 4, "completion_tokens": 2}


class TestReadReply:
    @pytest.mark.parametrize(
        ("reason", "ended", "matched"),
        [
            ({"type": "stop", "matched": "\n\n"}, "stop", "\n\n"),
            ({"type": "stop", "matched": 2}, "end", ""),
            ({"type": "stop", "matched": "else"}, "end", ""),
            ({"type": "length", "length": 9}, "length", ""),
        ],
    )
    def test_how_it_ended(self, reason: dict[str, Any], ended: str, matched: str) -> None:
        reply = read_reply("B", "a", {"finish_reason": reason, **COUNTS}, STEPWISE)
        assert (reply.ended, reply.matched, reply.usage) == (ended, matched, Usage(5, 4, 2, 1))

    @pytest.mark.parametrize(
        ("told", "request_", "field"),
        [
            ({}, WHOLE, "finish_reason"),
            ({"finish_reason": None}, WHOLE, "finish_reason"),
            ({"finish_reason": "stop"}, WHOLE, "finish_reason"),
            ({"finish_reason": {"type": "stop"}}, STEPWISE, r"finish_reason\.matched"),
            (
                {"finish_reason": {"type": "length"}},
                Request("?", 9, top_logprobs=2),
                "output_top_logprobs",
            ),
        ],
    )
    def test_what_is_missing_is_named(
        self, told: Mapping[str, Any], request_: Request, field: str
    ) -> None:
        with pytest.raises(IncompleteReply, match=f"^Theirs: its reply has no {field}: "):
            read_reply("Theirs", "a", told, request_)

    def test_a_solution_written_whole_needs_no_word_on_what_matched(self) -> None:
        reply = read_reply("B", "a", {"finish_reason": {"type": "stop"}}, WHOLE)
        assert (reply.ended, reply.usage) == ("end", UNKNOWN)

    def test_one_that_was_cut_off_is_its_own_error(self) -> None:
        with pytest.raises(RuntimeError, match="ended with out of memory"):
            read_reply(
                "B", "", {"finish_reason": {"type": "abort", "message": "out of memory"}}, WHOLE
            )


class Own(Policy):
    """Two steps and an end, and no word on tokens."""

    def __init__(self, usage: Usage = UNKNOWN) -> None:
        super().__init__()
        self.usage = usage
        self.asked: list[Request] = []
        self._lock = threading.Lock()

    def write(self, request: Request) -> Reply:
        with self._lock:
            self.asked.append(request)
        if request.text.count("\n\n") < 3:
            return Reply("step", "stop", "\n\n", self.usage)
        return Reply("\\boxed{4}", "end", usage=self.usage)


class TestOwnBackend:
    @pytest.mark.parametrize("program", [beam, dvts])
    def test_it_needs_no_more_than_write(self, program: Any) -> None:
        policy = Own()
        params = (BeamParams if program is beam else DvtsParams)(budget=4, width=2)
        result = search(program, policy, ScriptedPrm(), params)
        assert result.errors == ()
        assert [c.steps for c in result.completions] == [("step", "step", "\\boxed{4}")] * 4
        assert result.best is not None
        assert result.best.key == "4"
        first = policy.asked[0]
        assert (first.text, first.stop, first.temperature) == (f"{QUESTION}\n\n", ("\n\n",), 0.8)
        assert len({request.seed for request in policy.asked}) == len(policy.asked)

    def test_usage_that_is_not_told_is_unknown_and_never_zero(self) -> None:
        result = search(beam, Own(), ScriptedPrm(), BeamParams(budget=2, width=2))
        used = result.trace.policy
        assert used == Usage(None, None, None, used.requests)
        assert used.requests == len(result.trace.nodes)
        assert used.uncached_tokens is None
        assert {c.tokens for c in result.completions} == {None}
        assert {n.tokens for n in result.trace.nodes} == {None}

    def test_part_of_the_usage_may_be_unknown(self) -> None:
        result = search(beam, Own(Usage(7, None, 2, 1)), ScriptedPrm(), BeamParams(budget=1))
        assert result.trace.policy == Usage(21, None, 6, 3)
        assert result.completions[0].tokens == 6

    def test_steps_without_end_end_even_where_no_tokens_are_told(self) -> None:
        class Endless(Own):
            def write(self, request: Request) -> Reply:
                self.asked.append(request)
                if len(self.asked) > 20:
                    raise RuntimeError("asked without end")
                return Reply("", "stop", "\n\n")

        result = search(beam, Endless(), ScriptedPrm(), BeamParams(budget=1, max_tokens=5))
        assert [c.finish for c in result.completions] == ["length"]

    def test_a_cap_on_tokens_needs_them_told(self) -> None:
        with pytest.raises(
            IncompleteReply, match=r"^Own: its reply has no completion_tokens: .*cap"
        ):
            search(beam, Own(), ScriptedPrm(), BeamParams(budget=2), caps=Caps(tokens=9))

    @pytest.mark.parametrize("keeps", [True, False])
    def test_the_stop_string_may_stand_in_the_text_or_not(self, keeps: bool) -> None:
        class Keeping(Own):
            def write(self, request: Request) -> Reply:
                reply = super().write(request)
                text = reply.text + reply.matched if keeps else reply.text
                return Reply(text, reply.ended, reply.matched)

        policy = Keeping()
        search(beam, policy, ScriptedPrm(), BeamParams(budget=1))
        assert [r.text for r in policy.asked] == ["q\n\n", "q\n\nstep\n\n", "q\n\nstep\n\nstep\n\n"]


class Stock(BaseBackend):
    """A backend of SGLang's kind that answers with a fixed `meta_info`."""

    def __init__(self, meta: dict[str, Any], text: str = "a") -> None:
        super().__init__()
        self.meta, self.text, self.calls = meta, text, 0

    def generate(self, s: Any, sampling_params: Any) -> tuple[str, dict[str, Any]]:
        self.calls += 1
        return self.text, dict(self.meta)


class TestFaults:
    """Told at once, by the backend's name, before N candidates fail one by one."""

    def test_a_reply_without_anything(self) -> None:
        with pytest.raises(IncompleteReply, match=r"^Stock: its reply has no finish_reason: "):
            search(dvts, Stock({}), ScriptedPrm(), DvtsParams(budget=8))

    def test_a_typo_in_somebodys_generate(self) -> None:
        class Typo(Stock):
            def generate(self, s: Any, sampling_params: Any) -> Any:
                return s.txt_, {}

        with pytest.raises(PolicyFault, match=r"^Typo: AttributeError: .*txt_") as told:
            search(dvts, Typo({}), ScriptedPrm(), DvtsParams(budget=8))
        assert isinstance(told.value.__cause__, AttributeError)

    def test_a_backend_that_reads_ahead_is_asked_once(self) -> None:
        class Reading(Stock):
            def cache_prefix(self, prefix_str: str) -> None: ...

        policy = Reading({})
        with pytest.raises(IncompleteReply):
            search(best_of_n, policy, ScriptedPrm(), BestOfNParams(budget=64))
        assert policy.calls == 1

    def test_an_endpoint_that_fails_is_data(self) -> None:
        class Down(Stock):
            def generate(self, s: Any, sampling_params: Any) -> Any:
                raise ConnectionError("no route")

        result = search(best_of_n, Down({}), ScriptedPrm(), BestOfNParams(budget=2))
        assert result.errors == ("policy: ConnectionError: no route",) * 2

    def test_what_is_said_when_the_prompt_is_read_is_in_no_candidate(self) -> None:
        policy = ScriptedPolicy({(0,): end("\\boxed{1}"), (1,): end("\\boxed{2}")})
        said = []

        class Talking(ScriptedPolicy):
            def generate(self, s: Any, sampling_params: Any) -> Any:
                text, meta = super().generate(s, sampling_params)
                said.append((sampling_params.max_new_tokens, text))
                return text, meta

        policy = Talking({(0,): end("\\boxed{1}"), (1,): end("\\boxed{2}")})
        result = search(best_of_n, policy, ScriptedPrm(), BestOfNParams(budget=2))
        assert said[0] == (0, "glued?")
        assert set(policy.prefixes.values()) == {"q\n\n"}
        assert [c.text for c in result.completions] == ["\\boxed{1}", "\\boxed{2}"]
