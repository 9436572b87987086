"""How a run is doing, as its folder tells it: in every state that a run can be in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from runs_examples import COST, recipe, row
from test_runs_found import problem
from test_runs_live import MOMENT
from test_runs_merge import searched

from sal.runs.errors import FolderError
from sal.runs.folder import RunFolder
from sal.runs.journal import is_written
from sal.runs.live import LiveFile
from sal.runs.status import RunStatus, find_statuses, newest_run, run_status, shards_together


@contextmanager
def session(path: Path, problems: int = 3, **changes: object) -> Iterator[RunFolder]:
    """A run that is being written, of which two problems are done."""
    with RunFolder(path, recipe(**changes), resume=False) as folder:
        folder.journal.append({"type": "session", "problems": problems})
        folder.journal.append(problem(0, row("q0"), at=4.0))
        folder.journal.append(problem(1, row("q1", correct=False), at=5.0))
        yield folder


def told(path: Path) -> tuple[str, str]:
    status = run_status(path)
    return status.state, status.reason


def elsewhere(path: Path, ago: float) -> None:
    """As if another machine had written live.json so many seconds ago."""
    content = json.loads((path / "live.json").read_text())
    content |= {"host": "node17", "written": time.time() - ago}
    (path / "live.json").write_text(json.dumps(content))


def test_a_run_that_lives_is_as_its_own_display_shows_it(tmp_path: Path) -> None:
    with session(tmp_path), LiveFile(tmp_path) as live:
        assert told(tmp_path) == ("starting", "")
        live.update(MOMENT)
        status = run_status(tmp_path)
        assert (status.state, status.reason) == ("running", "")
        assert status.moment == replace(MOMENT, finished=())
        assert status.total == MOMENT.total
        assert not status.resumable
        assert status.changed == pytest.approx(time.time(), abs=60)


def test_one_that_hangs_says_so(tmp_path: Path) -> None:
    with session(tmp_path), LiveFile(tmp_path) as live:
        live.update(MOMENT)
        assert run_status(tmp_path, now=time.time() + 90).reason == "silent for 90 s"


def test_one_that_was_killed(tmp_path: Path) -> None:
    with session(tmp_path):
        live = LiveFile(tmp_path)
        live.__enter__()
        live.update(MOMENT)
    status = run_status(tmp_path)
    assert (status.state, status.reason, status.owed) == ("killed", "", 1)
    assert status.resumable
    # What is on disk counts, not what it said last.
    assert (status.moment.done, status.moment.accuracy, status.moment.seconds) == (2, 0.5, 5.0)
    assert status.moment.policy == COST + COST
    assert status.moment.stderr == pytest.approx(0.5)


def test_one_that_was_killed_behind_its_last_row_is_finished(tmp_path: Path) -> None:
    with session(tmp_path, problems=2):
        LiveFile(tmp_path).__enter__()
    assert told(tmp_path) == ("finished", "")


def test_one_on_another_machine_is_known_by_its_lock_or_its_word(tmp_path: Path) -> None:
    with session(tmp_path), LiveFile(tmp_path) as live:
        live.update(MOMENT)
        elsewhere(tmp_path, 90)
        assert told(tmp_path) == ("running", "silent for 90 s")  # its lock is seen here too
        content = (tmp_path / "live.json").read_bytes()
    (tmp_path / "live.json").write_bytes(content)
    assert told(tmp_path) == ("unknown", "node17 alone can tell: it is silent for 90 s")
    assert run_status(tmp_path).resumable
    elsewhere(tmp_path, 3)
    assert told(tmp_path) == ("running", "its lock is not seen from this machine")


@pytest.mark.parametrize(
    ("error", "state"),
    [(KeyboardInterrupt(), ("interrupted", "")), (OSError("no room"), ("stopped", "no room"))],
)
def test_one_that_ended_early_says_how(
    tmp_path: Path, error: BaseException, state: tuple[str, str]
) -> None:
    with pytest.raises(type(error)), session(tmp_path), LiveFile(tmp_path):
        raise error
    assert told(tmp_path) == state


def test_its_time_was_up(tmp_path: Path) -> None:
    with session(tmp_path), LiveFile(tmp_path) as live:
        live.end("time limit")
    assert told(tmp_path) == ("stopped", "time limit")


def test_runs_from_before_live_json(tmp_path: Path) -> None:
    with session(tmp_path):
        status = run_status(tmp_path)
        assert (status.state, status.total, status.moment.done) == ("running", 3, 2)
    assert told(tmp_path) == ("owed", "")
    with RunFolder(tmp_path / "new", recipe(), resume=False):
        pass
    assert told(tmp_path / "new") == ("new", "")
    with RunFolder(tmp_path / "old", recipe(), resume=False) as folder:
        folder.journal.append({"type": "session"})
        folder.journal.append(problem(0, row("q0")))
    old = run_status(tmp_path / "old")
    assert (old.state, old.total, old.owed, old.moment.done) == ("owed", None, None, 1)


def test_a_summary_is_enough_unless_the_journal_is_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = searched(tmp_path / "run", None, owed=1)
    summary, journal = path / "summary.json", path / "journal.jsonl"
    content = {
        **json.loads((searched(tmp_path / "whole", None) / "summary.json").read_text()),
        "problems": 6,
        "owed": 1,
    }
    summary.write_text(json.dumps(content))
    with monkeypatch.context() as patch:
        patch.setattr("sal.runs.status.read_run", None)  # the journal is not looked into
        status = run_status(path)
    assert (status.total, status.moment.done, status.state) == (7, 6, "owed")
    now = time.time()
    os.utime(journal, (now + 5, now + 5))
    for damaged in (json.dumps(content), "{}", "nonsense"):
        summary.write_text(damaged)
        if damaged != json.dumps(content):  # newer, and yet of no use
            os.utime(summary, (now + 9, now + 9))
        found = run_status(path).moment
        assert (found.done, found.failed, found.total) == (6, 1, 7)


def test_the_summary_and_the_journal_say_the_same(tmp_path: Path) -> None:
    path = searched(tmp_path / "run", None)
    by_summary = run_status(path).moment
    (path / "summary.json").unlink()
    assert run_status(path).moment == by_summary
    content = json.loads(json.dumps(by_summary.stderr))
    assert content == pytest.approx(0.2020305)  # 3 of 7, by hand: sqrt(3/7 * 4/7 / 6)


def test_of_runs_below_a_folder_one_that_has_not_begun_has_as_many_problems(
    tmp_path: Path,
) -> None:
    with session(tmp_path / "a"), RunFolder(tmp_path / "b", recipe(seed=1), resume=False):
        pass
    with RunFolder(tmp_path / "c", recipe(problems_digest="1"), resume=False):
        pass
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden/recipe.yaml").write_text(recipe().dump())
    (tmp_path / "a/traces/recipe.yaml").touch()  # nobody looks for runs in runs
    found = find_statuses(tmp_path)
    assert [(s.path.name, s.total, s.moment.total) for s in found] == [
        ("a", 3, 3),
        ("b", 3, 3),
        ("c", None, 0),
    ]
    assert not found[2].moment.done


def test_where_there_is_no_run(tmp_path: Path) -> None:
    for call in (find_statuses, newest_run, run_status):
        with pytest.raises(FolderError, match="holds no run"):
            call(tmp_path)
    with pytest.raises(FolderError, match="no such folder"):
        find_statuses(tmp_path / "nowhere")


def test_the_newest_run_is_the_one_that_was_written_last(tmp_path: Path) -> None:
    for age, name in enumerate(("deep/b", "a", "c")):
        with session(tmp_path / name):
            pass
        for file in (tmp_path / name).iterdir():
            os.utime(file, (1000.0 - age, 1000.0 - age))
    assert newest_run(tmp_path) == tmp_path / "deep/b"
    os.utime(tmp_path / "a/journal.jsonl", (2000.0, 2000.0))
    assert newest_run(tmp_path) == tmp_path / "a"


def test_shards_of_one_run_are_added_up_and_other_runs_are_not(tmp_path: Path) -> None:
    for index in (1, 2, 3):
        searched(tmp_path / f"shards/{index}", f"{index}/3")
    found: list[RunStatus] = find_statuses(tmp_path / "shards")
    whole = run_status(searched(tmp_path / "whole", None)).moment
    together = shards_together(found)
    assert together is not None
    assert together.accuracy == pytest.approx(whole.accuracy)
    assert replace(together, accuracy=whole.accuracy, seconds=0.0) == replace(whole, seconds=0.0)
    assert together.seconds == 30.0
    other = run_status(searched(tmp_path / "other", "2/3", seed=1))
    assert shards_together([found[0], other]) is None
    assert shards_together([found[0], found[0]]) is None
    assert shards_together([run_status(tmp_path / "whole")]) is None


LOOKER = """
import sys
from pathlib import Path
from sal.runs.journal import is_written
print("ready", flush=True)
while True:
    is_written(Path(sys.argv[1]))
"""


def test_who_looks_does_not_keep_a_run_from_starting(tmp_path: Path) -> None:
    journal = tmp_path / "run/journal.jsonl"
    with RunFolder(tmp_path / "run", recipe(), resume=False):
        assert is_written(journal)
        with pytest.raises(FolderError, match="another run is writing there"):
            RunFolder(tmp_path / "run", recipe(), resume=True)
    assert is_written(journal) is False
    assert is_written(tmp_path / "nowhere") is False
    looker = subprocess.Popen(
        [sys.executable, "-c", LOOKER, journal], stdout=subprocess.PIPE, text=True
    )
    try:
        assert looker.stdout is not None
        assert looker.stdout.readline() == "ready\n"
        for _ in range(200):
            with RunFolder(tmp_path / "run", recipe(), resume=True):
                pass
    finally:
        looker.send_signal(signal.SIGKILL)
        looker.wait()


def test_a_file_system_without_locks_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    with session(tmp_path), LiveFile(tmp_path) as live:
        live.update(MOMENT)
        monkeypatch.setattr("fcntl.flock", none)
        assert is_written(tmp_path / "journal.jsonl") is None
        assert told(tmp_path) == ("running", "its lock is not seen from this machine")
        assert run_status(tmp_path, now=time.time() + 90).state == "unknown"
    with pytest.raises(FolderError, match="cannot be locked: Function not implemented"):
        RunFolder(tmp_path / "other", recipe(), resume=False)
