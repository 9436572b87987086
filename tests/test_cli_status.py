"""`sal status` and `sal runs`: what they print of the runs that are there."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs_examples import COST, recipe, row
from runs_terminal import SAL, environment
from test_cli_run import Sal, sal  # noqa: F401  # a fixture
from test_runs_found import problem
from test_runs_live import MOMENT
from test_runs_merge import searched
from test_runs_status import elsewhere, session

from sal.cli.display.status import MAX_ROWS
from sal.cli.display.words import moment_line
from sal.runs.folder import RunFolder
from sal.runs.live import LiveFile
from sal.runs.progress import Progress
from sal.runs.snapshot import InFlight


def begin(path: Path, **changes: Any) -> None:
    """A session that nobody ends, as after a kill."""
    live = LiveFile(path)
    live.__enter__()
    live.update(replace(MOMENT, **changes))


def test_it_shows_what_the_runs_own_display_shows(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    """The same moment, so the same numbers."""
    progress = Progress(40, [row("q0"), row("q1", correct=False)], budget=4, before=60.0)
    moment = replace(MOMENT, finished=progress.snapshot().finished)
    with session(tmp_path / "run"), LiveFile(tmp_path / "run") as live:
        live.update(moment)
        code, out, err = sal("status", "run")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    shown = moment_line(moment).split("  ")
    assert shown[:3] == lines[2].split("  ")[:3] == ["10/40", "1m40s", "ETA 5m00s"]
    assert "accuracy 72.5%" in shown
    assert lines[2].endswith("accuracy 72.5 ± 14.9%  failed 1")
    assert lines[3] == "  ".join(shown[-3:])
    assert lines[0] == "run: running, 1 failed"
    assert lines[1] == "dvts, N = 8, tiny with tiny, tiny"
    assert f"process {os.getpid()} on " in out
    assert "searched for 2m40s with earlier sessions" in out
    assert "policy: trying 3 requests again for 12s" in out
    assert lines[-1] == "| a/1       | step 7 | 93    | 3           | 10        | 12s  |"
    assert "resume" not in out


def test_of_very_many_in_flight_some_are_shown(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    many = tuple(InFlight(f"p{i}", "step 1", 1, 1.0) for i in range(MAX_ROWS + 5))
    with session(tmp_path / "run"), LiveFile(tmp_path / "run") as live:
        live.update(replace(MOMENT, in_flight=many))
        out = sal("status", "run")[1]
    assert f"| p{MAX_ROWS - 1} " in out
    assert f"| p{MAX_ROWS} " not in out
    assert out.endswith("and 5 more\n")


def test_one_that_was_killed_names_the_command_that_goes_on(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    with session(tmp_path / "my run"):
        begin(tmp_path / "my run")
    out = sal("status", "my run")[1]
    assert out.startswith("my run: killed, 1 owed\n")
    assert "2/3  5s  accuracy 50.0 ± 50.0%  failed 0" in out
    assert out.endswith("resume with\n  sal run --resume 'my run'\n")


def test_the_newest_run_below_runs_out_is_the_default(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    code, _, err = sal("status")
    assert (code, err) == (2, "sal: runs-out: no such folder\n")
    with session(tmp_path / "runs-out/old"), session(tmp_path / "runs-out/deep/new"):
        pass
    for file in (tmp_path / "runs-out/old").iterdir():
        os.utime(file, (1000.0, 1000.0))
    assert sal("status")[1].startswith("runs-out/deep/new: owed")


def test_a_folder_without_a_run_is_bad_usage(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    for command in ("status", "runs"):
        assert sal(command, str(tmp_path))[::2] == (2, f"sal: {tmp_path}: holds no run\n")


def test_of_many_runs_a_table_and_those_that_live(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    with (
        session(tmp_path / "all/one"),
        RunFolder(tmp_path / "all/two", recipe(params={}, prm=None), resume=False),
        LiveFile(tmp_path / "all/one") as live,
        LiveFile(tmp_path / "all/two"),
    ):
        live.update(MOMENT)
        lines = sal("status", "all")[1].splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[:4]]
    assert cells[2][:-1] == [
        *("all/one", "dvts", "8", "tiny", "tiny", "tiny", "10/40", "72.5 ± 14.9 %"),
        "running, 1 failed",
    ]
    assert cells[3][:-1] == ["all/two", "dvts", "1", "tiny", "-", "tiny", "0/40", "-", "starting"]
    assert "0 of 2 runs finished, 10/80 problems" in lines
    assert "all/one: running, 1 failed" in lines


def test_of_shards_the_accuracy_of_all(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    for index in (1, 2, 3):
        searched(tmp_path / f"shards/{index}", f"{index}/3")
    out = sal("status", "shards")[1]
    assert "| tiny 2/3 |" in out
    assert "3 of 3 runs finished, 7/7 problems, accuracy 42.9 ± 20.2 %" in out


def test_runs_are_listed_newest_last(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    url = "http://user-host:30000"
    with session(tmp_path / "runs-out/b", policy=url), session(tmp_path / "runs-out/a"):
        pass
    for file in (tmp_path / "runs-out/b").iterdir():
        os.utime(file, (1000.0, 1000.0))
    lines = sal("runs")[1].splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["runs-out/b", "runs-out/a"]
    assert "| user-host:30000 | tiny |" in lines[2]
    assert "| 2/3  | 50.0 ± 50.0 % | owed " in lines[3]


KEYS = {
    *("path", "recipe", "state", "reason", "strategy", "budget", "policy", "prm", "dataset"),
    *("seed", "shard", "problems", "accuracy", "seconds", "time_limit", "usage", "completions"),
    *("tokens_per_second", "in_flight", "retrying", "process", "changed", "resume"),
}
"""Of schema 1. A key that goes needs another number."""


def test_the_json_of_both_commands(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    with session(tmp_path / "run"), LiveFile(tmp_path / "run") as live:
        live.update(MOMENT)
        out = sal("status", "run", "--json")[1]
        listed = json.loads(sal("runs", ".", "--json")[1])
    content = json.loads(out)
    assert (content["schema"], content["path"], len(content["runs"])) == (1, "run", 1)
    run = content["runs"][0]
    assert set(run) == KEYS == set(listed["runs"][0])
    assert (run["state"], run["reason"], run["resume"]) == ("running", None, None)
    assert run["problems"] == {"total": 40, "done": 10, "failed": 1, "owed": 30}
    assert run["accuracy"] == {"mean": 0.725, "stderr": MOMENT.stderr}
    assert run["seconds"] == {"all": 160.0, "session": 100.0, "left": 300.0}
    assert run["completions"] == {"ended": 43, "allowed": 160}
    assert run["in_flight"][0]["usage"]["policy"]["completion_tokens"] == COST.completion_tokens
    assert run["usage"]["prm"]["prompt_tokens"] is None  # an earlier session does not tell
    assert run["retrying"] == {"policy": {"requests": 3, "seconds": 12.0, "reason": "HTTP 500"}}
    assert run["process"]["pid"] == os.getpid()


def test_the_json_of_a_run_that_has_ended(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    with session(tmp_path / "run"):
        begin(tmp_path / "run")
    elsewhere(tmp_path / "run", ago=90)
    run = json.loads(sal("status", "run", "--json")[1])["runs"][0]
    assert (run["state"], run["completions"], run["seconds"]["left"]) == ("unknown", None, None)
    assert run["resume"] == "sal run --resume run"
    assert run["process"]["silent_seconds"] == pytest.approx(90, abs=30)


def test_following_ends_with_the_run(tmp_path: Path) -> None:
    with session(tmp_path / "run", problems=3) as folder, LiveFile(tmp_path / "run") as live:
        live.update(replace(MOMENT, done=2, total=3))
        process = subprocess.Popen(
            [SAL, "status", "run", "--follow", "--json"],
            cwd=tmp_path,
            env=environment(tmp_path / "state"),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())["runs"][0]
        assert (first["state"], first["problems"]["done"]) == ("running", 2)
        time.sleep(1.1)
        live.update(replace(MOMENT, done=3, total=3))
        folder.journal.append(problem(2, row("q2"), at=9.0))
    out, _ = process.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])["runs"][0]
    assert (process.returncode, last["state"], last["problems"]["done"]) == (0, "finished", 3)
