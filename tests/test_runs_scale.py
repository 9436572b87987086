"""Runs of many problems: what is read from the disk is what was held in memory, and little is held."""

from __future__ import annotations

import json
import re
import threading
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from runs_examples import recipe, row, written_run

import sal.reports.run_data as run_data
import sal.runs.found as found
import sal.runs.held as held_module
from bench.bookkeeping import prepared, write_problems
from bench.scripted import ScriptedEndpoints
from sal.grading.graders import make_grader
from sal.reports.report import write_report
from sal.runs.execute import execute
from sal.runs.folder import RunFolder
from sal.runs.found import read_run
from sal.runs.held import BLOCK, OnDisk, held
from sal.runs.problems import ProblemSet, load_problems
from sal.runs.shard import Shard

ROW_BYTES = 700
"""Of memory that a finished problem may cost: its id, where its row stands, and what is summed up."""


def test_a_long_sequence_is_the_same_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [(i, "x" * (i % 7)) for i in range(3 * BLOCK + 5)]
    assert held(iter(items)) == tuple(items)
    monkeypatch.setattr(held_module, "IN_MEMORY", 10)
    long = held(iter(items))
    assert isinstance(long, OnDisk)
    assert list(long) == items
    assert (len(long), long[-1], long[BLOCK], items.index(long[7])) == (
        len(items), items[-1], items[BLOCK], 7,
    )  # fmt: skip
    assert list(long[5::300]) == items[5::300]
    with pytest.raises(IndexError):
        long[len(items)]
    assert held(iter(items[:10])) == tuple(items[:10])


def test_a_long_sequence_is_read_from_many_threads() -> None:
    items = list(range(8 * BLOCK))
    long, seen = OnDisk(items), []

    def read(first: int) -> None:
        seen.append([long[i] for i in range(first, len(items), 97)])

    threads = [threading.Thread(target=read, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(items[i::97] for i in range(8))


def both(path: Path, monkeypatch: pytest.MonkeyPatch, **how: Any) -> tuple[ProblemSet, ProblemSet]:
    """The problems of a file held in memory, and on disk."""
    small = load_problems(str(path), **how)
    with monkeypatch.context() as patch:
        patch.setattr(held_module, "IN_MEMORY", 3)
        return small, load_problems(str(path), **how)


def test_problems_on_disk_are_the_same_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.jsonl"
    rows: list[dict[str, Any]] = [
        {"uid": i, "question": f"{i}?", "answer": i if i % 2 else i + 0.5} for i in range(40)
    ]
    rows[7]["answer"] = None
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    small, large = both(path, monkeypatch, skip_bad_rows=True)
    assert isinstance(large.questions, OnDisk)
    assert list(large.questions) == list(small.questions)
    assert small.questions[1].answer == "1.0"  # a whole number among decimal ones
    assert (large.digest, large.skipped) == (small.digest, small.skipped)
    parts = [problems.shard(Shard(2, 3)) for problems in (small, large)]
    assert list(parts[1].questions) == list(parts[0].questions)
    assert list(parts[1].numbers) == list(parts[0].numbers)
    assert parts[0].digest == parts[1].digest == small.digest


def test_rows_on_disk_are_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(f"q{i}", correct=i % 3 > 0) for i in range(30)]
    path = written_run(tmp_path / "run", recipe(), rows, owed=2)
    small = read_run(path)
    monkeypatch.setattr(found, "IN_MEMORY", 10)
    large = read_run(path)
    assert not isinstance(large.rows, tuple)
    assert tuple(large.rows) == small.rows == tuple(rows)
    assert large.rows[-1] == rows[-1]
    assert tuple(large.rows[3:5]) == tuple(rows[3:5])
    assert large.summary() == small.summary()
    assert (large.owed, large.seconds) == (small.owed, small.seconds)


def test_a_report_of_many_problems_shows_a_part_and_counts_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(f"q{i}", correct=i % 3 > 0) for i in range(30)]
    path = written_run(tmp_path / "run", recipe(), rows)
    for number in range(30):
        trace = {"id": f"q{number}", "nodes": []}
        (path / "traces" / f"{number:05d}-q{number}.json").write_text(json.dumps(trace))
    monkeypatch.setattr(run_data, "MOST", 10)
    written = write_report([path], tmp_path / "report.html", "Many", None)
    text = written.markdown.read_text()
    assert "dvts at N = 8 (10 of 30)" in text
    assert re.search(r"\| dvts +\| 8 \| 66.7 ± 8.8 ", text)  # of all 30
    page = written.page.read_text()
    assert page.count('"id":"q') == 10
    assert '"q3"' in page
    assert '"q4"' not in page


def test_a_finished_problem_costs_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_module, "IN_MEMORY", 100)
    used = []
    for count in (600, 2400):
        folder = tmp_path / str(count)
        folder.mkdir()
        write_problems(folder / "problems.jsonl", count)
        ours = prepared(folder)
        assert isinstance(ours.problems.questions, OnDisk)
        with (
            RunFolder(folder / "run", ours.recipe, resume=True) as there,
            closing(make_grader("exact")) as grader,
        ):
            tracemalloc.start()
            outcome = execute(
                ours,
                there,
                ScriptedEndpoints(),
                grader,
                requests=lambda: 0,
                tick=lambda _: None,
            )
            # Not the tables of the whole process, as of interned names, made anew now and then.
            blocks = tracemalloc.take_snapshot().traces
            used.append(sum(block.size for block in blocks if block.size < 1 << 18))
            tracemalloc.stop()
        assert outcome.summary.problems == count
    assert (used[1] - used[0]) / (2400 - 600) < ROW_BYTES
