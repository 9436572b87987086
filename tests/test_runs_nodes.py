"""Runs that are stopped inside their problems: what stands in their folders, and how they go on."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from runs_terminal import records
from test_programs_recall import Judge, Told

from sal.grading.grader import Grader
from sal.programs.problem import Problem
from sal.runs.execute import Outcome, execute, finished
from sal.runs.found import read_run
from sal.runs.nodes import nodes_in_flight
from sal.runs.planned_run import PlannedRun
from sal.runs.problems import Question
from sal.runs.settings import Settings, prepare
from sal.runtime.endpoint_errors import Closed
from sal.runtime.model_cost import ModelCost
from sal.runtime.policy import Reply, Request


class Endpoints(Told):
    """Answers until `most` requests were made; whoever asks then waits until it is shut down."""

    capacity = None
    models: Mapping[str, ModelCost | None] = {}

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.backend, self.verifier = self, Judge()
        self.most = most
        self.waiting = threading.Event()
        self._aborted = threading.Event()
        self._count = threading.Lock()

    def write(self, request: Request) -> Reply:
        with self._count:
            if self._aborted.is_set():
                raise Closed("shut down")
            over = self.most is not None and len(self.requests) >= self.most
            if not over:
                return super().write(request)
        self.waiting.set()
        assert self._aborted.wait(30)
        raise Closed("shut down")

    def problem(self, question: Question) -> Problem:
        return Problem.of(Problem(question.text, question.id))

    def check(self) -> None:
        """It is well."""

    def abort(self) -> None:
        self._aborted.set()


@pytest.fixture
def planned(tmp_path: Path) -> PlannedRun:
    """REBASE on four problems."""
    problems = tmp_path / "problems.jsonl"
    rows = [{"id": f"a/{i}", "question": f"Compute {i}+0.", "answer": "1"} for i in range(4)]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = Settings(
        strategy="rebase", params={"budget": 8}, dataset=str(problems), policy="tiny", prm="tiny"
    )
    return PlannedRun(prepare(settings, gpu=False), tmp_path / "run")


def go(planned: PlannedRun, endpoints: Endpoints) -> Outcome:
    with planned.open() as folder:
        return execute(
            planned.prepared,
            folder,
            endpoints,
            Grader(),
            requests=lambda: 0,
            tick=lambda _: None,
            interrupted=endpoints.waiting.is_set,
        )


def told(path: Path) -> list[Any]:
    """What must be equal of a run's rows."""
    rows = [json.loads(line) for line in (path / "results.jsonl").read_text().splitlines()]
    for row in rows:
        for name in ("seconds", "kv_peak"):
            del row[name]
        for name in row["usage"]["prm"]:  # of two equal steps one pays, and it may be the one lost
            row["usage"]["prm"][name] = None
    return rows


def test_stopped_again_and_again_it_asks_for_nothing_twice(
    planned: PlannedRun, tmp_path: Path
) -> None:
    alone = PlannedRun(planned.prepared, tmp_path / "alone")
    whole = Endpoints()
    go(alone, whole)
    asked: list[Request] = []
    sessions = 0
    while True:
        endpoints = Endpoints(most=25)
        outcome = go(planned, endpoints)
        asked += endpoints.requests
        sessions += 1
        if not outcome.interrupted:
            break
        done = {r["row"]["id"] for r in records(planned.path, "problem")}
        flying = nodes_in_flight(planned.path)
        assert flying.keys().isdisjoint(done)
        assert nodes_in_flight(planned.path, done=flying) == {}
        assert all(
            node.parent in {(), *(n.id for n in nodes)}
            for nodes in flying.values()
            for node in nodes
        )
    assert sessions > 3
    assert told(planned.path) == told(alone.path)
    key = [(r.text, r.seed, r.known, r.max_tokens) for r in asked]
    assert sorted(map(repr, key)) == sorted(
        repr((r.text, r.seed, r.known, r.max_tokens)) for r in whole.requests
    )
    assert list((planned.path / "nodes").iterdir()) == []
    for name in ("00000-a-0.json", "00003-a-3.json"):
        nodes = [
            {tuple(n["id"]): n | {"begun": 0} for n in json.loads(text)["nodes"]}
            for text in ((run.path / "traces" / name).read_text() for run in (alone, planned))
        ]
        assert nodes[0] == nodes[1]


def test_the_time_of_a_session_that_finished_nothing_counts(planned: PlannedRun) -> None:
    go(planned, Endpoints(most=17))  # fewer than any of the problems needs
    assert records(planned.path, "problem") == []
    session = records(planned.path, "session")[-1]
    assert session["before"] == 0
    last = max(
        json.loads(line)["at"]
        for path in (planned.path / "nodes").iterdir()
        for line in path.read_text().splitlines()
    )
    outcome = go(planned, Endpoints())
    assert records(planned.path, "session")[-1]["before"] == last > 0
    assert outcome.summary.seconds > last
    assert read_run(planned.path).seconds > last
    rows = [record["row"] for record in records(planned.path, "problem")]
    assert max(row["seconds"] for row in rows) > last / 2


def test_a_disk_that_takes_no_node_stops_the_run(
    planned: PlannedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = os.write, 0

    def full(handle: int, data: bytes) -> int:
        nonlocal written
        if b'"type":"node"' in bytes(data[:20]):
            written += 1
            if written > 10:
                real(handle, bytes(data[:9]))
                raise OSError(28, "No space left on device")
        return real(handle, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=r"No space.*/nodes/"):
        go(planned, Endpoints())
    monkeypatch.undo()
    flying = nodes_in_flight(planned.path)
    assert sum(map(len, flying.values())) == 10
    endpoints = Endpoints()
    assert not go(planned, endpoints).interrupted
    assert {row["error"] for row in told(planned.path)} == {None}


def test_nodes_of_a_finished_problem_are_removed(planned: PlannedRun) -> None:
    """Killed between its row and this, a run left them."""
    go(planned, Endpoints())
    left = planned.path / "nodes" / "00001-a-1.jsonl"
    left.write_text('{"type":"search","id":"a/1","session":1,"at":0.0}\n')
    with planned.open() as folder:
        assert finished(planned.prepared, folder) is not None
    assert not left.exists()


def test_each_row_has_its_trace_and_is_on_disk_before_it_counts(
    planned: PlannedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each wait for the disk, which is where a kill would come: what docs/resume.md says."""
    fsync, waits = os.fsync, list[tuple[set[str], set[str], set[str]]]()

    def ids(folder: str) -> set[str]:
        found = (path.stem.partition("-")[2] for path in (planned.path / folder).iterdir())
        return {name.replace("a-", "a/") for name in found}

    def synced(handle: int) -> None:
        name = os.readlink(f"/proc/self/fd/{handle}")
        assert "/traces/" not in name
        assert "/nodes/" not in name
        if name.endswith("journal.jsonl"):
            written = {record["row"]["id"] for record in records(planned.path, "problem")}
            waits.append((written, ids("traces"), ids("nodes")))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    go(planned, Endpoints())
    last: set[str] = set()
    for written, traces, nodes in waits:
        assert written <= traces
        assert written - last <= nodes  # until its row is on disk
        last = written
    assert len(last) == 4
