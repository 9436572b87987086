"""Runs that are searched by many workers, with workers that are lost: on scripted nodes."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from runs_examples import ScriptedServers, completion, found, row

from sal.grading.graders import make_grader
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.runs.cluster.drive import RETRIES, Drive, Ended
from sal.runs.cluster.gather import WORKERS, Gatherer
from sal.runs.cluster.queue import Item, Queue, State, Wait
from sal.runs.cluster.ray_cluster import answered
from sal.runs.cluster.work import own_run, work
from sal.runs.errors import FolderError, RunError, ServersLost
from sal.runs.execute import Outcome, execute
from sal.runs.folder import RunFolder
from sal.runs.planned_run import PlannedRun
from sal.runs.results import failed_row
from sal.runs.settings import Prepared, Settings, prepare

TOTAL = 24

Search = Callable[[str, str], SearchResult | None]


class Killed(BaseException):
    """What ends a scripted worker without a word."""


def prepared(search: Callable[[str], SearchResult]) -> Prepared:
    """A run of the tiny suite, whose program does as it is told with a problem's id."""
    from dataclasses import replace

    def run(*, problem: Problem, trace: Trace, **_: Any) -> dict[str, Any]:
        return {"result": search(problem.id)}

    ours = prepare(Settings(strategy="majority", params={"budget": 2}, limit=TOTAL), gpu=False)
    program = SimpleNamespace(run=run, labels=False, independent=True)
    strategy: Any = SimpleNamespace(program=program)
    return replace(ours, strategy=strategy)


def right(id: str) -> SearchResult:
    return found(Trace(), completion("1"), completion("2"))


class Endpoints(ScriptedServers):
    backend = verifier = None
    models: ClassVar[dict[str, Any]] = {}
    capacity = 4

    def problem(self, question: Any) -> Problem:
        return Problem(question.text, question.id)


class Nodes:
    """A `Cluster` of threads in this process. `search` does a worker's search: of its name and a
    problem's id; raises `Killed` to have the worker gone."""

    def __init__(self, run: PlannedRun, names: list[str], search: Search) -> None:
        self.names, self._run, self._search = names, run, search
        self.queue = Queue()
        self.started: list[tuple[str, str]] = []
        self.stopped = False
        self._lock = threading.Lock()
        self._ended: list[Ended] = []

    def nodes(self) -> list[str]:
        return list(self.names)

    def start(self, node: str, worker: str) -> None:
        self.started.append((node, worker))
        threading.Thread(target=self._work, args=(node, worker), daemon=True).start()

    def _work(self, node: str, worker: str) -> None:
        ended = Ended(worker, node)
        lost = threading.Event()

        def search(id: str) -> SearchResult:
            try:
                result = self._search(worker, id)
            except Killed:
                lost.set()
                raise
            if lost.is_set():
                raise Killed  # with the whole process
            return result or right(id)

        asked = SimpleNamespace(
            take=lambda: self._ask("take", worker),
            done=partial(self._ask, "done", worker),
            note=partial(self._ask, "note", worker),
        )
        part = own_run(prepared(search), self._run.path, worker)
        try:
            with part.open() as folder, closing(make_grader("exact")) as grader:
                work(
                    asked,
                    part.prepared,
                    folder,
                    Endpoints(),
                    grader,
                    requests=lambda: 0,
                    tick=lambda _: None,
                )
        except Killed as error:
            ended = Ended(worker, node, RunError(f"killed: {error}"), lost=True)
        except Exception as error:
            ended = Ended(worker, node, error)
        with self._lock:
            self._ended.append(ended)

    def _ask(self, name: str, *words: Any) -> Any:
        with self._lock:
            return getattr(self.queue, name)(*words)

    def ended(self) -> list[Ended]:
        with self._lock:
            ended, self._ended = self._ended, []
        return ended

    def put(self, items: list[Item]) -> None:
        self._ask("put", items)

    def lost(self, worker: str, recorded: list[int]) -> list[int]:
        back: list[int] = self._ask("lost", worker, recorded)
        return back

    def state(self) -> State:
        state: State = self._ask("state")
        return state

    def notes(self) -> list[tuple[str, str]]:
        notes: list[tuple[str, str]] = self._ask("notes")
        return notes

    def end(self) -> None:
        self._ask("end")

    def kill(self) -> None:
        self.stopped = True


def driver(ours: PlannedRun, folder: RunFolder, nodes: Nodes, **how: Any) -> Drive:
    usual: dict[str, Any] = {
        "note": lambda _: None,
        "tick": lambda _: None,
        "interrupted": lambda: False,
        "pause": lambda _: time.sleep(0.02),
    }
    return Drive(ours, folder, nodes, **(usual | how))


def drive(
    path: Path,
    search: Search = lambda _worker, _id: None,
    names: tuple[str, ...] = ("a", "b", "c"),
    interrupted: Callable[[], bool] = lambda: False,
    **run: Any,
) -> tuple[Outcome, Nodes, list[str]]:
    notes: list[str] = []
    ours = PlannedRun(prepared(right), path, **run)
    nodes = Nodes(ours, list(names), search)
    with ours.open() as folder:
        driven = driver(ours, folder, nodes, note=notes.append, interrupted=interrupted)
        return driven.search(), nodes, notes


def alone(path: Path) -> Outcome:
    """The same run on one machine."""
    ours = prepared(right)
    with RunFolder(path, ours.recipe, resume=False) as folder, closing(make_grader("exact")) as of:
        return execute(ours, folder, Endpoints(), of, requests=lambda: 0, tick=lambda _: None)


def table(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (path / "results.jsonl").read_text().splitlines()]
    return [r | {"seconds": 0.0} for r in rows]


def test_many_workers_leave_the_table_of_one(tmp_path: Path) -> None:
    outcome, nodes, notes = drive(tmp_path / "many")
    whole = alone(tmp_path / "one")
    assert table(tmp_path / "many") == table(tmp_path / "one")
    assert (outcome.summary.problems, outcome.summary.owed) == (TOTAL, 0)
    assert outcome.summary.accuracy == whole.summary.accuracy
    assert {node for node, _ in nodes.started} == {"a", "b", "c"}
    assert notes == []
    traces = [
        sorted(p.name for p in (tmp_path / of / "traces").iterdir()) for of in ("many", "one")
    ]
    assert traces[0] == traces[1]
    assert not (tmp_path / "many" / WORKERS).exists()
    again = PlannedRun(prepared(right), tmp_path / "many")
    assert again.look()[0] is not None  # a run like any other


def test_a_lost_worker_costs_what_it_was_searching_and_nothing_else(tmp_path: Path) -> None:
    searched: Counter[str] = Counter()
    seen: list[str] = []
    lock = threading.Lock()

    def search(worker: str, id: str) -> None:
        with lock:
            searched[id] += 1
            seen.append(worker)
            first, many = seen[0], seen.count(seen[0]) == 5
        if worker == first and many:
            raise Killed(worker)
        time.sleep(0.01)

    outcome, nodes, notes = drive(tmp_path / "run", search)
    assert outcome.summary.problems == TOTAL
    assert [r["id"] for r in table(tmp_path / "run")] == [
        q.id for q in prepared(right).problems.questions
    ]
    assert sum("is gone" in note for note in notes) == 1
    again = sum(searched.values()) - TOTAL
    assert 0 < again <= Endpoints.capacity  # of those that the lost one had
    assert len(nodes.started) == 4  # its node lives, and was given another


def test_a_node_that_loses_worker_after_worker_is_left_alone(tmp_path: Path) -> None:
    def search(worker: str, id: str) -> None:
        if node_of[worker] == "bad":
            raise Killed(worker)
        time.sleep(0.05)  # that the other does not take all of them first

    node_of: dict[str, str] = {}
    ours = PlannedRun(prepared(right), tmp_path / "run")
    nodes = Nodes(ours, ["good", "bad"], search)
    start = nodes.start

    def named(node: str, worker: str) -> None:
        node_of[worker] = node
        start(node, worker)

    nodes.start = named  # type: ignore[method-assign]
    with ours.open() as folder:
        outcome = driver(ours, folder, nodes).search()
    assert outcome.summary.problems == TOTAL
    assert [node for node, _ in nodes.started].count("bad") <= RETRIES + 1


def test_without_a_worker_the_run_ends_and_can_go_on(tmp_path: Path) -> None:
    def dies(worker: str, id: str) -> None:
        raise Killed(worker)

    with pytest.raises(ServersLost, match="no worker is left"):
        drive(tmp_path / "run", dies, ("a",))
    outcome, *_ = drive(tmp_path / "run")
    assert outcome.summary.problems == TOTAL


def test_what_workers_recorded_is_not_lost_with_their_driver(tmp_path: Path) -> None:
    """Another session finds it, and so does a reader that opens the folder to go on."""
    path = tmp_path / "run"
    outcome, nodes, _ = drive(path, interrupted=lambda: True)
    assert (outcome.interrupted, outcome.summary.problems, nodes.stopped) == (True, 0, True)
    ours = PlannedRun(prepared(right), path)
    (path / WORKERS).mkdir()
    part = own_run(ours.prepared, path, "01-001")
    ids = [q.id for q in ours.prepared.problems.questions]
    with part.open() as folder:
        folder.write_trace(3, ids[3], {"id": ids[3], "nodes": []})
        for id in (ids[3], "half"):
            record = {"type": "problem", "number": 3, "at": 1.0, "row": row(id).as_json()}
            folder.journal.append(record)
    file = part.path / "journal.jsonl"
    file.write_bytes(file.read_bytes()[:-9])
    with ours.open() as folder:
        assert list(folder.recorded.last) == [ids[3]]
        assert not (path / WORKERS).exists()
    searched: list[str] = []
    outcome, *_ = drive(path, lambda _, id: searched.append(id))
    assert ids[3] not in searched
    assert outcome.summary.problems == TOTAL


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="share it"):
        own_run(prepared(right), tmp_path / "elsewhere", "01-001")


def test_problems_of_a_lost_worker_go_to_the_front() -> None:
    queue = Queue()
    items: list[Item] = [(q, SimpleNamespace(id=f"q{q}")) for q in range(4)]  # type: ignore[misc]
    queue.put(items)
    taken: list[Item | Wait] = [queue.take("a") for _ in range(3)]
    assert taken == items[:3]
    queue.done("a", 0)
    assert queue.lost("a", [2]) == [1]
    assert queue.take("a") == "over"  # as if it had asked before it was gone
    assert (queue.take("b"), queue.take("b"), queue.take("b")) == (items[1], items[3], "wait")
    queue.end()
    assert queue.take("b") == "over"


def test_what_cannot_be_copied_stays_with_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk ends the run; the next session finds what its journal lacks, and asks for none
    of it again."""
    path = tmp_path / "run"
    ours = PlannedRun(prepared(right), path)
    nodes = Nodes(ours, ["a"], lambda _worker, _id: None)
    failing = [OSError(28, "No space left on device", str(path / "journal.jsonl"))]

    def full() -> None:
        if failing:
            raise failing.pop()

    with ours.open() as folder:
        monkeypatch.setattr(folder.journal, "sync", full)
        driven = driver(ours, folder, nodes, pause=lambda _: time.sleep(0.05))
        with pytest.raises(OSError, match="No space left"):
            driven.search()
        folder.journal.path.write_bytes(b"")  # as where the disk took nothing of it
    recorded = list(path.glob(f"{WORKERS}/*/traces/*.json"))
    assert recorded
    searched: list[str] = []
    outcome, *_ = drive(path, lambda _, id: searched.append(id))
    assert outcome.summary.problems == TOTAL
    assert len(searched) <= TOTAL - len(recorded)


def test_a_queue_that_is_gone_ends_the_run_with_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "run"
    ours = PlannedRun(prepared(right), path)
    seen = threading.Semaphore(0)

    class Losing(Nodes):
        def state(self) -> State:
            if len(list(path.glob("traces/*.json"))) >= 1:
                raise ServersLost("the queue of this run is gone")
            return super().state()

        def end(self) -> None:
            super().end()  # whoever asks it learns nothing more
            raise ServersLost("the queue of this run is gone")

    nodes = Losing(ours, ["a"], lambda _worker, _id: None)
    with ours.open() as folder, pytest.raises(ServersLost, match="queue"):
        driver(ours, folder, nodes, pause=lambda _: seen.acquire(timeout=0.05)).search()
    assert nodes.stopped or len(table(path)) == TOTAL
    assert len(table(path)) >= 1


def test_a_problem_that_two_workers_recorded_counts_once(tmp_path: Path) -> None:
    """One was thought to be gone, and its row came behind the other's."""
    path = tmp_path / "run"
    ids = [q.id for q in prepared(right).problems.questions]
    late = threading.Event()

    def search(worker: str, id: str) -> None:
        if id == ids[0]:
            raise RuntimeError("of the first")
        if id == ids[-1] and not late.is_set():
            late.set()
            for other in ("98-001", "99-001"):
                with own_run(prepared(right), path, other).open() as folder:
                    folder.write_trace(0, ids[0], {"id": ids[0], "nodes": []})
                    failed = failed_row(ids[0], "?", "1", f"of {other}")
                    of = {"type": "problem", "number": 0, "at": 1.0, "row": failed.as_json()}
                    folder.journal.append(of)
            time.sleep(0.5)

    outcome, *_ = drive(path, search, ("a",))
    assert (outcome.summary.problems, outcome.summary.owed) == (TOTAL, 0)
    assert outcome.summary.failed == 1


def test_what_ray_says_of_a_queue_that_is_gone_is_an_error_of_ours() -> None:
    class RayError(Exception):
        pass

    def get(_: Any) -> None:
        raise RayError("The actor died.\nA trace of it")

    ray = SimpleNamespace(get=get, exceptions=SimpleNamespace(RayError=RayError))
    with pytest.raises(ServersLost, match=r"queue of this run is gone: The actor died\.$"):
        answered(ray, "future")


def test_a_worker_that_was_thought_lost_finds_no_folder_when_the_run_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PlannedRun(prepared(right), tmp_path / "run").open() as folder:
        of_worker = folder.path / WORKERS / "01"
        of_worker.mkdir(parents=True)

        def writes_meanwhile(*_: Any, **__: Any) -> None:
            (of_worker / "journal.jsonl").write_text("{}")

        monkeypatch.setattr("shutil.rmtree", writes_meanwhile)
        with pytest.raises(FileNotFoundError):
            Gatherer(folder, lambda _: None).clear()
        assert not (folder.path / WORKERS).exists()


def test_a_worker_that_begins_when_the_run_has_ended_makes_no_folder(tmp_path: Path) -> None:
    of_run = prepared(right)
    with PlannedRun(of_run, tmp_path / "run").open() as folder:
        gatherer = Gatherer(folder, lambda _: None)
        gatherer.begin()
        own_run(of_run, folder.path, "01").open().journal.close()
        gatherer.clear()
        with pytest.raises(FolderError):
            own_run(of_run, folder.path, "02").open()
        assert not (folder.path / WORKERS).exists()
