"""The requests of one search, aborted together: on the wire, and at the server by their ids."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiohttp import web
from programs_scripted import PATIENCE, ScriptedPrm

from sal.programs.dvts import DvtsParams, dvts
from sal.runtime.backend import PooledBackend
from sal.runtime.calls import CALLS, Calls, belonging_to
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Aborted
from sal.runtime.launch import free_port
from sal.runtime.usage import Usage
from sal.verifiers.votes import Vote, poll


class Server:
    """Answers nothing to the text "hang"; remembers requests, and what is aborted."""

    def __init__(self) -> None:
        self.port = free_port()
        self.seen: list[dict[str, Any]] = []
        self.aborted: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        app = web.Application()
        app.router.add_post("/generate", self._generate)
        app.router.add_post("/classify", self._generate)
        app.router.add_post("/abort_request", self._abort)
        app.router.add_get("/model_info", self._info)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.seen.append(body)
        if body["text"].startswith("hang"):
            await self._over.wait()
        meta = {
            "prompt_tokens": 1,
            "cached_tokens": 0,
            "completion_tokens": 1,
            "finish_reason": {"type": "stop", "matched": 2},
        }
        return web.json_response({"text": "x", "output_ids": [1], "meta_info": meta})

    async def _abort(self, request: web.Request) -> web.StreamResponse:
        self.aborted.append((await request.json())["rid"])
        return web.Response()

    async def _info(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"model_path": ""})

    def wait_for(self, requests: int) -> None:
        until = time.monotonic() + PATIENCE
        while len(self.seen) < requests:
            assert time.monotonic() < until
            time.sleep(0.01)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    with Engine(server.url, deadline_s=20) as made:
        yield made


def ask(engine: Engine, calls: Calls, text: str) -> str:
    with belonging_to(calls):
        return str(engine.generate({"text": text, "sampling_params": {}})["text"])


def test_all_of_a_search_are_aborted_and_no_other(server: Server, engine: Engine) -> None:
    mine, other = Calls(), Calls()
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask, engine, mine, "hang") for _ in range(4)]
        server.wait_for(4)
        assert ask(engine, other, "go") == "x"
        flying = threads.submit(ask, engine, other, "hang on")
        server.wait_for(6)
        mine.abort()
        for one in asked:
            with pytest.raises(Aborted) as aborted:
                one.result(PATIENCE)
            assert aborted.value.at_fault  # which ends the search
        assert not flying.done()
        with pytest.raises(Aborted):
            ask(engine, mine, "go")
        assert ask(engine, other, "go") == "x"
        names = {body["rid"] for body in server.seen if body["text"] == "hang"}
        assert len(names) == 4
        assert set(server.aborted) == names
        assert engine.retrying is None
        other.abort()


def test_ids_are_sent_only_where_somebody_may_abort(server: Server, engine: Engine) -> None:
    engine.generate({"text": "go", "sampling_params": {}})
    assert "rid" not in server.seen[0]
    calls = Calls()
    ask(engine, calls, "go")
    ask(engine, calls, "go")
    assert server.seen[1]["rid"] != server.seen[2]["rid"]


def test_a_server_that_is_gone_ends_no_abort() -> None:
    calls = Calls()
    with Engine(f"http://127.0.0.1:{free_port()}", deadline_s=20) as engine:
        with calls.one(lambda: None, engine.abort):
            calls.abort()
        with pytest.raises(Aborted):
            ask(engine, calls, "go")


def test_every_thread_of_a_search_belongs_to_it(server: Server, engine: Engine) -> None:
    calls = Calls()

    def search() -> None:
        with belonging_to(calls):
            dvts.run(
                "hang?",
                params=DvtsParams(budget=8, width=2),
                verifier=ScriptedPrm(),
                backend=PooledBackend(engine),
            )

    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(search)
        server.wait_for(1)  # the prompt is read first
        calls.abort()
        with pytest.raises(Aborted):
            found.result(PATIENCE)
    assert {body["rid"] for body in server.seen} == set(server.aborted)


def test_the_votes_of_a_verifier_belong_to_its_search() -> None:
    calls = Calls()
    with belonging_to(calls):
        seen: list[Calls | None] = []

        def ask(number: int) -> Vote:
            seen.append(CALLS.get())
            return Vote((0.5,), Usage())

        poll(ask, 3, again=False, where="judge")
    assert seen == [calls] * 3
