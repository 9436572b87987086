"""Runs that are followed, and what is served of them to this machine's browser."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from explore_examples import GrowingRun

from sal.reports.explore_server import ExploreServer
from sal.reports.followed import FollowedRuns
from sal.runs.errors import FolderError

STRANGE = "../q 1/ä"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ExploreServer]:
    run = GrowingRun(tmp_path / "sweep/run")
    run.finish(1, STRANGE)
    run.begin(2, "p2", 3)
    with ExploreServer(FollowedRuns(tmp_path / "sweep", "sweep"), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(
    server: ExploreServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Ask for the path as it is."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request(method, path, headers=headers)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, body, dict(reply.getheaders())


class TestFollowedRuns:
    def test_only_what_is_new_is_new(self, tmp_path: Path) -> None:
        run = GrowingRun(tmp_path / "run")
        runs = FollowedRuns(tmp_path / "run", "title")
        first = runs.version()
        assert runs.data()["runs"] == []
        assert runs.version() == first
        run.finish(0, "p0")
        assert runs.version() != first
        assert runs.data()["runs"][0]["done"] == 1
        run.begin(1, "p1", 2)
        second = runs.version()
        assert [f["nodes"] for f in runs.in_flight()] == [2]
        run.begin(1, "p1", 5)
        assert [f["nodes"] for f in runs.in_flight()] == [5]
        assert runs.version() == second

    def test_a_run_keeps_its_place(self, tmp_path: Path) -> None:
        early, late = GrowingRun(tmp_path / "a"), GrowingRun(tmp_path / "b")
        runs = FollowedRuns(tmp_path, "title")
        late.finish(0, "late")
        assert runs.version()
        assert runs.trace(0, "late")
        early.finish(0, "early")
        GrowingRun(tmp_path / "0").finish(0, "new")
        assert len(runs.data()["runs"]) == 3
        assert runs.trace(0, "late")
        assert runs.trace(1, "new")
        assert runs.trace(2, "early")
        assert runs.trace(3, "new") is None

    def test_a_problem_in_flight_until_it_is_finished(self, tmp_path: Path) -> None:
        run = GrowingRun(tmp_path / "run")
        runs = FollowedRuns(tmp_path / "run", "title")
        run.begin(0, "p0", 2)
        (flight,) = runs.in_flight()
        assert flight == {"run": "run", "place": None, "id": "p0", "nodes": 2}
        live = runs.live_trace("run", "p0")
        assert live
        assert live["live"]
        assert live["texts"] == ["p0 step 0", "p0 step 1"]
        run.finish(0, "p0")
        assert runs.in_flight() == []
        assert runs.live_trace("run", "p0") is None
        assert (runs.trace(0, "p0") or {})["completions"][0]["node"] == 1

    def test_what_a_killed_search_left_behind_is_not_in_flight(self, tmp_path: Path) -> None:
        run = GrowingRun(tmp_path / "run")
        run.finish(0, "p0")
        run.begin(0, "p0", 2)
        assert FollowedRuns(tmp_path, "title").in_flight() == []

    def test_ids_that_look_the_same_in_file_names(self, tmp_path: Path) -> None:
        run = GrowingRun(tmp_path / "run")
        run.finish(0, "a b")
        run.finish(1, "a/b")
        runs = FollowedRuns(tmp_path, "title")
        assert runs.version()
        assert (runs.trace(0, "a/b") or {})["id"] == "a/b"
        assert (runs.trace(0, "a b") or {})["id"] == "a b"
        assert runs.trace(0, "a-b") is None

    def test_a_folder_without_runs(self, tmp_path: Path) -> None:
        with pytest.raises(FolderError, match="holds no run"):
            FollowedRuns(tmp_path, "title")


class TestServer:
    def test_the_page_and_its_data(self, server: ExploreServer) -> None:
        status, page, headers = ask(server, "/")
        assert status == 200
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.startswith(b"<!doctype html>")
        assert json.loads(ask(server, "/data")[1])["runs"][0]["done"] == 1
        flight = json.loads(ask(server, "/flight")[1])
        assert flight == [{"run": "sweep/run", "place": 0, "id": "p2", "nodes": 3}]

    def test_traces(self, server: ExploreServer) -> None:
        trace = json.loads(ask(server, f"/trace/0/{quote(STRANGE, safe='')}")[1])
        assert trace["id"] == STRANGE
        live = json.loads(ask(server, f"/live/{quote('sweep/run', safe='')}/p2")[1])
        assert len(live["nodes"]["parent"]) == 3

    @pytest.mark.parametrize("path", ["/data", "/flight"])
    def test_what_is_known_is_not_sent_again(self, server: ExploreServer, path: str) -> None:
        tag = ask(server, path)[2]["ETag"]
        status, body, _ = ask(server, path, **{"If-None-Match": tag})
        assert (status, body) == (304, b"")
        assert ask(server, path, **{"If-None-Match": '"other"'})[0] == 200

    @pytest.mark.parametrize(
        "path",
        [
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "//etc/passwd",
            "/trace/../../recipe.yaml",
            "/trace/0/..%2f..%2frecipe.yaml",
            "/trace/0/*",
            "/trace/-1/x",
            "/trace/%C2%B2/x",
            "/live/..%2frun/p2",
            "/data/",
            "/recipe.yaml",
        ],
    )
    def test_no_path_leads_to_a_file(self, server: ExploreServer, path: str) -> None:
        assert ask(server, path)[0] == 404

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil", "", "["])
    def test_it_has_no_other_name(self, server: ExploreServer, host: str) -> None:
        for path in ("/", "/data", "/trace/0/x"):
            assert ask(server, path, Host=host)[0] == 403

    def test_no_other_page_may_ask(self, server: ExploreServer) -> None:
        here = f"127.0.0.1:{server.server_port}"
        assert ask(server, "/data", Origin=f"http://{here}")[0] == 200
        for origin in ("http://evil.example", "http://127.0.0.1:1", "null"):
            assert ask(server, "/data", Origin=origin)[0] == 403
        # a tunnel to this machine has a port of its own
        assert ask(server, "/data", Host="localhost:8000", Origin="http://localhost:8000")[0] == 200

    def test_it_listens_on_this_machine_alone(self, server: ExploreServer) -> None:
        assert server.socket.getsockname()[0] == "127.0.0.1"

    def test_it_only_reads(self, server: ExploreServer) -> None:
        assert ask(server, "/data", method="POST")[0] == 501

    def test_a_browser_that_goes_away_is_no_error(
        self, server: ExploreServer, capfd: pytest.CaptureFixture[str]
    ) -> None:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.server_port)) as gone:
                reset_on_close = struct.pack("ii", 1, 0)
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_on_close)
                gone.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ask(server, "/data")[0] == 200
        assert capfd.readouterr().err == ""

    def test_a_folder_that_is_gone(self, server: ExploreServer, tmp_path: Path) -> None:
        (tmp_path / "sweep").rename(tmp_path / "moved")
        status, body, _ = ask(server, "/data")
        assert status == 503
        assert b"no such folder" in body


def test_nothing_is_written_and_nothing_is_locked(tmp_path: Path) -> None:
    run = GrowingRun(tmp_path / "run")
    run.finish(0, "p0")
    run.begin(1, "p1", 2)
    run.folder.journal.close()

    def state() -> dict[str, Any]:
        files = list(tmp_path.rglob("*"))
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in files}

    before = state()
    runs = FollowedRuns(tmp_path, "title")
    assert runs.data()["runs"]
    assert runs.in_flight()
    assert runs.trace(0, "p0")
    assert state() == before
    assert runs.live_trace(f"{tmp_path.name}/run", "p1")
    from runs_examples import recipe

    from sal.runs.folder import RunFolder

    RunFolder(tmp_path / "run", recipe(), resume=True).journal.close()


class TestCommand:
    def start(self, *arguments: str) -> subprocess.Popen[str]:
        code = "import sys; from sal.cli.main import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", code, "explore", *arguments]
        pipe = subprocess.PIPE

        def heed_interrupts() -> None:  # a background job of a shell ignores them
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        return subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, preexec_fn=heed_interrupts
        )

    def test_it_serves_until_it_is_interrupted(self, tmp_path: Path) -> None:
        GrowingRun(tmp_path / "run").finish(0, "p0")
        process = self.start(str(tmp_path), "--port", "0")
        assert process.stdout
        url = process.stdout.readline().split()[0]
        connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
        connection.request("GET", "/data")
        assert json.load(connection.getresponse())["title"] == tmp_path.name
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr
        assert "Traceback" not in process.stderr.read()

    def test_a_folder_without_runs_is_bad_usage(self, tmp_path: Path) -> None:
        process = self.start(str(tmp_path))
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 2
        assert errors.strip().endswith("holds no run")

    def test_a_port_that_was_asked_for_and_is_taken(
        self, server: ExploreServer, tmp_path: Path
    ) -> None:
        process = self.start(str(tmp_path), "--port", str(server.server_port))
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "in use" in errors
