"""The scripts of examples/slurm, given to a real Slurm, and by hand where there is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runs_proxy import Proxy
from runs_terminal import SAL, environment, records
from slurm_cluster import Cluster, slurm_cluster, why_not

from sal.runs.status import run_status

SCRIPTS = Path(__file__).parents[1] / "examples/slurm"
PROBLEMS, SHARDS = 6, 2
WORDS = ["best-of-n", "--budget", "16", "--limit", str(PROBLEMS), "--max-tokens", "200"]


@pytest.fixture(scope="module")
def policy(policy_server: str) -> Iterator[Proxy]:
    """The policy's server; cut off, a search can only wait for it."""
    with Proxy(policy_server) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def models(policy: Proxy, prm_server: str) -> list[str]:
    return ["--policy", policy.url, "--prm", prm_server]


@pytest.fixture(scope="module")
def whole(models: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run without shards."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run(
        [SAL, "run", *WORDS, *models, "--out", "run"],
        cwd=folder,
        env=environment(folder / "state"),
        check=True,
        timeout=240,
    )
    return folder / "run"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    if why := why_not():
        pytest.skip(why)
    with slurm_cluster(tmp_path, environment(tmp_path / "sal-state")) as started:
        yield started


def check_same(one: Path, other: Path) -> None:
    """Equal results but for times, what was held and cached at a time, and last bits of scores."""
    (ours, our_scores), (theirs, their_scores) = (_results(path) for path in (one, other))
    assert ours == theirs
    assert our_scores == pytest.approx(their_scores, abs=1e-5)


def _results(folder: Path) -> tuple[list[dict[str, Any]], list[float]]:
    found = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    scores: list[float] = []
    for row in found:
        del row["seconds"], row["kv_peak"]
        for usage in row["usage"].values():
            del usage["cached_tokens"], usage["attended_tokens"]
        for completion in row["completions"]:
            scores += [*completion.pop("scores"), completion.pop("weight") or 0.0]
    return found, scores


@pytest.mark.servers
def test_an_array_with_a_task_that_was_told_to_stop_becomes_the_whole_run(
    cluster: Cluster, policy: Proxy, models: list[str], whole: Path
) -> None:
    folder = cluster.folder
    array = f"--array=1-{SHARDS}%1"
    job = cluster.submit(array, SCRIPTS / "sal-array.slurm", "shards", *WORDS, *models)
    merge = cluster.submit(
        f"--dependency=afterany:{job}", SCRIPTS / "sal-merge.slurm", "merged", "shards"
    )
    shard = folder / f"shards/1-of-{SHARDS}"
    cluster.until(lambda: records(shard, "session"))
    policy.cut()
    assert cluster.state(merge) == "PENDING"
    cluster.call("scancel", "--batch", "--signal=TERM", f"{job}_1")  # as `--signal=B:TERM@60` does
    cluster.until(lambda: "PENDING" in cluster.state(f"{job}_1"))  # it is back in the queue
    assert run_status(shard).state == "interrupted"
    policy.mend()
    cluster.call("scontrol", "update", f"JobId={job}_1", "StartTime=now")  # not in two minutes
    cluster.until(lambda: (folder / "merged").exists())
    cluster.until(lambda: cluster.state(merge) == "COMPLETED")
    assert len(records(shard, "session")) == 2
    check_same(folder / "merged", whole)
    assert f"{PROBLEMS} problems" in (folder / f"sal-merge-{merge}.log").read_text()
    log = (folder / f"sal-{job}_1.log").read_text()
    assert "sal: interrupted" in log


def by_hand(folder: Path, task: int, models: list[str]) -> subprocess.Popen[str]:
    """A task of the array, with the variables that Slurm sets and a `scontrol` that only notes."""
    (folder / "bin").mkdir(exist_ok=True)
    scontrol = folder / "bin/scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {folder}/scontrol.txt\n')
    scontrol.chmod(0o755)
    set_by_slurm = {
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": str(task),
        "SLURM_ARRAY_TASK_COUNT": str(SHARDS),
    }
    ours = environment(folder / "state")
    return subprocess.Popen(
        ["bash", SCRIPTS / "sal-array.slurm", "shards", *WORDS, *models],
        cwd=folder,
        env=ours | set_by_slurm | {"PATH": f"{folder / 'bin'}:{ours['PATH']}"},
        stderr=subprocess.PIPE,
        text=True,
    )


def until(condition: Callable[[], object], task: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert task.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.servers
def test_the_same_by_hand(policy: Proxy, models: list[str], whole: Path, tmp_path: Path) -> None:
    shard = tmp_path / f"shards/1-of-{SHARDS}"
    task = by_hand(tmp_path, 1, models)
    until(lambda: records(shard, "session"), task)
    policy.cut()
    until(lambda: run_status(shard).moment.in_flight, task)
    assert run_status(shard).state == "running"
    os.kill(task.pid, signal.SIGTERM)  # to the shell alone
    _, err = task.communicate(timeout=60)
    assert (task.returncode, "sal: interrupted" in err) == (143, True), err
    assert (tmp_path / "scontrol.txt").read_text() == "requeue 7_1\n"
    assert run_status(shard).state == "interrupted"
    policy.mend()
    for number in (1, 2):
        task = by_hand(tmp_path, number, models)
        _, err = task.communicate(timeout=120)
        assert task.returncode == 0, err
    assert (tmp_path / "scontrol.txt").read_text() == "requeue 7_1\n"
    merged = subprocess.run(
        ["bash", SCRIPTS / "sal-merge.slurm", "merged", "shards"],
        cwd=tmp_path,
        env=environment(tmp_path / "state"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert merged.returncode == 0, merged.stderr
    check_same(tmp_path / "merged", whole)
