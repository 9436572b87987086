"""live.json: what a run tells of itself, and that telling never harms it."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from runs_examples import COST, row
from test_cli_display import MIDDLE

import sal.runs.live as module
from sal.programs.trace import Node, Trace
from sal.runs.live import Live, LiveFile, read_live
from sal.runs.progress import Progress
from sal.runs.snapshot import InFlight, Snapshot, Spent
from sal.runtime.retries import Retrying
from sal.runtime.usage import Usage

MOMENT: Snapshot = replace(
    MIDDLE,
    in_flight=(InFlight("a/1", "step 7", 93, 12.0, 3, COST, Usage()),),
    retrying={"policy": Retrying("HTTP 500", 3, 12.0, 588.0)},
    earlier=Spent(60.0, COST, Usage(prompt_tokens=None, requests=3)),
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    clock = Clock()
    with LiveFile(tmp_path, clock) as live:
        started = Live(os.getpid(), socket.gethostname(), 1000.0, 1000.0)
        assert read_live(tmp_path) == started
        clock.now += 0.1
        live.update(MOMENT)
        told = replace(MOMENT, finished=())
        assert read_live(tmp_path) == replace(started, written=1000.1, snapshot=told)
    assert [path.name for path in tmp_path.iterdir()] == ["live.json"]


def test_it_is_written_once_a_second_and_at_the_end(tmp_path: Path) -> None:
    clock = Clock()
    seen = set()
    with LiveFile(tmp_path, clock) as live:
        for tick in range(20):
            clock.now = 1000.0 + tick / 4
            live.update(replace(MOMENT, seconds=float(tick)))
            told = read_live(tmp_path)
            assert told is not None
            assert told.snapshot is not None
            seen.add(told.snapshot.seconds)
    assert seen == {0.0, 4.0, 8.0, 12.0, 16.0}
    last = read_live(tmp_path)
    assert last is not None
    assert last.snapshot is not None
    assert (last.snapshot.seconds, last.ended) == (19.0, "finished")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (OSError(28, "No space left on device", "x"), "[Errno 28] No space left on device: 'x'"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_it_says_how_it_ended(tmp_path: Path, error: BaseException, said: str) -> None:
    with pytest.raises(type(error)), LiveFile(tmp_path):
        raise error
    told = read_live(tmp_path)
    assert told is not None
    assert told.ended == said


def test_a_time_limit_is_no_end_of_the_run(tmp_path: Path) -> None:
    with LiveFile(tmp_path) as live:
        live.end(module.TIME_LIMIT)
    told = read_live(tmp_path)
    assert told is not None
    assert told.ended == "time limit"


def test_what_cannot_be_written_never_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with LiveFile(tmp_path) as live:
        live.update(MOMENT)
    with LiveFile(tmp_path / "gone") as live:
        live.update(MOMENT)
    assert read_live(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"snapshot": 3}', "\0"])
def test_what_says_nothing_is_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "live.json").write_text(text)
    assert read_live(tmp_path) is None


def test_what_a_later_version_says_beside_is_passed_over(tmp_path: Path) -> None:
    with LiveFile(tmp_path) as live:
        live.update(MOMENT)
    content = json.loads((tmp_path / "live.json").read_text())
    for part in (content, content["snapshot"], content["snapshot"]["in_flight"][0]):
        part["new"] = 1
    (tmp_path / "live.json").write_text(json.dumps(content))
    told = read_live(tmp_path)
    assert told is not None
    assert told.snapshot == replace(MOMENT, finished=())


def test_the_cost_of_all_sessions_and_of_each_problem() -> None:
    clock = Clock()
    progress = Progress(3, [row("q0")], budget=4, before=50.0, clock=clock)
    trace = Trace()
    progress.begin("q1", trace)
    trace.add(Node((0,), "x", 3, "eot"), COST, COST)
    trace.add(Node((1,), "x", 3, "separator"), COST)
    clock.now += 5
    seen = progress.snapshot()
    assert seen.in_flight == (InFlight("q1", "queued", 2, 5.0, 1, COST + COST, COST),)
    assert seen.earlier == Spent(50.0, COST, COST)
    assert seen.spent == Spent(55.0, COST + COST + COST, COST + COST)
    progress.finish(row("q1", correct=False))
    seen = progress.snapshot()
    assert (seen.accuracy, seen.stderr) == (0.5, 0.5)
    assert seen.spent.policy == COST + COST
