"""`sal run --ray` on a Ray cluster of three nodes, two of which lose what they had."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from runs_terminal import SAL, environment, records
from scripted_server import ScriptedServer

from sal.runs.cluster.gather import WORKERS
from sal.runs.cluster.ray_cluster import connect
from sal.runs.errors import RunError
from sal.runs.live import read_live

PROBLEMS = 60

PAUSE_S = 0.3
"""Of the scripted policy, so that there is something to be killed."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Three nodes on this machine."""
    from ray.cluster_utils import Cluster  # slow

    state = tmp_path_factory.mktemp("state")
    before = dict(os.environ)
    os.environ.update(environment(state), RAY_DISABLE_IMPORT_WARNING="1")
    made = Cluster()
    try:
        for head in (True, False, False):
            patiently(made.add_node, num_cpus=1, **({"include_dashboard": False} if head else {}))
        yield made
    finally:
        made.shutdown()
        os.environ.clear()
        os.environ.update(before)


def patiently(start: Callable[..., Any], **how: Any) -> None:
    """Ray gives a node 30 seconds to start, which is not much where other tests run."""
    for left in (2, 1, 0):
        try:
            start(**how)
            return
        except Exception:
            if not left:
                raise


def words(cluster: Any, run: Path, policy: str, *more: str) -> list[str]:
    return [
        *(str(SAL), "run", "majority", "--budget", "2", "--limit", str(PROBLEMS)),
        *("--policy", policy, "--ray", cluster.address, "--resume", str(run), *more),
    ]


@pytest.fixture
def policy() -> Iterator[ScriptedServer]:
    """A scripted policy, of which each worker has room for four requests at a time."""
    with ScriptedServer(PAUSE_S) as server:
        yield server


def until(condition: Callable[[], Any], limit_s: float = 180.0) -> Any:
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def workers() -> list[psutil.Process]:
    """The processes that search."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any("ray::RayWorker" in word for word in process.info["cmdline"] or ()):
            found.append(process)
    return found


def searches(worker: Path) -> bool:
    """Whether the worker with this folder has a problem in flight."""
    live = read_live(worker)
    return live is not None and live.snapshot is not None and bool(live.snapshot.in_flight)


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]


def test_a_worker_and_a_node_are_killed_and_every_problem_is_searched(
    cluster: Any, policy: ScriptedServer, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        words(cluster, run, policy.url, "--display", "plain"),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=(tmp_path / "said").open("wb"),
    )
    try:
        until(lambda: len(records(run, "problem")) >= 2)
        policy.go.clear()  # the queue does not run dry, and what is searched stays so
        until(lambda: sum(map(searches, (run / WORKERS).glob("*/"))) == 3)
        first = workers()
        first[0].send_signal(signal.SIGKILL)
        cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
        policy.go.set()
        assert process.wait(240) == 0
    finally:
        policy.go.set()
        process.kill()
    said = (tmp_path / "said").read_text()
    # The worker may be that node's, and a dead node may be thought to live until the run's end.
    assert said.count("is gone") >= 1, said
    assert said.count("go back to the queue") >= 1, said
    found = rows(run)
    assert len({row["id"] for row in found}) == len(found) == PROBLEMS
    assert len(list((run / "traces").iterdir())) == PROBLEMS
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["problems"], summary["owed"], summary["failed"]) == (PROBLEMS, 0, 0)
    assert not (run / WORKERS).exists()

    alone = tmp_path / "alone"
    command = words(cluster, alone, policy.url)
    at = command.index("--ray")
    del command[at : at + 2]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert [told(row) for row in rows(alone)] == [told(row) for row in found]


def told(row: dict[str, Any]) -> Any:
    """What must be equal: sampling is seeded by problem and node, wherever it is searched."""
    return row["id"], [c["text"] for c in row["completions"]], row["chosen"], row["correct"]


def test_a_driver_that_is_killed_loses_nothing_that_a_worker_recorded(
    cluster: Any, policy: ScriptedServer, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = words(cluster, run, policy.url)
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    until(lambda: len(records(run, "problem")) >= 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not workers())  # Ray ends what a gone driver started
    kept = [r for path in (run / WORKERS).glob("*") for r in records(path, "problem")]
    assert kept
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    sessions = records(run, "problem")
    assert len(sessions) == len(rows(run)) == PROBLEMS  # none was searched twice
    texts = {r["row"]["id"]: told(r["row"]) for r in sessions}
    assert all(texts[r["row"]["id"]] == told(r["row"]) for r in kept)


def test_no_cluster_is_said_in_one_line() -> None:
    with pytest.raises(RunError, match=r"--ray 127\.0\.0\.1:1: "):
        connect("127.0.0.1:1")
