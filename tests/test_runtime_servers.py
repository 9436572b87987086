"""Starting, watching and ending processes: small stand-ins, and SGLang itself where it counts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from conftest import CPU_ONLY, tiny_plan

from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Closed, LaunchError
from sal.runtime.launch import Server, answers, start_all
from sal.runtime.plan import Plan, Role, ServerSpec, make_plan
from sal.runtime.server_log import progress, tail
from sal.runtime.session import Servers
from sal.runtime.warm_servers import WarmServers

FAKE = textwrap.dedent(
    """
    import http.server, json, subprocess, sys
    model = sys.argv[1]
    if model == "broken":
        print("Traceback (most recent call last):\\n  File \\"x.py\\"\\n    x()", flush=True)
        print("ValueError: the weights are torn", flush=True)
        sys.exit(3)
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"model_path": model}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *_):
            pass
    port = int(sys.argv[sys.argv.index("--port") + 1])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
    """
)
"""Answers as a server does, and has a child process as SGLang has its scheduler."""


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., ServerSpec]:
    script = tmp_path / "fake.py"
    script.write_text(FAKE)

    def make(model: str = "m", role: Role = "policy", after: Role | None = None) -> ServerSpec:
        argv = (sys.executable, str(script), model)
        return ServerSpec(role, model, "cpu", argv, {}, (), after=after)

    return make


@pytest.fixture
def warm_servers(tmp_path: Path) -> Iterator[WarmServers]:
    warm_servers = WarmServers(tmp_path / "state")
    yield warm_servers
    for warm in warm_servers.entries():
        warm_servers.stop(warm)


def group(pid: int) -> list[psutil.Process]:
    """The running processes of a process group."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def test_a_server_starts_answers_restarts_and_leaves_nothing(
    tmp_path: Path, fake: Callable[..., ServerSpec]
) -> None:
    server = Server(fake(), tmp_path)
    server.start()
    server.wait_ready()
    first = server.pid
    assert server.alive()
    assert answers(server.url)
    assert len(group(first)) == 3  # the guard, the server, its child
    url = server.url
    server.restart()
    assert server.url == url
    assert group(first) == []
    second = server.pid
    server.stop()
    assert group(second) == []
    assert not server.alive()
    server.stop()


def test_a_server_that_fails_shows_its_own_last_lines(
    tmp_path: Path, fake: Callable[..., ServerSpec]
) -> None:
    server = Server(fake("broken"), tmp_path)
    server.start()
    with pytest.raises(LaunchError, match="for broken did not start") as caught:
        server.wait_ready()
    assert caught.value.tail == "ValueError: the weights are torn"


def test_a_command_that_does_not_exist_is_a_launch_error(tmp_path: Path) -> None:
    spec = ServerSpec("policy", "m", "cpu", ("/no/such/program",), {}, ())
    with pytest.raises(LaunchError, match="cannot be run"):
        Server(spec, tmp_path, detached=True).start()


def test_one_failure_stops_both(tmp_path: Path, fake: Callable[..., ServerSpec]) -> None:
    servers = [Server(fake(), tmp_path), Server(fake("broken", "prm"), tmp_path)]
    pids: list[int] = []
    with pytest.raises(LaunchError, match="prm"):
        start_all(servers, on_start=lambda server: pids.append(server.pid))
    assert len(pids) == 2
    assert [group(pid) for pid in pids] == [[], []]


def test_a_server_waits_for_the_one_it_comes_after(
    tmp_path: Path, fake: Callable[..., ServerSpec]
) -> None:
    servers = [Server(fake("p", "prm", after="policy"), tmp_path), Server(fake(), tmp_path)]
    log: list[str] = []

    def status(role: Role, text: str) -> None:
        if text == "ready":
            log.append(f"{role} ready")

    start_all(servers, status, lambda server: log.append(f"{server.spec.role} starts"))
    try:
        assert log == ["policy starts", "policy ready", "prm starts", "prm ready"]
    finally:
        for server in servers:
            server.stop()


PARENT = """
import sys, time
from pathlib import Path
from sal.runtime.launch import Server
from sal.runtime.plan import ServerSpec
server = Server(ServerSpec("policy", "m", "cpu", tuple(sys.argv[2:]), {}, ()), Path(sys.argv[1]))
server.start()
server.wait_ready()
print(server.pid, flush=True)
time.sleep(600)
"""


def kill_parent_of(argv: tuple[str, ...], logs: Path) -> int:
    """Start a server from another process, kill that process, and give the server's group."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(logs), *argv], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert len(group(pid)) >= 3
    watched = group(pid)
    parent.kill()
    parent.wait()
    _, left = psutil.wait_procs(watched, timeout=60)
    assert left == []
    parent.stdout.close()
    return pid


def test_no_server_outlives_a_killed_parent(
    tmp_path: Path, fake: Callable[..., ServerSpec]
) -> None:
    assert group(kill_parent_of(fake().argv, tmp_path)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends the server on Linux alone")
def test_no_server_outlives_a_killed_guard(tmp_path: Path, fake: Callable[..., ServerSpec]) -> None:
    server = Server(fake(), tmp_path)
    server.start()
    server.wait_ready()
    child = psutil.Process(server.pid).children()[0]
    os.kill(server.pid, signal.SIGKILL)
    assert psutil.wait_procs([child], timeout=60)[1] == []
    server.stop()


def test_a_server_that_dies_leaves_no_child(
    tmp_path: Path, fake: Callable[..., ServerSpec]
) -> None:
    server = Server(fake(), tmp_path)
    server.start()
    server.wait_ready()
    watched = group(server.pid)
    psutil.Process(server.pid).children()[0].kill()
    assert psutil.wait_procs(watched, timeout=60)[1] == []
    assert not server.alive()


def test_a_warm_server_is_found_by_model_and_flags_and_outlives_nothing_it_should_not(
    tmp_path: Path, fake: Callable[..., ServerSpec], warm_servers: WarmServers
) -> None:
    spec = fake()
    server = Server(spec, warm_servers.logs, detached=True)
    server.start()
    warm_servers.record(server)
    server.wait_ready()
    found = warm_servers.find(spec)
    assert found is not None
    assert found.url == server.url
    assert warm_servers.find(replace(spec, overrides=("--tp", "2"))) is None
    assert warm_servers.find(fake("another")) is None

    with Servers(Plan({"policy": spec}), warm_servers) as servers:
        assert servers.policy.url == server.url
        assert servers.prm is None
        first = servers.policy
        assert first.info()["model_path"] == "m"
        servers.connect(["policy"])
        assert servers.policy is not first
        assert servers.policy.info()["model_path"] == "m"
        with pytest.raises(Closed):
            first.info()
    assert server.alive()  # not the run's to end

    warm_servers.stop(found)
    assert group(found.pid) == []
    assert warm_servers.find(spec) is None
    server.stop()


def test_stale_and_torn_records_are_cleaned(
    fake: Callable[..., ServerSpec], warm_servers: WarmServers
) -> None:
    server = Server(fake(), warm_servers.logs, detached=True)
    server.start()
    warm = warm_servers.record(server)
    server.stop()
    record = warm_servers.state / "servers" / "policy.json"
    assert record.exists()
    assert warm_servers.entries() == []
    assert not record.exists()
    # A pid that now belongs to another process is not ours to find, nor to kill.
    me = {**{name: getattr(warm, name) for name in warm.__slots__}, "pid": os.getpid()}
    record.write_text(json.dumps(me))
    assert warm_servers.entries() == []
    record.write_text('{"role": "pol')
    assert warm_servers.entries() == []
    assert not record.exists()


def test_a_run_ends_what_it_started_and_a_dead_server_comes_back_once(
    fake: Callable[..., ServerSpec], warm_servers: WarmServers
) -> None:
    heard: list[tuple[Role, str]] = []
    again = threading.Event()
    gone = threading.Event()

    def status(role: Role, text: str) -> None:
        heard.append((role, text))
        if text == "ready" and (role, "died, starting again") in heard:
            again.set()
        if text == "died":
            gone.set()

    plan = Plan({"policy": fake(), "prm": fake("p", "prm")})
    with Servers(plan, warm_servers, status) as servers:
        server = servers._started[0]
        url = servers.policy.url
        assert servers.prm is not None
        os.killpg(server.pid, signal.SIGKILL)
        assert again.wait(60)
        assert server.url == url
        assert answers(url)
        os.killpg(server.pid, signal.SIGKILL)
        assert gone.wait(60)
        assert "died twice" in servers.failed
        pid = servers._started[1].pid
    assert group(pid) == []
    with pytest.raises(Closed):
        servers.policy.generate({})


def test_a_log_shows_words_and_progress_not_frames(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(
        "[2026-01-01 10:00:00] Ignore import error when loading sglang.srt.models.x: y\n"
        "Loading shards:   0% Completed | 0/2\rLoading shards:  50% Completed | 1/2\n"
        "Traceback (most recent call last):\n"
        '  File "a.py", line 3, in f\n'
        "    raise ValueError\n"
        "[2026-01-01 10:00:01] ValueError: no room\n"
        "ValueError: no room\n"
    )
    assert tail(log) == "ValueError: no room"
    assert progress(log) == "Loading shards 50%"
    assert tail(tmp_path / "absent.log") == ""


# SGLang itself.


@pytest.mark.servers
def test_the_real_servers_answer(policy: Engine, prm: Engine) -> None:
    for engine in (policy, prm):
        info = engine.info()
        assert info["model_path"]
        reply = engine.generate({"text": "1 + 1", "sampling_params": {"max_new_tokens": 3}})
        assert reply["meta_info"]["completion_tokens"] == len(reply["output_ids"]) <= 3
        assert engine.usage.requests == 1


@pytest.mark.servers
def test_sglangs_own_words_explain_a_bad_flag(tmp_path: Path) -> None:
    tiny = tiny_plan("--no-such-flag 3").servers["policy"]
    server = Server(tiny, tmp_path)
    server.start()
    with pytest.raises(LaunchError) as caught:
        server.wait_ready()
    assert caught.value.tail.endswith("unrecognized arguments: --no-such-flag 3")


@pytest.mark.servers
def test_sglangs_own_words_explain_a_folder_without_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    spec = make_plan(CPU_ONLY, str(tmp_path), None).servers["policy"]
    server = Server(spec, tmp_path)
    server.start()
    with pytest.raises(LaunchError) as caught:
        server.wait_ready()
    assert "no-such-model" in caught.value.tail
    assert "File " not in caught.value.tail


@pytest.mark.servers
def test_no_sglang_process_outlives_a_killed_parent(tmp_path: Path) -> None:
    spec = tiny_plan().servers["policy"]
    # As the plan's environment would be set: the parent passes its own on.
    argv = ("env", *(f"{key}={value}" for key, value in spec.env.items()), *spec.argv)
    assert group(kill_parent_of(argv, tmp_path)) == []
