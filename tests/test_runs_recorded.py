"""A journal that was damaged since, failed rows that are searched again, and a full disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs_examples import questions, row

from sal.runs.at_n import numbers_at
from sal.runs.execute import finished
from sal.runs.experiment import Experiment
from sal.runs.folder import RunFolder, write_atomically
from sal.runs.planned_run import PlannedRun
from sal.runs.progress import Progress
from sal.runs.recorded import Recorded, is_usable
from sal.runs.results import ResultRow
from sal.runs.settings import Settings, prepare
from sal.runs.summary import summarise
from sal.runtime.model_cost import ModelCost
from sal.runtime.plan import Plan


def record(number: int, of: ResultRow) -> dict[str, Any]:
    whole = {"type": "problem", "number": number, "at": 2.0, "row": of.as_json()}
    copy: dict[str, Any] = json.loads(json.dumps(whole))
    return copy


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in nested JSON: (its container, its key)."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@settings(max_examples=300)
@given(data=st.data())
def test_whatever_was_damaged_in_a_row_ends_no_run(data: st.DataObject) -> None:
    whole = record(0, row("q0"))
    assert is_usable(whole)
    container, key = data.draw(st.sampled_from(list(places(whole))))
    junk = data.draw(st.sampled_from([None, "", "x", -1, 1.5, [], [1], {}, {"a": 1}, True]))
    if junk is None and isinstance(container, dict) and data.draw(st.booleans()):
        del container[key]
    else:
        container[key] = junk
    if not is_usable(whole):
        return
    recorded = Recorded()
    recorded.take(whole)
    rows = recorded.rows([whole])
    recorded.seconds()
    Progress(1, recorded.done(rows, questions(1), 1, again=False)).snapshot()
    summary = summarise(
        rows.values(),
        strategy="s",
        budget=1,
        owed=0,
        seconds=1.0,
        versions={},
        recipe="",
        models={"policy": ModelCost(9, 2)},
        at_n=numbers_at(list(rows.values()), "s", 1, independent=True, ns=[1]),
    )
    json.dumps(summary.as_json())
    json.dumps([r.as_json() for r in rows.values()])


PREPARED = prepare(Settings(strategy="majority", params={"budget": 2}, limit=3), gpu=False)
IDS = [question.id for question in PREPARED.problems.questions]


def journal(path: Path, *rows: ResultRow) -> Path:
    """A run's folder in which so much is recorded."""
    with RunFolder(path, PREPARED.recipe, resume=False) as folder:
        folder.journal.append({"type": "session", "versions": {}, "models": {}})
        for one in rows:
            folder.journal.append(record(IDS.index(one.id), one))
    return path


class Told:
    """A display and an interruption that only remember what is noted."""

    asked = False

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        yield

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def test_damaged_lines_are_told_owed_and_left_where_they_are(tmp_path: Path) -> None:
    path = journal(tmp_path / "run", *map(row, IDS))
    file = path / "journal.jsonl"
    session, first, second, third = file.read_bytes().splitlines(keepends=True)
    broken = json.loads(second)
    del broken["row"]["question"]
    damaged = session + first[:40] + b"\0\0\n" + json.dumps(broken).encode() + b"\n" + third
    file.write_bytes(damaged)
    told = Told()
    run = PlannedRun(PREPARED, path)
    experiment = Experiment([run], Plan(), display=told, interruption=told)
    assert experiment.owed == [run]
    assert told.notes == [f"{path}/journal.jsonl: lines 2, 3 damaged, and passed over"]
    with run.open() as folder:
        assert list(folder.recorded.finished(again=False)) == IDS[2:]
        folder.journal.append(record(0, row(IDS[0])))
        folder.journal.append(record(1, row(IDS[1])))
    assert file.read_bytes().startswith(damaged)
    assert Experiment([run], Plan(), display=told, interruption=told).owed == []


def test_a_row_of_no_problem_of_ours_counts_for_nothing(tmp_path: Path) -> None:
    path = journal(tmp_path / "run", *map(row, IDS))
    with RunFolder(path, PREPARED.recipe, resume=True) as folder:
        folder.journal.append(record(0, row("another", correct=False)))
    with RunFolder(path, PREPARED.recipe, resume=True) as folder:
        assert "another" in folder.recorded.last
        summary = finished(PREPARED, folder)
    assert summary is not None
    assert (summary.problems, summary.accuracy["pass"].mean) == (3, 1.0)


def test_failed_rows_are_final_unless_they_are_asked_for_again(tmp_path: Path) -> None:
    failed = row(IDS[1], error="no completion")
    path = journal(tmp_path / "run", row(IDS[0]), failed, row(IDS[2]))
    told = Told()

    def owed(*, retry_failed: bool = False) -> list[PlannedRun]:
        runs = [PlannedRun(PREPARED, path, retry_failed=retry_failed)]
        return Experiment(runs, Plan(), display=told, interruption=told).owed

    assert owed() == []
    assert len(owed(retry_failed=True)) == 1
    with RunFolder(path, PREPARED.recipe, resume=True) as folder:
        before = finished(PREPARED, folder)
        folder.journal.append(record(1, replace(row(IDS[1]), seconds=9.0)))
    assert before is not None
    assert (before.failed, before.problems) == (1, 3)
    assert owed(retry_failed=True) == []
    with RunFolder(path, PREPARED.recipe, resume=True) as folder:
        after = finished(PREPARED, folder)
    assert after is not None
    assert (after.failed, after.problems, after.accuracy["weighted"].mean) == (0, 3, 1.0)
    seconds = [json.loads(line)["seconds"] for line in (path / "results.jsonl").open()]
    assert seconds == [1.5, 9.0, 1.5]


@pytest.mark.parametrize("junk", ["7", 1.5, [], {}])
def test_a_session_that_does_not_say_how_many_problems_there_are_is_passed_over(junk: Any) -> None:
    recorded = Recorded()
    assert recorded.take({"type": "session", "before": 1.0, "problems": 7})
    assert not recorded.take({"type": "session", "before": 2.0, "problems": junk})
    assert (recorded.problems, recorded.seconds(), recorded.sessions) == (7, 1.0, 1)


def test_a_full_disk_is_named_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = journal(tmp_path / "run", row(IDS[0]))
    before = {item.name: item.read_bytes() for item in path.iterdir() if item.is_file()}
    with RunFolder(path, PREPARED.recipe, resume=True) as folder:

        def full(*_: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space") as caught:
            folder.journal.append({"type": "x"})
        assert caught.value.filename == str(path / "journal.jsonl")
        with pytest.raises(OSError, match="No space") as caught:
            write_atomically(path / "results.jsonl", b"x")
        assert caught.value.filename == str(path / "results.jsonl")
        monkeypatch.undo()
    assert {item.name: item.read_bytes() for item in path.iterdir() if item.is_file()} == before
