"""/v1/responses: as OpenAI's own client reads it, and what of a request reaches a search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from serve_scripted import LIMITS, Writer, catalogue, gateway, listening, page, strict
from starlette.testclient import TestClient

from sal.runs.turns import Turn
from sal.runtime.endpoint_errors import Unreachable
from sal.serve.app import make_app
from sal.serve.asked import Asked
from sal.serve.errors import ApiError
from sal.serve.read_responses import chat_body, read_responses

ANSWER = "First I count.\n\nIt is \\boxed{5}."
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Of a town.",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
    "strict": False,
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with listening(gateway(longest=100)) as made:
        yield made


def read(**body: Any) -> Asked:
    return read_responses({"model": "dvts", "input": "Hello?"} | body, {}, catalogue(), LIMITS)


def test_openais_own_client_reads_a_response(url: str) -> None:
    with strict(url) as made:
        reply = made.responses.create(
            model="dvts",
            input="Hello?",
            max_output_tokens=100,
            metadata={"who": "me"},
            extra_body={"budget": 4, "search": {"width": 2}, "seed": 3},
        )
    assert reply.output_text == ANSWER
    assert (reply.status, reply.object, reply.incomplete_details) == ("completed", "response", None)
    assert (reply.max_output_tokens, reply.metadata) == (100, {"who": "me"})
    thought, said = reply.output
    assert thought.type == "reasoning"
    assert "Step 1: 4 candidates" in thought.summary[0].text
    assert "[0.60] It is" in thought.summary[0].text
    assert said.type == "message"
    usage = reply.usage
    assert usage is not None
    assert usage.input_tokens == len("Hello?\n\n")
    assert 0 < usage.output_tokens_details.reasoning_tokens < usage.output_tokens
    told = (reply.model_extra or {})["sal"]
    assert (told["strategy"], told["budget"], told["seed"]) == ("dvts", 4, 3)


def test_openais_own_client_reads_a_streamed_response(url: str) -> None:
    with strict(url) as made:
        events = list(made.responses.create(model="dvts", input="Hello?", stream=True))
        with made.responses.stream(model="dvts", input="Hello?") as stream:  # it puts it together
            for _ in stream:
                pass
            whole = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = [e.delta for e in events if e.type == "response.output_text.delta"]
    thought = [e.delta for e in events if e.type == "response.reasoning_summary_text.delta"]
    assert "".join(said) == ANSWER
    assert "Chosen of 8 solutions" in "".join(thought)
    over = events[-1]
    assert over.type == "response.completed"
    done = [e.item for e in events if e.type == "response.output_item.done"]
    assert [item.to_dict() for item in done] == [item.to_dict() for item in over.response.output]
    assert over.response.usage is not None
    assert over.response.id == events[0].response.id  # type: ignore[union-attr]
    assert whole.output_text == ANSWER


def test_a_response_that_was_cut_says_so(url: str) -> None:
    with strict(url) as made:
        reply = made.responses.create(model="dvts", input="Hello?", max_output_tokens=10)
        events = list(
            made.responses.create(model="dvts", input="Hello?", max_output_tokens=10, stream=True)
        )
    assert reply.status == "incomplete"
    assert reply.incomplete_details is not None
    assert reply.incomplete_details.reason == "max_output_tokens"
    assert reply.output_text == "First I co"
    assert events[-1].type == "response.incomplete"


def test_refusals_name_the_fields_of_a_response(url: str) -> None:
    with strict(url) as made, pytest.raises(openai.BadRequestError) as refused:
        made.responses.create(model="dvts", input="Hello?", max_output_tokens=501)
    assert refused.value.param == "max_output_tokens"
    assert "max_tokens" not in str(refused.value)


def test_a_failure_in_the_middle_of_a_stream_ends_it() -> None:
    down = Unreachable("http://10.0.0.1:30000/generate: refused", at_fault=True)
    with listening(gateway(Writer(failing=down))) as url, strict(url) as made:
        events = list(made.responses.create(model="dvts", input="Hello?", stream=True))
        with pytest.raises(openai.InternalServerError):
            made.responses.create(model="dvts", input="Hello?")
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert "10.0.0.1" not in last.response.error.message


# Handed to the policy alone

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 2},
}


def calling(request: httpx.Request) -> httpx.Response:
    """A policy that thinks, and calls the tool twice."""
    body = json.loads(request.content)
    assert request.url.path == "/v1/chat/completions"
    assert body["tools"][0]["function"]["name"] == "weather"
    if not body.get("stream"):
        calls = [CALL, {**CALL, "id": "call_2"}]
        message = {"content": None, "reasoning_content": "Hm.", "tool_calls": calls}
        choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
        return httpx.Response(200, json={"id": "a", "choices": [choice], "usage": USAGE})
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, {"reasoning": "Hm."}]
    for i in range(2):
        deltas.append({"tool_calls": [{**CALL, "index": i, "id": f"call_{i + 1}"}]})
        deltas[-1]["tool_calls"][0]["function"] = {"name": "weather", "arguments": "{"}
        deltas.append({"tool_calls": [{"index": i, "function": {"arguments": "}"}}]})
    chunks: list[dict[str, Any]] = [
        {"id": "a", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    chunks[-1]["choices"][0]["finish_reason"] = "tool_calls"
    chunks.append({"id": "a", "choices": [], "usage": USAGE})
    return httpx.Response(200, text="".join(f"data: {json.dumps(c)}\n\n" for c in chunks))


def test_tool_calls_of_the_policy_come_back() -> None:
    with listening(gateway(policy=calling)) as url, strict(url) as made:
        tools: Any = [WEATHER]
        reply = made.responses.create(model="dvts", input="Rain?", tools=tools)
        events = list(made.responses.create(model="dvts", input="Rain?", tools=tools, stream=True))
    over = events[-1]
    assert over.type == "response.completed"
    for told in (reply, over.response):
        assert [item.type for item in told.output] == ["reasoning", *["function_call"] * 2]
        calls = [item for item in told.output if item.type == "function_call"]
        assert [(c.call_id, c.name, c.arguments) for c in calls] == [
            ("call_1", "weather", "{}"),
            ("call_2", "weather", "{}"),
        ]
        assert told.usage is not None
        assert told.usage.input_tokens_details.cached_tokens == 2
        assert told.tools[0].to_dict() == WEATHER
    pieces = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
    assert pieces == ["{", "}"] * 2


def test_an_error_in_the_policys_stream_is_told() -> None:
    def failing(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text='data: {"error": {"message": "at http://10.0.0.1/"}}\n\n')

    with TestClient(make_app(gateway(policy=failing), page), base_url="http://127.0.0.1") as made:
        body = {"model": "policy", "stream": True}
        said = [{"role": "user", "content": "Hello?"}]
        for path, question in (
            ("responses", {"input": "Hello?"}),
            ("chat/completions", {"messages": said}),
        ):
            reply = made.post(f"/v1/{path}", json=body | question)
            assert reply.status_code == 502
            assert "10.0.0.1" not in reply.text


# From the body to what is asked


def test_a_conversation_becomes_turns() -> None:
    said = [
        {"role": "developer", "content": "Be right."},
        {"role": "user", "content": [{"type": "input_text", "text": "2+2?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "4", "annotations": []}],
        },
        {"role": "user", "content": "And 3+3?"},
    ]
    search = read(input=said, instructions="Be brief.").search
    assert search is not None
    assert search.turns == (
        Turn("system", "Be brief.\n\nBe right."),
        Turn("user", "2+2?"),
        Turn("assistant", "4"),
        Turn("user", "And 3+3?"),
    )


def test_calls_and_their_outputs_reach_the_policy() -> None:
    said = [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "wet"},
        {
            "type": "function_call_output",
            "call_id": "b",
            "output": [{"type": "input_text", "text": "dry"}],
        },
    ]
    choice = {"type": "function", "name": "weather"}
    asked = read(input=said, tools=[WEATHER], tool_choice=choice)
    assert asked.because == ("tools", "messages")
    body = asked.body
    call = {"type": "function", "function": {"name": "weather", "arguments": "{}"}}
    assert body["messages"] == [
        {"role": "user", "content": "Rain?"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [{"id": "a", **call}, {"id": "b", **call}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "wet"},
        {"role": "tool", "tool_call_id": "b", "content": "dry"},
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    function = {name: value for name, value in WEATHER.items() if name != "type"}
    assert body["tools"] == [{"type": "function", "function": function}]


@pytest.mark.parametrize(
    ("body", "chat"),
    [
        ({"reasoning": {"effort": "high", "summary": "auto"}}, {"reasoning_effort": "high"}),
        ({"reasoning": {"effort": None}}, {}),
        ({"max_output_tokens": 5}, {"max_completion_tokens": 5}),
        ({"text": {"format": {"type": "text"}}}, {"response_format": {"type": "text"}}),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {}},
                }
            },
        ),
        ({"store": True, "truncation": "disabled", "background": False}, {"store": True}),
        ({"include": ["reasoning.encrypted_content"]}, {}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "top_p": 0.9}),
    ],
)
def test_fields_of_a_response_as_a_chat_has_them(
    body: dict[str, Any], chat: dict[str, Any]
) -> None:
    plain = {"model": "dvts", "messages": [{"role": "user", "content": "Hello?"}]}
    assert chat_body({"model": "dvts", "input": "Hello?"} | body) == plain | chat


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": 5}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": [5]}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input"),
        ({"input": [{"role": "user", "content": [5]}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 5}]}]}, "input"),
        ({"input": [{"role": "cat", "content": "x"}]}, "input"),
        ({"input": [{"content": "x"}]}, "input"),
        ({"instructions": 5}, "instructions"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "c"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"max_tool_calls": 2}, "max_tool_calls"),
        ({"max_output_tokens": "5"}, "max_output_tokens"),
        ({"reasoning": "high"}, "reasoning"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
        ({"reasoning": {"depth": 5}}, "reasoning"),
        ({"text": []}, "text"),
        ({"text": {"format": "json"}}, "text.format"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"messages": []}, "messages"),
        ({"n": 2}, "n"),
        ({"budget": 64}, "budget"),
    ],
)
def test_what_is_wrong_with_a_response_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as refused:
        read(**body)
    assert (refused.value.status, refused.value.param) == (400, param)
