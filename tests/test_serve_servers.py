"""The gateway on the two real servers, asked by OpenAI's own client, which checks every field."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from conftest import CPU_ONLY
from programs_scripted import PATIENCE
from serve_hostile import hostile

from sal.grading.grader import Grader
from sal.runs.endpoints import RunEndpoints
from sal.runs.server_plan import plan_servers
from sal.runs.settings import Settings, prepare
from sal.runtime.session import Servers
from sal.serve.app import make_app
from sal.serve.gateway import Gateway
from sal.serve.start import REQUESTS, Operator, bound, make_gateway, page_of
from sal.strategies.answers import last_boxed
from sal.tiny.fresh import fresh_problems

pytestmark = pytest.mark.servers

ABORTED_S = 20.0
"""Until nothing of a search runs any more: well under one on a machine that does nothing else."""

HOSTILE = int(os.environ.get("SAL_TEST_HOSTILE", "200"))
"""Requests; the scripted engines take a thousand in `test_serve_hostile.py`."""

SETTINGS = Settings(strategy="dvts", params={"budget": 8}, dataset="requests")


@pytest.fixture(scope="module")
def serving(server_urls: tuple[str, str], grader: Grader) -> Iterator[tuple[str, Gateway]]:
    """A gateway's URL, and the gateway."""
    policy, prm = server_urls
    settings = replace(SETTINGS, policy=policy, prm=prm)
    prepared = prepare(settings, gpu=False, problems=REQUESTS)
    operator = Operator(max_budget=256)
    with (
        Servers(plan_servers([prepared.recipe], CPU_ONLY)) as servers,
        closing(RunEndpoints(servers, prepared.recipe)) as endpoints,
    ):
        gateway = make_gateway(endpoints, servers, prepared, grader, operator, {})
        config = uvicorn.Config(
            make_app(gateway, page_of(prepared, endpoints)), port=0, log_level="warning"
        )
        socket = bound(config)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([socket],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{socket.getsockname()[1]}", gateway
        server.should_exit = True
        thread.join(PATIENCE)


@pytest.fixture(scope="module")
def url(serving: tuple[str, Gateway]) -> str:
    return serving[0]


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{url}/v1", api_key="none", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def said(problem: str) -> list[Any]:
    return [{"role": "user", "content": problem}]


def test_answers_belong_to_their_questions(url: str) -> None:
    problems = list(fresh_problems(12, seed=5))

    async def ask(client: openai.AsyncOpenAI, question: str) -> str:
        reply = await client.chat.completions.create(model="dvts", messages=said(question))
        return reply.choices[0].message.content or ""

    async def use() -> list[str]:
        async with openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key="none", max_retries=0, _strict_response_validation=True
        ) as client:
            return await asyncio.gather(*(ask(client, p.question) for p in problems))

    replies = asyncio.run(use())
    right = [
        last_boxed(reply) == str(problem.answer)
        for reply, problem in zip(replies, problems, strict=True)
    ]
    assert sum(right) >= 8
    for reply, problem in zip(replies, problems, strict=True):
        assert f"{reply.partition('=')[0]}=" in problem.question  # of its own terms


def test_a_stream_of_a_real_search_is_valid(client: openai.OpenAI) -> None:
    question = next(fresh_problems(1, seed=6)).question
    stream = client.chat.completions.create(
        model="best-of-n@4",
        messages=said(question),
        stream=True,
        stream_options={"include_usage": True},
        seed=1,
    )
    chunks = list(stream)
    deltas: list[Any] = [c.choices[0].delta for c in chunks if c.choices]
    content = "".join(d.content or "" for d in deltas)
    thought = "".join(d.model_extra.get("reasoning") or "" for d in deltas)
    assert "\\boxed" in content
    assert "Chosen of 4 solutions" in thought
    extras = [chunk.model_extra or {} for chunk in chunks]
    told = next(extra["sal"] for extra in reversed(extras) if "sal" in extra)
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == told["usage"]["policy"]["completion_tokens"]
    assert usage.completion_tokens_details is not None
    assert 0 < (usage.completion_tokens_details.reasoning_tokens or 0) < usage.completion_tokens
    assert told["usage"]["prm"]["requests"] >= 1
    assert told["usage"]["prm"]["prompt_tokens"] > told["usage"]["prm"]["cached_tokens"] >= 0


def test_a_seed_repeats_a_search(client: openai.OpenAI) -> None:
    question = next(fresh_problems(1, seed=7)).question

    def ask() -> tuple[str, Any]:
        reply = client.chat.completions.create(
            model="dvts", messages=said(question), seed=11, extra_body={"budget": 4}
        )
        return reply.choices[0].message.content or "", (reply.model_extra or {})["sal"]["solutions"]

    assert ask() == ask()


def test_at_temperature_0_all_solutions_are_the_same(client: openai.OpenAI) -> None:
    question = next(fresh_problems(1, seed=7)).question
    reply = client.chat.completions.create(
        model="best-of-n@4", messages=said(question), temperature=0
    )
    thought = (reply.choices[0].message.model_extra or {})["reasoning"]
    assert "Chosen of 4 solutions, 4 with its answer" in thought


def test_the_policy_alone_answers_through_the_gateway(client: openai.OpenAI) -> None:
    question = next(fresh_problems(1, seed=8)).question
    reply = client.completions.create(
        model="policy", prompt=f"{question}\n\n", max_tokens=50, n=2, temperature=1.0, logprobs=1
    )
    assert len(reply.choices) == 2
    assert reply.choices[0].logprobs is not None
    # A stream is as the policy's server makes it: SGLang's chunks of text lack a finish_reason.
    lenient = openai.OpenAI(base_url=client.base_url, api_key="none", max_retries=0)
    stream = list(
        lenient.completions.create(
            model="policy", prompt=f"{question}\n\n", max_tokens=50, stream=True
        )
    )
    assert "".join(chunk.choices[0].text for chunk in stream)


def test_a_policy_without_a_chat_template_chats_as_in_a_search(client: openai.OpenAI) -> None:
    question = next(fresh_problems(1, seed=11)).question
    chat = client.chat.completions.create(
        model="policy", messages=said(question), n=4, temperature=1.0, seed=3
    )
    texts = [choice.message.content or "" for choice in chat.choices]
    assert len(set(texts)) > 1  # each has a seed of its own
    assert any("\\boxed" in text for text in texts)
    stream = client.chat.completions.create(
        model="dvts", messages=said(question), reasoning_effort="none", seed=3, stream=True
    )
    assert "".join(c.choices[0].delta.content or "" for c in stream) in texts
    tools: Any = [{"type": "function", "function": {"name": "f"}}]
    with pytest.raises(openai.BadRequestError, match="no chat template"):
        client.chat.completions.create(model="dvts", messages=said("1+1"), tools=tools)
    form: Any = {"type": "json_object"}
    with pytest.raises(openai.BadRequestError, match="no chat template"):
        client.chat.completions.create(model="majority", messages=said("1+1"), response_format=form)


def test_who_goes_away_leaves_nothing_running_at_either_engine(
    serving: tuple[str, Gateway], policy_server: str, prm_server: str
) -> None:
    url, gateway = serving
    question = next(fresh_problems(1, seed=9)).question
    body = {
        "model": "best-of-n@256",
        "messages": said(question),
        "temperature": 2.0,
        "max_tokens": 2000,
        "stop": ["never said"],
    }
    with httpx.Client(timeout=PATIENCE) as client:
        request = client.build_request(
            "POST", f"{url}/v1/chat/completions", json={**body, "stream": True}
        )
        reply = client.send(request, stream=True)
        until = time.monotonic() + PATIENCE
        while not running(policy_server) and time.monotonic() < until:
            time.sleep(0.02)
        assert running(policy_server)
        reply.close()
        gone = time.monotonic()
    until = gone + PATIENCE
    while running(policy_server) + running(prm_server) and time.monotonic() < until:
        time.sleep(0.02)
    assert time.monotonic() - gone < ABORTED_S
    while gateway.queue.held and time.monotonic() < until:
        time.sleep(0.02)
    assert gateway.queue.held == 0
    assert gateway.ledger.account("").unknown > 0


def running(url: str) -> int:
    """Requests that a server has, running or waiting."""
    loads = httpx.get(f"{url}/v1/loads?include=core", timeout=PATIENCE).json()["loads"]
    return sum(load["num_running_reqs"] + load["num_waiting_reqs"] for load in loads)


def test_a_real_search_opens_in_the_explorer(url: str, client: openai.OpenAI) -> None:
    question = next(fresh_problems(1, seed=10)).question
    reply = client.chat.completions.create(model="dvts", messages=said(question))
    told = (reply.model_extra or {})["sal"]
    page = httpx.get(f"{url}{told['trace']}")
    assert page.status_code == 200
    assert told["id"] in page.text


def test_hostile_requests_leave_gateway_and_engines_well(
    serving: tuple[str, Gateway], client: openai.OpenAI, policy_server: str, prm_server: str
) -> None:
    url, gateway = serving
    dice = random.Random(1)
    with httpx.Client(base_url=url, timeout=4 * PATIENCE) as made, ThreadPoolExecutor(8) as threads:

        def send(request: tuple[str, bytes, dict[str, str]]) -> tuple[int, str]:
            path, body, headers = request
            reply = made.post(path, content=body, headers=headers)
            return reply.status_code, f"{path} {body[:300]!r} {headers} {reply.text[:300]}"

        replies = list(threads.map(send, [hostile(dice) for _ in range(HOSTILE)]))
    assert {status for status, _ in replies} >= {200, 400}
    for status, shown in replies:
        assert status in (200, 400, 404, 502, 504), shown
    question = next(fresh_problems(1, seed=12)).question
    reply = client.chat.completions.create(model="dvts", messages=said(question))
    assert "\\boxed" in (reply.choices[0].message.content or "")
    assert running(policy_server) + running(prm_server) == 0
    assert gateway.queue.held == 0
    assert gateway.ledger.account("").reserved == 0
