"""A policy behind `/v1/completions`: the real server's, and servers that tell less."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from programs_scripted import ScriptedPrm, search

from sal.programs.deepconf import DeepConfParams, deepconf
from sal.programs.dvts import DvtsParams, dvts
from sal.runtime.client import Engine
from sal.runtime.openai_backend import OpenAIBackend
from sal.runtime.policy import UNKNOWN, IncompleteReply, Request
from sal.runtime.usage import Usage
from sal.tiny.paths import POLICY

PROMPT = "Let a=7, b=a-3+2, c=b*2+a. Find c.\n\n"


class Scripted(Engine):
    """Answers with one fixed choice, and remembers what it was asked."""

    def __init__(self, choice: dict[str, Any], **reply: Any) -> None:
        super().__init__("http://127.0.0.1:9/v1")
        self.reply = {"choices": [choice], **reply}
        self.asked: list[dict[str, Any]] = []

    def models(self) -> list[str]:
        return ["one", "two"]

    def complete(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(payload)
        return self.reply


def test_what_is_asked() -> None:
    engine = Scripted({"text": "a", "finish_reason": "length"})
    request = Request(
        "?",
        9,
        0.5,
        ("\n\n",),
        seed=3,
        options={"frequency_penalty": 0.5, "ignore_eos": True},
        top_p=0.9,
        top_k=4,
    )
    OpenAIBackend(engine).write(request)
    assert engine.asked == [
        {
            "model": "one",
            "prompt": "?",
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 4,
            "frequency_penalty": 0.5,
            "stop": ["\n\n"],
            "seed": 3,
        }
    ]


@pytest.mark.parametrize(
    ("choice", "ended", "matched"),
    [
        ({"finish_reason": "stop", "matched_stop": "\n\n"}, "stop", "\n\n"),
        ({"finish_reason": "stop", "matched_stop": 362}, "end", ""),
        ({"finish_reason": "stop", "stop_reason": "\n\n"}, "stop", "\n\n"),
        ({"finish_reason": "stop", "stop_reason": None}, "end", ""),
        ({"finish_reason": "length", "matched_stop": None}, "length", ""),
    ],
)
def test_how_it_ended(choice: dict[str, Any], ended: str, matched: str) -> None:
    engine = Scripted({"text": "a", **choice})
    reply = OpenAIBackend(engine).write(Request("?", 9, stop=("\n\n",)))
    assert (reply.ended, reply.matched, reply.usage) == (ended, matched, UNKNOWN)


def test_a_server_that_does_not_tell_what_stopped_it_is_refused_at_once() -> None:
    engine = Scripted({"text": "a", "finish_reason": "stop"})
    with pytest.raises(IncompleteReply, match=r"^OpenAIBackend at http.*has no matched_stop: "):
        search(dvts, OpenAIBackend(engine), ScriptedPrm(), DvtsParams(budget=8))


def test_a_server_without_logprobs_is_refused_where_they_are_needed() -> None:
    engine = Scripted({"text": "a", "finish_reason": "stop", "matched_stop": None})
    with pytest.raises(IncompleteReply, match="has no logprobs: "):
        search(deepconf, OpenAIBackend(engine), None, DeepConfParams(budget=2, warmup=2))


def test_usage_as_openai_tells_it() -> None:
    told = {
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    engine = Scripted({"text": "a", "finish_reason": "length"}, usage=told)
    assert OpenAIBackend(engine).write(Request("?", 9)).usage == Usage(7, 4, 2, 1)


@pytest.mark.servers
@pytest.mark.parametrize("ending", ["", "/v1", "/v1/"])
def test_the_real_servers_v1(policy_server: str, ending: str) -> None:
    with Engine(policy_server + ending) as engine:
        backend = OpenAIBackend(engine)
        assert backend.get_model_name() == str(POLICY)
        step = backend.write(Request(PROMPT, 99, 0.0, ("\n\n",), top_logprobs=3))
        assert (step.text, step.ended, step.matched) == ("b=7-3+2=4+2=6", "stop", "\n\n")
        assert step.usage.completion_tokens == len(step.top_logprobs)
        assert {len(top) for top in step.top_logprobs} == {3}
        whole = backend.write(Request(PROMPT, 99, 0.0))
        assert (whole.ended, whole.text[-10:]) == ("end", "\\boxed{19}")
        assert backend.write(Request(PROMPT, 3, 0.0)).ended == "length"
        assert engine.usage.requests == 3
        assert (
            engine.usage.completion_tokens
            == step.usage.completion_tokens + (whole.usage.completion_tokens or 0) + 3
        )


@pytest.mark.servers
def test_sglangs_own_openai_backend_is_told_apart_at_once(
    policy_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes no finish reason on: an empty result and a list of KeyErrors before."""
    from sglang.lang.backend import openai

    class Tokens:
        """Stands in for tiktoken, which would load its vocabulary from the network."""

        _mergeable_ranks: ClassVar[dict[str, int]] = {}
        _special_tokens: ClassVar[dict[str, int]] = {"<|endoftext|>": 0}

        @staticmethod
        def encoding_for_model(_: str) -> type[Tokens]:
            return Tokens

    monkeypatch.setattr(openai, "tiktoken", Tokens)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    backend = openai.OpenAI("tiny", is_chat_model=False, base_url=f"{policy_server}/v1")
    with pytest.raises(IncompleteReply, match=r"^OpenAI: its reply has no finish_reason: "):
        search(dvts, backend, ScriptedPrm(), DvtsParams(budget=8))
