"""The wire against a small stub that misbehaves on demand."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import (
    Aborted,
    Closed,
    Failing,
    Overloaded,
    Rejected,
    Unreachable,
)
from sal.runtime.launch import free_port
from sal.runtime.plan import Plan, ServerSpec
from sal.runtime.session import Servers
from sal.runtime.usage import Usage
from sal.runtime.warm_servers import WarmServers

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
OK = {
    "text": "4",
    "output_ids": [4],
    "meta_info": {
        "finish_reason": {"type": "stop", "matched": 2},
        "prompt_tokens": 10,
        "cached_tokens": 7,
        "completion_tokens": 1,
    },
}


class Stub:
    """A server on its own thread: each request takes the next answer; the last one repeats."""

    def __init__(self, port: int = 0) -> None:
        self.port = port or free_port()
        self.answers: list[Answer] = []
        self.seen: list[dict[str, Any]] = []
        self.arrived = threading.Event()
        self.connections: set[object] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self.flush_status = 200
        self.flushed = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()

    def stop(self) -> None:
        if self._runner is not None:
            asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/generate", self._generate)
        app.router.add_get("/get_model_info", self._info)
        app.router.add_post("/flush_cache", self._flush)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(await request.json())
        self.connections.add(request.transport)
        self.arrived.set()
        answer = self.answers[min(len(self.seen), len(self.answers)) - 1]
        return await answer(request)

    async def _flush(self, request: web.Request) -> web.StreamResponse:
        assert float(request.query["timeout"]) > 0
        self.flushed += 1
        return web.Response(text="Cache flushed.\n", status=self.flush_status)

    async def _info(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"model_path": "the/model"})


def says(body: Any, status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return answer


async def drops(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def engine(stub: Stub) -> Iterator[Engine]:
    with Engine(stub.url, deadline_s=20) as client:
        yield client


def test_a_full_queue_and_a_dropped_connection_are_tried_again(stub: Stub, engine: Engine) -> None:
    stub.answers = [says({"error": "queue is full"}, 503), drops, says(OK)]
    assert engine.generate({"text": "2+2="}) == OK
    assert len(stub.seen) == 3


@pytest.mark.parametrize(
    "body", [{"error": {"message": "too long"}}, {"error": "too long"}, {"detail": "too long"}]
)
def test_a_wrong_request_fails_at_once_with_the_servers_words(
    stub: Stub, engine: Engine, body: Any
) -> None:
    stub.answers = [says(body, 400)]
    with pytest.raises(Rejected, match="HTTP 400: too long") as caught:
        engine.generate({"text": ""})
    assert caught.value.url == stub.url
    assert len(stub.seen) == 1


def test_a_server_that_only_fails_is_at_fault_after_a_while(
    stub: Stub, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sal.runtime.retries._FAILING_LIMIT_S", 3.0)
    stub.answers = [says({"error": "boom"}, 500)]
    with pytest.raises(Failing, match="HTTP 500: boom") as caught:
        engine.generate({"text": ""})
    assert caught.value.at_fault
    assert len(stub.seen) > 2
    seen = engine.retrying
    assert seen is not None
    assert "boom" in seen.reason
    stub.answers = [says(OK)]
    engine.generate({"text": ""})
    assert engine.retrying is None


def test_a_request_that_fails_where_others_are_answered_is_itself_at_fault(
    stub: Stub, engine: Engine
) -> None:
    async def breaks_on_bad(request: web.Request) -> web.StreamResponse:
        bad = (await request.json())["text"] == "bad"
        return await says({"error": "boom"} if bad else OK, 500 if bad else 200)(request)

    stub.answers = [breaks_on_bad]
    with ThreadPoolExecutor() as threads:
        future = threads.submit(engine.generate, {"text": "bad"})
        while not future.done():
            assert engine.generate({"text": "good"}) == OK
            time.sleep(0.02)
    failure = future.exception()
    assert isinstance(failure, Failing)
    assert not failure.at_fault


def test_a_queue_that_stays_full_is_overloaded(stub: Stub) -> None:
    async def for_long(_: web.Request) -> web.StreamResponse:
        told = {"Retry-After": "60"}
        return web.json_response({"error": "queue is full"}, status=503, headers=told)

    stub.answers = [says({"error": "queue is full"}, 503), for_long]
    with Engine(stub.url, deadline_s=20) as engine, pytest.raises(Overloaded, match="queue"):
        engine.generate({"text": ""})
    assert len(stub.seen) == 2


def test_a_server_that_hangs_meets_the_deadline(stub: Stub) -> None:
    stub.answers = [hangs]
    with Engine(stub.url, deadline_s=0.3) as engine, pytest.raises(Unreachable, match="no answer"):
        engine.generate({"text": ""})


def test_nobody_there_is_unreachable_and_names_the_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Engine(url, deadline_s=0.3) as engine, pytest.raises(Unreachable, match=url):
        engine.generate({"text": ""})


def test_a_server_that_comes_up_late_is_waited_for() -> None:
    stub = Stub()
    stub.answers = [says(OK)]
    # Bound but not listening: a connection is refused, and no one else can take the port.
    with socket.socket() as holder, Engine(stub.url, deadline_s=30) as engine:
        holder.bind(("127.0.0.1", stub.port))
        with ThreadPoolExecutor() as threads:
            future = threads.submit(engine.generate, {"text": ""})
            with pytest.raises(TimeoutError):
                future.result(timeout=0.5)
            holder.close()
            stub.start()
            assert future.result(timeout=30) == OK
    stub.stop()


def test_an_aborted_request_is_typed(stub: Stub, engine: Engine) -> None:
    meta = {**OK["meta_info"], "finish_reason": {"type": "abort", "message": "by user"}}  # type: ignore[dict-item]
    stub.answers = [says({**OK, "meta_info": meta})]
    with pytest.raises(Aborted, match="by user"):
        engine.generate({"text": ""})


def test_close_ends_what_is_in_flight_and_what_waits_for_a_slot(stub: Stub) -> None:
    stub.answers = [hangs]
    engine = Engine(stub.url, deadline_s=15, max_inflight=1)
    with ThreadPoolExecutor() as threads:
        futures = [threads.submit(engine.generate, {"text": ""}) for _ in range(3)]
        assert stub.arrived.wait(20)
        began = time.monotonic()
        engine.close()
        for future in futures:
            with pytest.raises(Closed):
                future.result(timeout=20)
    assert time.monotonic() - began < 5
    assert len(stub.seen) == 1
    with pytest.raises(Closed):
        engine.generate({"text": ""})
    engine.close()  # twice is once


def test_what_is_in_flight_is_on_the_wire_or_waits_for_it(stub: Stub) -> None:
    stub.answers = [hangs, drops, says({"error": "too long"}, 400), says(OK)]
    engine = Engine(stub.url, deadline_s=20, max_inflight=1)
    assert engine.in_flight == 0
    with ThreadPoolExecutor() as threads:
        futures = [threads.submit(engine.generate, {"text": ""}) for _ in range(3)]
        assert stub.arrived.wait(20)
        while engine.in_flight < 3:
            time.sleep(0.01)
        engine.close()
        for future in futures:
            assert isinstance(future.exception(timeout=20), Closed)
        assert engine.in_flight == 0
    with Engine(stub.url, deadline_s=20) as other:  # the rest of the answers
        with pytest.raises(Rejected):
            other.generate({"text": ""})
        assert other.generate({"text": ""}) == OK
        assert other.in_flight == 0


def test_close_ends_a_pause_between_two_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    for wait in ("_FIRST_WAIT_S", "_LONGEST_WAIT_S"):
        monkeypatch.setattr(f"sal.runtime.retries.{wait}", 30.0)
    engine = Engine(f"http://127.0.0.1:{free_port()}", deadline_s=600)
    with ThreadPoolExecutor() as threads:
        future = threads.submit(engine.generate, {"text": ""})
        time.sleep(1)
        engine.close()
        with pytest.raises(Closed):
            future.result(timeout=5)


def test_connections_are_kept_and_used_again(stub: Stub, engine: Engine) -> None:
    stub.answers = [says(OK)]
    for _ in range(5):
        engine.generate({"text": ""})
    assert len(stub.connections) == 1


def test_a_connection_that_the_server_closed_is_opened_again(stub: Stub, engine: Engine) -> None:
    async def says_goodbye(request: web.Request) -> web.StreamResponse:
        reply = web.json_response(OK)
        reply.force_close()
        return reply

    stub.answers = [says_goodbye, says(OK)]
    assert engine.generate({"text": ""}) == engine.generate({"text": ""}) == OK
    assert len(stub.connections) == 2


def test_ctrl_c_in_the_main_thread_ends_a_request(stub: Stub) -> None:
    """Of a program that knows nothing of `sal run`'s own ways with interrupts."""
    stub.answers = [hangs]
    asks = f"from sal.runtime.client import Engine; Engine({stub.url!r}).generate({{'text': ''}})"
    process = subprocess.Popen([sys.executable, "-c", asks], stderr=subprocess.PIPE, text=True)
    assert stub.arrived.wait(60)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert said.strip().endswith("KeyboardInterrupt")


def test_a_redirect_is_told_and_not_followed(stub: Stub, engine: Engine) -> None:
    stub.answers = [says({"detail": "moved"}, 307)]
    with pytest.raises(Rejected, match="HTTP 307: moved"):
        engine.generate({"text": ""})


def test_a_router_does_not_say_what_a_server_says_of_itself(engine: Engine) -> None:
    assert engine.server_info() == {}
    assert engine.capacity() is None


def test_info_asks_a_router_by_the_older_path(engine: Engine) -> None:
    assert engine.info() == {"model_path": "the/model"}


def test_usage_is_the_sum_of_the_replies_from_many_threads(stub: Stub, engine: Engine) -> None:
    stub.answers = [says(OK)]

    def ask() -> None:
        for _ in range(10):
            engine.generate({"text": ""})

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each: 3 prompt tokens and 1 generated behind 7 that were cached: 8 + 9 + 10 + 11.
    assert engine.usage == Usage(800, 560, 80, 80, attended_tokens=80 * 38)


def test_a_cache_is_flushed_or_the_server_refuses(stub: Stub) -> None:
    with Engine(stub.url) as engine:
        assert engine.flush_cache()
        stub.flush_status = 400
        assert not engine.flush_cache()
        assert engine.usage == Usage()


def test_only_the_caches_of_our_own_servers_are_emptied(stub: Stub, tmp_path: Path) -> None:
    def connected(plan: Plan) -> Servers:
        servers = Servers(plan, WarmServers(tmp_path))
        servers._urls = {"policy": stub.url}
        servers.connect(["policy"])
        return servers

    theirs = connected(Plan({}, {"policy": stub.url}))
    assert not theirs.empty_caches()
    assert stub.flushed == 0
    spec = ServerSpec("policy", "m", "cpu", ("true",), {}, ())
    ours = connected(Plan({"policy": spec}, {}))
    assert ours.empty_caches()
    assert stub.flushed == 1
    stub.flush_status = 400
    assert not ours.empty_caches()
