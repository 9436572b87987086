"""The gateway over HTTP, on scripted engines."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from serve_scripted import PATIENCE, Held, Writer, gateway, listening, page, strict
from starlette.testclient import TestClient

from sal.runtime.endpoint_errors import Rejected, Unreachable
from sal.serve.app import LARGEST, make_app
from sal.serve.gateway import Gateway
from sal.serve.keys import new_key, read_keys
from sal.serve.limits import Limits
from sal.serve.start import bound

HELLO = [{"role": "user", "content": "Hello?"}]
ANSWER = "First I count.\n\nIt is \\boxed{5}."


@contextmanager
def client(of: Gateway | None = None, *, local: bool = True) -> Iterator[TestClient]:
    app = make_app(of or gateway(), page, local=local)
    with TestClient(app, base_url="http://127.0.0.1:7727") as made:
        yield made


def ask(made: TestClient, **body: Any) -> httpx.Response:
    reply: Any = made.post("/v1/chat/completions", json={"model": "dvts", "messages": HELLO} | body)
    response: httpx.Response = reply
    return response


def events(text: str) -> list[dict[str, Any]]:
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert data.pop() == "[DONE]"
    return [json.loads(one) for one in data]


def test_a_question_is_searched_and_answered() -> None:
    with client() as made:
        reply = ask(made, seed=7)
    told = reply.json()
    assert reply.status_code == 200
    assert told["choices"][0]["message"]["content"] == ANSWER
    assert told["choices"][0]["finish_reason"] == "stop"
    assert reply.headers["x-search"] == "dvts"
    search = told["sal"]
    assert (search["strategy"], search["budget"], search["seed"]) == ("dvts", 8, 7)
    assert search["usage"]["prm"] == {  # equal steps are scored once
        "prompt_tokens": 20,
        "cached_tokens": 8,
        "completion_tokens": 0,
        "requests": 2,
    }
    usage = told["usage"]
    assert usage["prompt_tokens"] == len("Hello?\n\n")
    assert usage["completion_tokens"] == search["usage"]["policy"]["completion_tokens"]
    kept = len("First I count.") + len("It is \\boxed{5}.")
    assert usage["completion_tokens_details"]["reasoning_tokens"] == (
        usage["completion_tokens"] - kept
    )


def test_a_stream_tells_progress_the_path_and_then_the_answer() -> None:
    with client() as made:
        reply = ask(made, stream=True, stream_options={"include_usage": True})
        whole = ask(made)
    assert reply.headers["content-type"].startswith("text/event-stream")
    chunks = events(reply.text)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    thoughts = [d for d in deltas if "reasoning" in d]
    assert all(d["reasoning"] == d["reasoning_content"] for d in thoughts)
    text = "".join(d["reasoning"] for d in thoughts)
    assert "Step 1: 8 candidates" in text
    assert "[0.60] It is \\boxed{5}." in text
    assert "".join(d.get("content", "") for d in deltas) == ANSWER
    first = next(i for i, d in enumerate(deltas) if d.get("content"))
    assert all("reasoning" not in d for d in deltas[first:])
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == whole.json()["usage"]
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_without_being_asked_a_stream_tells_no_usage() -> None:
    with client() as made:
        chunks = events(ask(made, stream=True).text)
    assert all("usage" not in chunk for chunk in chunks)
    assert chunks[-1]["sal"]["strategy"] == "dvts"


def test_each_conversation_gets_its_own_answer() -> None:
    said = [{"role": "user", "content": "x" * n + "?"} for n in range(1, 30)]
    with client(gateway(longest=100)) as made:
        replies: dict[int, str] = {}

        def one(n: int) -> None:
            told = ask(made, messages=[said[n - 1]]).json()
            replies[n] = told["choices"][0]["message"]["content"]

        threads = [threading.Thread(target=one, args=(n,)) for n in range(1, 30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert replies == {n: f"First I count.\n\nIt is \\boxed{{{n}}}." for n in range(1, 30)}


def test_a_conversation_without_a_template_reaches_the_policy_whole() -> None:
    writer = Writer()
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "2?"},
    ]
    with client(gateway(writer)) as made:
        assert ask(made, messages=said).status_code == 200
    assert writer.requests[-1].text.startswith("Be brief.\n\n1?\n\nOne.\n\n2?\n\n")


def test_a_seed_makes_the_same_requests_again() -> None:
    writer = Writer()
    with client(gateway(writer)) as made:
        for seed in (3, 3, 4):
            ask(made, seed=seed)
    seeds = [r.seed for r in writer.requests if r.max_tokens]
    third = len(seeds) // 3
    assert sorted(map(str, seeds[:third])) == sorted(map(str, seeds[third : 2 * third]))
    assert set(seeds[:third]).isdisjoint(seeds[2 * third :])


def test_stop_strings_and_lengths_are_honoured() -> None:
    with client() as made:
        stopped = ask(made, stop="box").json()["choices"][0]
        assert stopped["message"]["content"] == "First I count.\n\nIt is \\"
        cut = ask(made, max_tokens=10).json()["choices"][0]
        assert (cut["message"]["content"], cut["finish_reason"]) == ("First I co", "length")


def test_a_text_is_completed() -> None:
    with client() as made:
        body = {"model": "best-of-n@4", "prompt": "Hello?\n\n"}
        told = made.post("/v1/completions", json=body).json()
        assert told["object"] == "text_completion"
        assert told["choices"][0]["text"] == ANSWER
        streamed = made.post("/v1/completions", json=body | {"stream": True})
    chunks = events(streamed.text)
    assert "".join(c["choices"][0]["text"] for c in chunks) == ANSWER
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", None, 404, "not_found"),
        ("GET", "/v1/chat/completions", None, 405, "not_found"),
        ("POST", "/v1/chat/completions", b"{", 400, None),
        ("POST", "/v1/chat/completions", b"[" * 100_000, 400, None),
        ("POST", "/v1/chat/completions", b"{}", 400, None),
        ("POST", "/v1/chat/completions", b'{"model": "gpt-4"}', 404, "model_not_found"),
        ("POST", "/v1/chat/completions", b" " * (LARGEST + 1), 413, None),
        ("GET", "/v1/models/gpt-4", None, 404, "model_not_found"),
        ("GET", "/v1/models/dvts@5", None, 404, "model_not_found"),
        ("GET", "/searches/none", None, 404, "not_found"),
    ],
)
def test_errors_have_openais_shape(
    method: str, path: str, body: bytes | None, status: int, code: str | None
) -> None:
    with client() as made:
        reply = made.request(method, path, content=body)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code


def test_a_prompt_that_is_too_long_is_refused_in_openais_words() -> None:
    with client() as made:
        reply = ask(made, messages=[{"role": "user", "content": "x" * 10_000}])
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "context_length_exceeded")


def test_a_failing_engine_is_a_server_error_without_its_address() -> None:
    down = Unreachable("http://10.0.0.1:30000/generate: refused", at_fault=True)
    with client(gateway(Writer(failing=down))) as made:
        whole, streamed = ask(made), ask(made, stream=True)
    assert whole.status_code == 503
    assert whole.json()["error"]["type"] == "server_error"
    assert "10.0.0.1" not in whole.text
    assert events(streamed.text)[-1] == whole.json()
    wrong = Rejected("http://10.0.0.1:30000/generate: HTTP 400: too odd")
    with client(gateway(Writer(failing=wrong))) as made:
        assert ask(made).json()["error"]["code"] == "no_answer"


def test_the_models_are_listed_with_the_policy() -> None:
    with client() as made:
        names = [m["id"] for m in made.get("/v1/models").json()["data"]]
        assert {"sal", "policy", "dvts", "dvts@8", "best-of-n"} <= set(names)
        assert made.get("/v1/models/dvts@8").json()["id"] == "dvts@8"


def test_a_full_queue_says_when_to_come_again() -> None:
    held = Held()
    made_gateway = gateway(Writer(held), room=8, longest=1)

    async def use() -> None:
        transport = httpx.ASGITransport(make_app(made_gateway, page))
        url = "http://127.0.0.1/v1/chat/completions"
        body = {"model": "dvts", "messages": HELLO}
        async with httpx.AsyncClient(transport=transport) as made:
            flying = [asyncio.create_task(made.post(url, json=body)) for _ in range(2)]
            await asyncio.to_thread(held.some.wait, PATIENCE)
            while not made_gateway.queue.waiting:
                await asyncio.sleep(0.01)
            reply = await made.post(url, json=body)
            assert reply.status_code == 429
            assert int(reply.headers["retry-after"]) >= 1
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)
            await made_gateway.close()

    asyncio.run(use())


def test_the_ledger_refuses_before_anything_is_searched() -> None:
    writer = Writer()
    made_gateway = gateway(writer, tokens_an_hour=8 * 500 + 100)
    with client(made_gateway) as made:
        assert ask(made).status_code == 200
        asked = len(writer.requests)
        refused = ask(made)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
        assert len(writer.requests) == asked
        assert ask(made, max_tokens=100).status_code == 200
    account = made_gateway.ledger.account("")
    assert account.reserved == 0
    assert 0 < account.spent < 1000


def test_only_keys_open_the_gateway(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = new_key(tmp_path / "keys", "alice")
    made_gateway = gateway(keys=read_keys(tmp_path / "keys"), tokens_an_hour=10**6)
    with client(made_gateway) as made:
        assert made.get("/health").status_code == 200
        for path in ("/v1/models", "/v1/models/dvts", "/metrics"):
            reply = made.get(path)
            assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")
        assert ask(made).status_code == 401
        made.headers["Authorization"] = f"Bearer {key}"
        told = ask(made)
        assert told.status_code == 200
        assert made.get("/metrics").status_code == 200
        del made.headers["Authorization"]
        assert told.json()["sal"]["id"] in made.get(told.json()["sal"]["trace"]).text
    assert made_gateway.ledger.account("alice").spent > 0
    assert key not in caplog.text


def test_health_tells_that_an_engine_is_gone() -> None:
    made_gateway = gateway()
    with client(made_gateway) as made:
        assert made.get("/health").status_code == 200
        made_gateway.failed = lambda: "the policy server at http://10.0.0.1 died twice"
        gone = made.get("/health")
    assert gone.status_code == 503
    assert "10.0.0.1" not in gone.text


def test_metrics_count_requests_and_tokens() -> None:
    with client() as made:
        told = ask(made).json()["sal"]["usage"]
        ask(made, n=2)
        text = made.get("/metrics").text
    assert 'sal_serve_requests_total{status="200",strategy="dvts"} 1.0' in text
    assert 'sal_serve_requests_total{status="400",strategy="refused"} 1.0' in text
    generated = float(told["policy"]["completion_tokens"])
    assert f'sal_serve_tokens_total{{engine="policy",kind="generated"}} {generated}' in text
    assert 'sal_serve_tokens_total{engine="prm",kind="cached"} 8.0' in text
    assert "sal_serve_completions_in_flight 0.0" in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:7727"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": ""},
    ],
)
def test_no_web_page_reaches_a_gateway_on_the_loopback(headers: dict[str, str]) -> None:
    with client() as made:
        assert made.get("/v1/models", headers=headers).status_code == 403
        assert made.get("/v1/models").status_code == 200
    with client(local=False) as made:
        assert made.get("/v1/models", headers={"Host": "search.example"}).status_code == 200


# Handed to the policy alone


def policy_says(body: dict[str, Any], status: int = 200) -> Any:
    seen: list[dict[str, Any]] = []

    def reply(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"] == "application/json"
        seen.append({"path": request.url.path, **json.loads(request.content)})
        return httpx.Response(status, json=body)

    reply.seen = seen  # type: ignore[attr-defined]
    return reply


CALLED = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "served",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
}


def test_tools_are_handed_to_the_policy() -> None:
    policy = policy_says(CALLED)
    made_gateway = gateway(policy=policy)
    tools = [{"type": "function", "function": {"name": "f"}}]
    with client(made_gateway) as made:
        reply = ask(made, tools=tools, tool_choice="required", budget=8)
    assert reply.json() == CALLED
    assert reply.headers["x-search"] == "policy; tools"
    (seen,) = policy.seen
    assert (seen["path"], seen["model"]) == ("/v1/chat/completions", "served")
    assert (seen["tools"], seen["tool_choice"]) == (tools, "required")
    assert "budget" not in seen
    assert made_gateway.ledger.account("").spent == 4


def test_the_policys_stream_is_handed_back() -> None:
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "Hi"}}]},
        {"choices": [], "usage": {"completion_tokens": 9}},
    ]
    data = "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + "data: [DONE]\n\n"
    made_gateway = gateway(policy=lambda _: httpx.Response(200, text=data))
    with client(made_gateway) as made:
        plain = events(ask(made, model="policy", stream=True).text)
        options = {"include_usage": True}
        told = events(ask(made, model="policy", stream=True, stream_options=options).text)
    assert plain == chunks[:1]
    assert told == chunks
    assert made_gateway.ledger.account("").spent == 18


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"message": "bad tools"}, 400),
        (422, {"error": {"message": "bad tools"}}, 400),
        (401, {"message": "no key"}, 502),
        (500, {"message": "at http://10.0.0.1:1/x"}, 502),
        (503, {"message": "full"}, 503),
        (200, [], 502),
        (200, {"choices": []}, 502),
    ],
)
def test_what_the_policys_server_refuses(status: int, body: Any, expected: int) -> None:
    made_gateway = gateway(policy=policy_says(body, status))
    with client(made_gateway) as made:
        whole = ask(made, model="policy")
        account = made_gateway.ledger.account("")
        assert (account.unknown, account.reserved) == (500 if expected >= 500 else 0, 0)
        streamed = ask(made, model="policy", stream=True)
    assert whole.status_code == expected
    assert "10.0.0.1" not in whole.text
    if status != 200:
        assert streamed.status_code == expected


def test_an_unreachable_policy_is_told() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    with client(gateway(policy=refuse)) as made:
        assert ask(made, model="policy").status_code == 503


# Over a real port


@pytest.mark.parametrize("stream", [False, True])
def test_who_goes_away_ends_every_request_of_the_search(stream: bool) -> None:
    held = Held()
    made_gateway = gateway(Writer(held))
    body = {"model": "dvts", "messages": HELLO, "stream": stream}
    with listening(made_gateway) as url:
        sent = json.dumps(body).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
        address = "127.0.0.1", int(url.rpartition(":")[2])
        with socket.create_connection(address, timeout=PATIENCE) as wire:
            wire.sendall(head.encode() + sent)
            assert held.some.wait(PATIENCE)
        assert held.told.wait(PATIENCE)
        until = time.monotonic() + PATIENCE
        while made_gateway.queue.held and time.monotonic() < until:
            time.sleep(0.01)
        assert made_gateway.queue.held == 0
        assert not held.here
        assert set(held.aborted) == set(held.dropped)
        account = made_gateway.ledger.account("")
        assert (account.reserved, account.spent, account.unknown) == (0, 0, 8 * 500)
        text = httpx.get(f"{url}/metrics").text
    assert 'status="499",strategy="dvts"} 1.0' in text


def test_a_search_that_does_not_end_is_aborted() -> None:
    held = Held()
    short = Limits(strategy="dvts", budget=8, max_budget=8, max_tokens=50, seconds=0.5)
    with client(gateway(Writer(held), limits=short)) as made:
        reply = ask(made)
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "search_timeout")
    assert held.aborted


def test_a_server_that_ends_aborts_what_is_under_way() -> None:
    held = Held()
    made_gateway = gateway(Writer(held))
    body = {"model": "dvts", "messages": HELLO}
    with listening(made_gateway) as url, pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{url}/v1/chat/completions", json=body, timeout=httpx.Timeout(PATIENCE, read=1.0)
        )
    assert not held.here


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with listening(gateway(longest=100)) as made:
        yield made


def test_openais_own_client_reads_a_reply(url: str) -> None:
    with strict(url) as made:
        reply = made.chat.completions.create(
            model="dvts",
            messages=[{"role": "user", "content": "Hello?"}],
            extra_body={"budget": 4, "search": {"width": 2}},
        )
        assert {"dvts", "policy"} <= {m.id for m in made.models.list()}
        assert made.models.retrieve("dvts").owned_by == "sal"
        text = made.completions.create(model="dvts", prompt="Hello?\n\n")
    assert reply.choices[0].message.content == ANSWER
    assert reply.usage is not None
    assert reply.usage.completion_tokens_details is not None
    assert reply.usage.completion_tokens_details.reasoning_tokens
    assert text.choices[0].text == ANSWER


def test_openais_own_client_reads_a_stream(url: str) -> None:
    with strict(url) as made:
        stream = made.chat.completions.create(
            model="dvts",
            messages=[{"role": "user", "content": "Hello?"}],
            reasoning_effort="high",
            stream=True,
            stream_options={"include_usage": True},
            extra_headers={"X-Search-Budget": "12"},
        )
        chunks = list(stream)
        texts = list(made.completions.create(model="dvts", prompt="Hello?\n\n", stream=True))
    content = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert content == ANSWER
    assert chunks[-1].usage is not None
    assert chunks[-2].model_extra is not None
    assert chunks[-2].model_extra["sal"]["budget"] == 12
    assert "".join(t.choices[0].text for t in texts) == ANSWER


def test_openais_own_client_reads_it_asynchronously(url: str) -> None:
    async def use() -> str | None:
        async with openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key="none", _strict_response_validation=True
        ) as made:
            stream = await made.chat.completions.create(
                model="dvts", messages=[{"role": "user", "content": "Hello?"}], stream=True
            )
            said = [c.choices[0].delta.content or "" async for c in stream if c.choices]
            reply = await made.chat.completions.create(
                model="dvts", messages=[{"role": "user", "content": "Hello?"}]
            )
            assert "".join(said) == reply.choices[0].message.content
            return reply.choices[0].message.content

    assert asyncio.run(use()) == ANSWER


def test_openais_own_client_reads_refusals(url: str) -> None:
    with strict(url) as made:
        with pytest.raises(openai.NotFoundError) as missing:
            made.chat.completions.create(model="gpt-4", messages=[])
        assert missing.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as refused:
            made.chat.completions.create(
                model="dvts", messages=[{"role": "user", "content": "Hello?"}], n=3
            )
        assert (refused.value.param, refused.value.code) == ("n", "unsupported_parameter")


def test_who_is_told_the_address_may_ask_before_the_server_runs() -> None:
    config = uvicorn.Config(make_app(gateway(), page), port=0, log_level="warning")
    with bound(config) as made:
        socket.create_connection(made.getsockname(), timeout=PATIENCE).close()
