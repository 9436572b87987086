"""Servers behind SGLang's model gateway: a problem's key, what the workers say, an abort."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sal.runtime import gateway
from sal.runtime.calls import Calls
from sal.runtime.client import Engine
from sal.runtime.launch import free_port
from sal.runtime.policy import requests_of

META = {"prompt_tokens": 1, "cached_tokens": 0, "completion_tokens": 1}
REPLY = {"text": "x", "meta_info": {**META, "finish_reason": {"type": "stop", "matched": 2}}}


@dataclass
class Fake:
    """Answers `says` by path, and 404 elsewhere; `asked` has (path, routing key, body)."""

    says: dict[str, Any]
    asked: list[tuple[str, str | None, Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def fakes() -> Iterator[Any]:
    with ExitStack() as stack:

        def make(says: dict[str, Any]) -> Fake:
            fake = Fake(says)

            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    length = int(self.headers.get("Content-Length") or 0)
                    body = json.loads(self.rfile.read(length) or b"null")
                    fake.asked.append((self.path, self.headers.get("X-SMG-Routing-Key"), body))
                    known = fake.says.get(self.path)
                    self.send_response(404 if known is None else 200)
                    said = json.dumps(known).encode()
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)

                do_POST = do_GET

                def log_message(self, *_: Any) -> None:
                    pass

            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            fake.url = f"http://127.0.0.1:{server.server_address[1]}"
            return fake

        yield make


@pytest.fixture
def three(fakes: Any) -> tuple[Fake, Fake, Fake]:
    """A gateway, and two workers that run 3 and 4 requests at a time."""
    workers = [
        fakes(
            {
                "/server_info": {
                    "context_length": 77,
                    "dp_size": 1,
                    "internal_states": [{"effective_max_running_requests_per_dp": at_once}],
                },
                "/abort_request": {},
            }
        )
        for at_once in (3, 4)
    ]
    listed = [{"url": worker.url, "is_healthy": True} for worker in workers]
    return fakes({"/workers": {"workers": listed}, "/generate": REPLY}), workers[0], workers[1]


def test_all_requests_of_a_problem_have_one_key(three: tuple[Fake, Fake, Fake]) -> None:
    front, *_ = three
    with Engine(front.url) as engine:
        engine.find_replicas()
        for problem in ("a\nb", "a\nb", "c", ""):
            with requests_of(problem):
                engine.generate({"text": "?"})
    keys = [key for path, key, _ in front.asked if path == "/generate"]
    assert keys[0] == keys[1]
    assert keys[0] is not None
    assert keys[2] not in (None, keys[0])
    assert keys[3] is None


def test_a_gateway_says_what_its_workers_say(three: tuple[Fake, Fake, Fake]) -> None:
    front, one, two = three
    with Engine(front.url) as engine:
        engine.find_replicas()
        assert engine.capacity() == 7
        assert engine.context() == 77
        assert engine.workers() == [one.url, two.url]


def test_a_worker_that_is_gone_is_not_waited_for(three: tuple[Fake, Fake, Fake]) -> None:
    front, _, two = three
    front.says["/workers"]["workers"].append({"url": f"http://127.0.0.1:{free_port()}"})
    two.says.clear()
    began = time.monotonic()
    with Engine(front.url) as engine:
        assert engine.capacity() == 3
        front.says["/workers"]["workers"] = []
        assert Engine(front.url).capacity() is None
    assert time.monotonic() - began < 10  # and not the 15 s that a server is asked again


def test_an_abort_reaches_every_worker_and_no_gateway(three: tuple[Fake, Fake, Fake]) -> None:
    front, one, two = three
    calls = Calls()
    with Engine(front.url) as engine:
        engine.find_replicas()
        with calls.one(lambda: None, engine.abort) as id:
            calls.abort()
    for worker in (one, two):
        assert [body for path, _, body in worker.asked if path == "/abort_request"] == [
            {"rid": id}
        ] * 2
    assert not [path for path, *_ in front.asked if path == "/abort_request"]


def test_one_that_joins_is_asked_too(
    three: tuple[Fake, Fake, Fake], fakes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "FRESH_S", 0.0)
    front, one, two = three
    joined = fakes({"/abort_request": {}})
    with Engine(front.url) as engine:
        engine.find_replicas()
        front.says["/workers"]["workers"].append({"url": joined.url})
        engine.abort("x")
        assert engine.workers() == [one.url, two.url, joined.url]
    assert joined.asked == [("/abort_request", None, {"rid": "x"})]


def test_an_abort_reaches_the_workers_of_a_gateway_that_does_not_answer(
    three: tuple[Fake, Fake, Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "FRESH_S", 0.0)
    front, one, two = three
    with Engine(front.url) as engine:
        engine.find_replicas()
        front.says.clear()
        engine.abort("x")
    for worker in (one, two):
        assert ("/abort_request", None, {"rid": "x"}) in worker.asked


def test_a_server_is_no_gateway(fakes: Any) -> None:
    alone = fakes({"/server_info": {"dp_size": 1}, "/generate": REPLY, "/abort_request": {}})
    with Engine(alone.url) as engine, requests_of("a"):
        engine.find_replicas()
        engine.generate({"text": "?"})
        engine.abort("x")
        assert engine.workers() == []
    assert [(path, key) for path, key, _ in alone.asked] == [
        ("/server_info", None),
        ("/generate", None),
        ("/abort_request", None),
        ("/workers", None),
    ]


@pytest.mark.parametrize(
    "told", [{}, {"workers": "many"}, {"workers": [7, {}, {"url": "grpc://host:1"}]}]
)
def test_what_lists_no_workers(told: dict[str, Any]) -> None:
    assert gateway.listed(told) == []
