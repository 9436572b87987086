"""One core is the policy's where its server computes on this machine's CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from sal.runtime.client import Engine
from sal.runtime.hardware import all_but_one, usable_cores
from sal.runtime.launch import Server
from sal.runtime.placement import beside
from sal.runtime.plan import ServerSpec

CORES = usable_cores()

several = pytest.mark.skipif(
    len(CORES) < 2 or not hasattr(os, "sched_setaffinity"), reason="no core to leave"
)


@pytest.fixture
def saying() -> Iterator[Any]:
    """Serves what is put into its list as /server_info."""
    said: list[dict[str, Any]] = [{}]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(said[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield said, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_all_but_one() -> None:
    assert all_but_one((0, 1)) == (1,)
    assert all_but_one((3, 4, 8)) == (4, 8)
    assert all_but_one((5,)) == (5,)


@several
def test_beside_an_engine_on_this_cpu_a_core_is_left_until_the_end(policy: Engine) -> None:
    with beside(policy):
        assert usable_cores() == CORES[1:]
        child = subprocess.check_output(
            [sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"]
        )
        assert int(child) == len(CORES) - 1
        seen: list[tuple[int, ...]] = []
        thread = threading.Thread(target=lambda: seen.append(usable_cores()))
        thread.start()
        thread.join()
        assert seen == [CORES[1:]]
    assert usable_cores() == CORES


@several
def test_the_cores_are_given_back_after_an_error(policy: Engine) -> None:
    with pytest.raises(ZeroDivisionError), beside(policy):
        raise ZeroDivisionError
    assert usable_cores() == CORES


@several
@pytest.mark.parametrize(("device", "left"), [("cpu", 1), ("cuda", 0), (None, 0)])
def test_what_counts_is_where_the_engine_computes(
    saying: Any, device: str | None, left: int
) -> None:
    said, url = saying
    said[0] = {"device": device} if device else {}
    with Engine(url) as engine, beside(engine):
        assert usable_cores() == CORES[left:]


@several
def test_another_machines_cpu_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "server_info", lambda _: {"device": "cpu"})
    for url in ("http://10.0.0.8:30000", "http://gpu-box:30000", "https://example.org"):
        with Engine(url) as engine, beside(engine):
            assert usable_cores() == CORES
    for url in ("http://localhost:30000", "http://[::1]:30000", "http://127.0.0.1:30000"):
        with Engine(url) as engine, beside(engine):
            assert usable_cores() == CORES[1:]


@several
def test_where_it_is_forbidden_all_goes_on_as_before(
    policy: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(pid: int, cores: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    with beside(policy):
        assert usable_cores() == CORES


@several
def test_a_server_runs_where_its_plan_says_whoever_starts_it(
    tmp_path: Path, policy: Engine
) -> None:
    argv = (sys.executable, "-c", "import time; time.sleep(60)")
    for cores in (CORES, CORES[1:]):
        server = Server(ServerSpec("policy", "m", "cpu", argv, {}, (), cores=cores), tmp_path)
        with beside(policy):
            server.start()
        try:
            assert psutil.Process(server.pid).cpu_affinity() == list(cores)
        finally:
            server.stop()
