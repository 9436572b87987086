"""What the policy answers alone: several texts, and votes over calls and JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest
from serve_scripted import LIMITS, catalogue, gateway, listening, page, strict
from starlette.testclient import TestClient

from sal.serve.app import make_app
from sal.serve.errors import ApiError
from sal.serve.policy_alone import PolicyAlone
from sal.serve.read_chat import read_chat
from sal.serve.several import parts_of, replies
from sal.serve.structured_vote import elected

HELLO: list[Any] = [{"role": "user", "content": "Hello?"}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
FORM: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}


def message(content: str | None, *calls: tuple[str, str]) -> dict[str, Any]:
    made = [
        {"id": f"call_{i}", "type": "function", "function": {"name": n, "arguments": a}}
        for i, (n, a) in enumerate(calls)
    ]
    return {"role": "assistant", "content": content, **({"tool_calls": made} if made else {})}


@dataclass
class Policy:
    """Answers with one message after the other; the tokens of the nth are n."""

    messages: Sequence[dict[str, Any]]
    cut: frozenset[int] = frozenset()
    seen: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.seen.append(body)
        number = len(self.seen)
        said = self.messages[(number - 1) % len(self.messages)]
        finish = (
            "length" if number - 1 in self.cut else "tool_calls" if "tool_calls" in said else "stop"
        )
        usage = {"prompt_tokens": 7, "completion_tokens": number, "total_tokens": 7 + number}
        head = {"id": f"id{number}", "object": "chat.completion", "created": 1, "model": "served"}
        if not body.get("stream"):
            choice = {"index": 0, "message": said, "finish_reason": finish, "logprobs": None}
            return httpx.Response(200, json={**head, "choices": [choice], "usage": usage})
        head["object"] = "chat.completion.chunk"
        choices = [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": said["content"]},
                "finish_reason": None,
            },
            {"index": 0, "delta": {}, "finish_reason": finish},
        ]
        chunks = [{**head, "choices": [c]} for c in choices]
        chunks.append({**head, "choices": [], "usage": usage})
        return httpx.Response(200, text="".join(f"data: {json.dumps(c)}\n\n" for c in chunks))


def test_each_of_n_texts_has_a_seed_and_a_name_of_its_own() -> None:
    policy = Policy([message("a"), message("b"), message("c")])
    with listening(gateway(policy=policy)) as url, strict(url) as made:
        reply = made.chat.completions.create(model="policy", messages=HELLO, n=3, seed=5)
    assert sorted(body["seed"] for body in policy.seen) == [5, 6, 7]
    assert len({body["rid"] for body in policy.seen}) == 3
    assert all("n" not in body for body in policy.seen)
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert {choice.message.content for choice in reply.choices} == {"a", "b", "c"}
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (7, 1 + 2 + 3)


def test_without_a_seed_it_is_of_chance() -> None:
    """A server that knows seeds has one for all that say none."""
    policy = Policy([message("a")])
    with TestClient(make_app(gateway(policy=policy), page), base_url="http://127.0.0.1") as made:
        for _ in range(2):
            made.post("/v1/chat/completions", json={"model": "policy", "messages": HELLO})
    assert policy.seen[0]["seed"] != policy.seen[1]["seed"]


def test_streams_of_n_texts_are_one() -> None:
    policy = Policy([message("a"), message("b")])
    with listening(gateway(policy=policy)) as url, strict(url) as made:
        options: Any = {"include_usage": True}
        chunks = list(
            made.chat.completions.create(
                model="policy", messages=HELLO, n=2, stream=True, stream_options=options
            )
        )
    said = {
        c.choices[0].index: c.choices[0].delta.content
        for c in chunks[:-1]
        if c.choices[0].delta.content
    }
    assert set(said) == {0, 1}
    assert set(said.values()) == {"a", "b"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (7, 3)


def test_who_goes_away_aborts_each_of_n_texts() -> None:
    asked: list[str] = []
    aborted: list[str] = []

    async def hold(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content)["rid"])
        await asyncio.Event().wait()
        raise AssertionError

    async def use() -> None:
        policy = PolicyAlone(
            "http://policy", "served", aborted.append, transport=httpx.MockTransport(hold)
        )
        task = asyncio.create_task(replies(policy, "/v1/chat/completions", {"n": 3}))
        while len(asked) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await policy.close()

    asyncio.run(use())
    assert len(asked) == 3
    assert sorted(2 * asked) == sorted(aborted)  # the first time it may be on its way


@pytest.mark.parametrize("status", [400, 503])
def test_a_request_that_was_refused_is_not_there_to_be_aborted(status: int) -> None:
    aborted: list[str] = []

    async def use() -> None:
        policy = PolicyAlone(
            "http://policy",
            "served",
            aborted.append,
            transport=httpx.MockTransport(lambda _: httpx.Response(status)),
        )
        with pytest.raises(ApiError):
            await policy.whole("/v1/chat/completions", {})
        await policy.close()

    asyncio.run(use())
    assert len(aborted) == (0 if status == 400 else 2)


def test_what_was_written_beside_a_prompt_that_was_refused_is_unknown() -> None:
    def one_is_long(request: httpx.Request) -> httpx.Response:
        if json.loads(request.content)["prompt"] == "long":
            return httpx.Response(400, json={"message": "too long"})
        return texts_of(request)

    made_gateway = gateway(policy=one_is_long, tokens_an_hour=10_000)
    with TestClient(make_app(made_gateway, page), base_url="http://127.0.0.1") as made:
        asked: dict[str, Any] = {"model": "policy", "max_tokens": 100}
        refused = [
            made.post("/v1/completions", json={**asked, "prompt": prompt})
            for prompt in ("long", ["a", "long"])
        ]
    assert [reply.status_code for reply in refused] == [400, 400]
    account = made_gateway.ledger.account("")
    assert (account.spent, account.unknown, account.reserved) == (0, 200, 0)


def texts_of(_: httpx.Request) -> httpx.Response:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "served"}
    choice = {"index": 0, "text": "Hi.", "finish_reason": "stop", "logprobs": None}
    return httpx.Response(200, json={**head, "choices": [choice], "usage": usage})


@pytest.mark.parametrize(
    ("body", "prompts"),
    [
        ({}, [None]),
        ({"prompt": "a"}, ["a"]),
        ({"prompt": [1, 2]}, [[1, 2]]),
        ({"prompt": ["a", "b"], "n": 2}, ["a", "a", "b", "b"]),
        ({"prompt": [[1], [2]]}, [[1], [2]]),
    ],
)
def test_each_prompt_is_a_request(body: dict[str, Any], prompts: list[Any]) -> None:
    parts = parts_of({**body, "seed": -2, "top_p": 0.5})
    assert [part.get("prompt") for part in parts] == prompts
    each = body.get("n", 1)
    assert [part["seed"] for part in parts] == [-2 + i % each for i in range(len(prompts))]
    assert all(part["top_p"] == 0.5 and "n" not in part for part in parts)


def test_seeds_have_64_bits_however_many_texts_there_are() -> None:
    last = 2**63 - 1
    assert [part["seed"] for part in parts_of({"seed": last, "n": 3})] == [last, -last - 1, -last]


# Votes

YES, NO = '{"a": 1, "b": [2]}', '{"a": 2}'


def ask(policy: Policy, **body: Any) -> httpx.Response:
    with TestClient(make_app(gateway(policy=policy), page), base_url="http://127.0.0.1") as made:
        asked = {"model": "majority@4", "messages": HELLO, **body}
        reply: Any = made.post("/v1/chat/completions", json=asked)
    return reply  # type: ignore[no-any-return]


def test_json_is_voted_over_however_it_is_written() -> None:
    said = [NO, YES, '{"b":[2],"a":1}', '{"b": [2], "a":1}']
    policy = Policy([message(text) for text in said])
    reply = ask(policy, response_format=FORM, seed=1)
    told = reply.json()
    assert reply.headers["x-search"] == "majority; response_format"
    assert json.loads(told["choices"][0]["message"]["content"]) == {"a": 1, "b": [2]}
    assert told["sal"] == {
        "strategy": "majority",
        "budget": 4,
        "rule": "majority",
        "solutions": 4,
        "votes": 3,
    }
    assert [choice["index"] for choice in told["choices"]] == [0]
    usage = told["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (7, 10)
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 10 - 2
    assert all(body["response_format"] == FORM for body in policy.seen)
    assert all(body["temperature"] > 0 for body in policy.seen)
    assert sorted(body["seed"] for body in policy.seen) == [1, 2, 3, 4]


def test_calls_are_voted_over() -> None:
    said = [message(None, ("f", '{"x": 1}')), message("No."), message(None, ("f", '{"x":1}'))]
    told = ask(Policy([*said, message("Nothing.")]), model="majority@3", tools=TOOLS).json()
    assert told["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] in (
        '{"x": 1}',
        '{"x":1}',
    )
    assert told["choices"][0]["finish_reason"] == "tool_calls"
    said = [message("No."), message(None, ("f", "{}")), message("Never.")]
    told = ask(Policy(said), model="majority@3", tools=TOOLS).json()
    assert told["choices"][0]["message"]["content"] in ("No.", "Never.")


def reply_of(said: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish}], "usage": usage}


def test_calls_with_arguments_that_are_no_json_are_equal_as_they_stand() -> None:
    said = [message(None, ("f", text)) for text in ("{x", "{y", '{"x": 1}', "{y")]
    told = elected([reply_of(one) for one in said])
    assert told["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{y"
    assert told["sal"]["votes"] == 2


def test_what_was_cut_off_has_no_vote() -> None:
    cut = [reply_of(message('{"a"'), "length")] * 2
    told = elected([*cut, reply_of(message(YES))])
    assert told["choices"][0]["message"]["content"] == YES
    assert told["sal"]["votes"] == 1
    assert elected(cut)["sal"]["votes"] == 0


def test_what_no_engine_told_is_unknown() -> None:
    assert elected([{**reply_of(message(YES)), "usage": None}] * 2)["usage"] is None


def test_a_vote_is_streamed_as_valid_chunks() -> None:
    policy = Policy([message(None, ("f", '{"x": 1}'))])
    with listening(gateway(policy=policy)) as url, strict(url) as made:
        tools: Any = TOOLS
        chunks = list(
            made.chat.completions.create(
                model="majority@4",
                messages=HELLO,
                tools=tools,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        whole = made.responses.create(
            model="majority@4",
            input="Hello?",
            tools=[{"type": "function", "name": "f", "parameters": {}, "strict": False}],
        )
    calls = chunks[0].choices[0].delta.tool_calls
    assert calls is not None
    assert calls[0].function is not None
    assert calls[0].function.arguments == '{"x": 1}'
    assert chunks[1].choices[0].finish_reason == "tool_calls"
    assert (chunks[1].model_extra or {})["sal"]["votes"] == 4
    assert chunks[2].usage is not None
    assert [item.type for item in whole.output] == ["function_call"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "n"),
        ({"budget": 64}, "budget"),
        ({"search": {"colour": "red"}}, "colour"),
        ({"temperature": 3}, "temperature"),
    ],
)
def test_a_vote_is_within_the_limits(body: dict[str, Any], param: str) -> None:
    asked = {"model": "majority", "messages": HELLO, "tools": TOOLS} | body
    with pytest.raises(ApiError) as refused:
        read_chat(asked, {}, catalogue(), LIMITS)
    assert refused.value.param == param


# A policy without a chat template

STRAY = ["a field that a text does not have"]


def texts(request: httpx.Request) -> httpx.Response:
    assert request.url.path == "/v1/completions"
    body = json.loads(request.content)
    assert (body["prompt"], body["max_tokens"]) == ("<Hello?>", 9)
    assert "max_completion_tokens" not in body
    assert body.get("messages") in (None, STRAY)
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "served"}
    if not body.get("stream"):
        choice = {"index": 0, "text": "Hi.", "finish_reason": "stop", "logprobs": None}
        return httpx.Response(200, json={**head, "choices": [choice], "usage": usage})
    pieces = [{"index": 0, "text": text} for text in ("H", "i.")]
    pieces[-1]["finish_reason"] = "stop"
    chunks = [{**head, "choices": [piece]} for piece in pieces] + [
        {**head, "choices": [], "usage": usage}
    ]
    return httpx.Response(200, text="".join(f"data: {json.dumps(c)}\n\n" for c in chunks))


def test_a_chat_is_a_text_where_there_is_no_template() -> None:
    made_gateway = gateway(policy=texts)
    made_gateway.policy_alone.text_of = lambda messages: f"<{messages[0]['content']}>"
    with listening(made_gateway) as url, strict(url) as made:
        asked: Any = {"model": "policy", "messages": HELLO, "max_completion_tokens": 9}
        reply = made.chat.completions.create(**asked)
        chunks: Any = list(made.chat.completions.create(**asked, stream=True))
        response = made.responses.create(model="policy", input="Hello?", max_output_tokens=9)
        text: Any = {"prompt": "<Hello?>", "max_tokens": 9, "extra_body": {"messages": STRAY}}
        assert made.completions.create(model="policy", **text).choices[0].text == "Hi."
        wrong: list[Any] = [
            *({"tools": TOOLS}, {"logprobs": True}, {"response_format": {"type": "json_object"}}),
        ]
        for more in wrong:
            with pytest.raises(openai.BadRequestError) as refused:
                made.chat.completions.create(**asked, **more)
            assert refused.value.param in more
    assert reply.choices[0].message.content == "Hi."
    assert [c.choices[0].delta.content for c in chunks] == ["H", "i."]
    assert [c.choices[0].delta.role for c in chunks] == ["assistant", None]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert response.output_text == "Hi."
