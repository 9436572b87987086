"""Replicas behind SGLang's own model gateway: where requests go, when one dies, when one joins.

The workers answer as servers of SGLang do, and compute nothing.
"""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from programs_scripted import PATIENCE

from sal.runtime import replicated
from sal.runtime.access import open_directly
from sal.runtime.calls import Calls, belonging_to
from sal.runtime.checkup import checkup
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Aborted, LaunchError
from sal.runtime.launch import Server
from sal.runtime.policy import requests_of
from sal.runtime.replicated import healthy, keep_replicas
from sal.runtime.server_spec import ServerSpec
from sal.runtime.warm_servers import Process, Warm, WarmServers

WORKER = textwrap.dedent(
    """
    import json, sys, threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    port = int(sys.argv[sys.argv.index("--port") + 1])
    seen, over = {"generate": [], "aborted": []}, threading.Event()
    INFO = {"model_path": sys.argv[1], "is_generation": True, "served_model_name": sys.argv[1]}
    INFO["internal_states"] = [{"effective_max_running_requests_per_dp": 5}]
    META = {"prompt_tokens": 1, "cached_tokens": 0, "completion_tokens": 1}
    META["finish_reason"] = {"type": "stop", "matched": 2}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self, body):
            said = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def do_GET(self):
            if self.path == "/v1/models":
                self.reply({"object": "list", "data": [{"id": sys.argv[1], "object": "model"}]})
            else:
                self.reply(seen if self.path == "/seen" else INFO)

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            if self.path == "/abort_request":
                seen["aborted"].append(body.get("rid"))
                over.set()
            elif self.path == "/generate":
                seen["generate"].append(body.get("rid"))
                if body.get("text") == "hang":
                    over.wait(60)
            self.reply({"text": str(port), "meta_info": META})

        def log_message(self, *_):
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
    """
)


@pytest.fixture
def spec(tmp_path: Path) -> ServerSpec:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    return ServerSpec("policy", "m", "cpu", (sys.executable, "-S", str(script), "m"), {}, ())


@pytest.fixture
def warm_servers(tmp_path: Path) -> Iterator[WarmServers]:
    made = WarmServers(tmp_path / "state")
    yield made
    for warm in made.entries():
        made.stop(warm)


@pytest.fixture
def two(spec: ServerSpec, warm_servers: WarmServers) -> Warm:
    return keep_replicas(spec, 2, warm_servers)


@pytest.fixture
def engine(two: Warm) -> Iterator[Engine]:
    with Engine(two.url, deadline_s=PATIENCE) as made:
        made.find_replicas()
        yield made


def where(engine: Engine, problem: str, text: str = "?") -> str:
    """The URL of the worker that answers."""
    with requests_of(problem):
        return f"http://127.0.0.1:{engine.generate({'text': text})['text']}"


def seen(url: str) -> dict[str, list[str]]:
    told: dict[str, list[str]] = json.loads(open_directly(f"{url}/seen", PATIENCE))
    return told


def hanging(warm: Warm) -> str:
    """Where a request hangs, once it does."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for worker in warm.workers:
            if any(seen(worker.url)["generate"]):
                return worker.url
        time.sleep(0.02)
    raise AssertionError("no request came")


def test_a_problem_stays_on_its_worker_and_both_have_some(engine: Engine, two: Warm) -> None:
    went = [{p: where(engine, p) for p in "abcdefgh"} for _ in range(3)]
    assert went[0] == went[1] == went[2]
    assert set(went[0].values()) == {worker.url for worker in two.workers}
    assert engine.capacity() == 10


def test_an_abort_reaches_the_worker_that_has_the_request(engine: Engine, two: Warm) -> None:
    calls = Calls()
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(_hang, engine, calls)
        worker = hanging(two)
        calls.abort()
        with pytest.raises(Aborted):
            asked.result(PATIENCE)
    told = seen(worker)
    assert told["generate"][0] in told["aborted"]


def _hang(engine: Engine, calls: Calls) -> None:
    with belonging_to(calls):
        where(engine, "a", "hang")


def test_a_worker_that_dies_loses_nothing(engine: Engine, two: Warm) -> None:
    homes = {p: where(engine, p) for p in "abcdefgh"}
    dead = two.workers[0]
    lost = next(p for p, url in homes.items() if url == dead.url)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(_hang_in, engine, lost)
        until = time.monotonic() + PATIENCE
        while "r" not in seen(dead.url)["generate"] and time.monotonic() < until:
            time.sleep(0.02)
        psutil.Process(dead.pid).kill()
        other = two.workers[1].url
        while "r" not in seen(other)["generate"] and time.monotonic() < until:
            time.sleep(0.02)
        open_directly(f"{other}/health", PATIENCE)
        with Engine(other) as direct:
            direct.abort("r")  # so that it hangs no more
        assert asked.result(PATIENCE) == other
    assert {where(engine, p) for p in homes} == {other}


def _hang_in(engine: Engine, problem: str) -> str:
    with requests_of(problem):
        return f"http://127.0.0.1:{engine.generate({'text': 'hang', 'rid': 'r'})['text']}"


def test_one_that_joins_is_used_and_one_that_died_is_replaced(
    engine: Engine, two: Warm, spec: ServerSpec, warm_servers: WarmServers
) -> None:
    psutil.Process(two.workers[0].pid).kill()
    psutil.wait_procs([psutil.Process(w.pid) for w in two.workers[:1] if w.alive()], PATIENCE)
    three = keep_replicas(spec, 3, warm_servers)
    assert three.url == two.url
    assert len(three.workers) == 3
    assert three.workers[0] == two.workers[1]
    went = {where(engine, f"new {i}") for i in range(40)}
    assert went == {worker.url for worker in three.workers}
    assert set(healthy(three.url)) >= went
    assert keep_replicas(spec, 3, warm_servers) == three  # nothing is missing


def test_one_that_was_started_and_never_joined_is_used_the_next_time(
    engine: Engine, two: Warm, spec: ServerSpec, warm_servers: WarmServers
) -> None:
    """As where the command was killed in between."""
    server = Server(spec, warm_servers.logs, detached=True, name="late")
    server.start()
    warm_servers.record_worker(server)
    assert server.url not in healthy(two.url)
    three = keep_replicas(spec, 3, warm_servers)
    assert [worker.url for worker in three.workers][2:] == [server.url]
    assert server.url in healthy(two.url)
    assert server.url in {where(engine, f"new {i}") for i in range(40)}


def test_they_are_found_shown_and_ended(
    two: Warm, spec: ServerSpec, warm_servers: WarmServers
) -> None:
    found = warm_servers.find(spec)
    assert found == two
    checks = {check.found for check in checkup(None, "http://127.0.0.1:9", warm_servers)}
    assert {f"{worker.url}, ready" for worker in two.workers} <= checks
    warm_servers.stop(two)
    assert warm_servers.entries() == []
    assert not any(process.alive() for process in two.processes)


def test_servers_that_do_not_start_leave_no_gateway(
    spec: ServerSpec, warm_servers: WarmServers
) -> None:
    broken = ServerSpec("policy", "m", "cpu", (sys.executable, "-c", "exit(3)"), {}, ())
    with pytest.raises(LaunchError):
        keep_replicas(broken, 1, warm_servers)
    assert warm_servers.entries() == []


def test_servers_that_cannot_join_are_ended_and_the_others_go_on(
    two: Warm, spec: ServerSpec, warm_servers: WarmServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_gateway: str, worker: Process) -> None:
        if worker not in two.workers:
            raise LaunchError("the gateway refuses it")

    monkeypatch.setattr(replicated, "_join", refused)
    with pytest.raises(LaunchError, match="refuses"):
        keep_replicas(spec, 3, warm_servers)
    left = warm_servers.get("policy")
    assert left is not None
    assert [w.url for w in left.workers if w.alive()] == [w.url for w in two.workers]
    assert left.alive()
