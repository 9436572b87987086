"""Shards put together: the same folder as the run without them, or what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from runs_examples import row
from test_cli_run import Sal, sal  # noqa: F401  # a fixture

import sal.runs.merge as module
from sal.runs.errors import FolderError
from sal.runs.folder import RunFolder
from sal.runs.found import read_run
from sal.runs.merge import merge
from sal.runs.planned_run import PlannedRun
from sal.runs.recipe import read_recipe
from sal.runs.results import ResultRow
from sal.runs.settings import Prepared, Settings, prepare

TOTAL, SHARDS = 7, 3


def prepared(shard: str | None, **changes: Any) -> Prepared:
    said: dict[str, Any] = {"strategy": "best-of-n", "params": {"budget": 4}, "limit": TOTAL}
    return prepare(Settings(**said | {"shard": shard} | changes), gpu=False)


def result(number: int, id: str) -> ResultRow:
    """Every problem has another result."""
    return row(id, correct=number % 3 > 0, error="lost" if number == 4 else "")


def searched(path: Path, shard: str | None, owed: int = 0, **changes: Any) -> Path:
    """A folder as a run leaves it; the last problem is done first."""
    ours = prepared(shard, **changes)
    with RunFolder(path, ours.recipe, resume=False) as folder:
        folder.journal.append(
            {
                "type": "session",
                "problems": len(ours.problems.questions),
                "versions": dict(ours.recipe.versions),
                "models": {"policy": None, "prm": None},
            }
        )
        numbered = list(zip(ours.problems.numbers, ours.problems.questions, strict=True))
        for number, question in numbered[::-1][owed:]:
            found = result(number, question.id)
            folder.write_trace(number, question.id, {"id": question.id, "nodes": [number]})
            folder.journal.append(
                {"type": "problem", "number": number, "at": 10.0, "row": found.as_json()}
            )
    PlannedRun(ours, path).look()
    return path


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    names = [f"{index}/{SHARDS}" for index in range(1, SHARDS + 1)]
    return [searched(tmp_path / name.replace("/", "-of-"), name) for name in names]


def content(folder: Path) -> dict[str, str]:
    """All files of a run that do not tell of its time, by their names."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = {str(path.relative_to(folder)): path.read_text() for path in files}
    summary = json.loads(found.pop("summary.json"))
    assert summary.pop("seconds") > 0
    return found | {"summary.json": json.dumps(summary)}


def test_it_is_the_folder_of_the_run_without_shards(shards: list[Path], tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole", None)
    out = tmp_path / "deep/merged"
    summary = merge(out, shards[::-1])
    ours, theirs = content(out), content(whole)
    journals = [
        [json.loads(line) for line in found.pop("journal.jsonl").splitlines()]
        for found in (ours, theirs)
    ]
    assert ours == theirs
    assert [r["number"] for r in journals[0][1:]] == list(range(TOTAL))
    assert [r["row"] for r in journals[0][1:]] == [r["row"] for r in journals[1][:0:-1]]
    assert read_recipe(out / "recipe.yaml") == read_recipe(whole / "recipe.yaml")
    assert summary.seconds == 10.0 * SHARDS  # each shard searched for ten seconds
    assert (summary.problems, summary.failed, summary.owed) == (TOTAL, 1, 0)
    assert [path.name for path in tmp_path.glob("deep/.*")] == []


def test_it_is_a_run_like_any_other(shards: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "merged"
    merged = merge(out, shards)
    run = PlannedRun(prepared(None), out)
    again, damaged = run.look()
    assert again is not None
    assert (again.as_json(), damaged) == (merged.as_json(), [])
    found = read_run(out)
    assert (found.problems, found.seconds, len(found.rows)) == (TOTAL, 30.0, TOTAL)
    failed = PlannedRun(prepared(None), out, retry_failed=True)
    assert failed.look()[0] is None  # a row failed, and can be searched again
    trace = next((shards[0] / "traces").iterdir())
    before = trace.read_bytes()
    with run.open() as folder:  # it has traces of its own, even if the disk shares them
        folder.write_trace(0, json.loads(before)["id"], {"another": 1})
    assert trace.read_bytes() == before


def test_of_a_problem_that_was_searched_again_the_last_row_counts(
    shards: list[Path], tmp_path: Path
) -> None:
    journal = shards[1] / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    records = [json.loads(line) for line in lines]
    mended = next(r for r in records if r.get("row", {}).get("error"))
    mended["row"] = row(mended["row"]["id"]).as_json()
    more = [b'{"type":"of a later version"}\n', b"no json\n", json.dumps(mended).encode() + b"\n"]
    journal.write_bytes(b"".join(lines) + b"".join(more) + lines[1][:50])
    assert merge(tmp_path / "merged", shards).failed == 0


class TestRefusals:
    def refused(self, out: Path, shards: list[Path], *said: str) -> None:
        there = sorted(out.parent.iterdir())
        with pytest.raises(FolderError) as error:
            merge(out, shards)
        message = "\n".join([str(error.value), *getattr(error.value, "__notes__", [])])
        for words in said:
            assert words in message
        assert sorted(out.parent.iterdir()) == there

    def test_a_shard_that_is_missing(self, shards: list[Path], tmp_path: Path) -> None:
        self.refused(tmp_path / "out", shards[1:2], "missing: shards 1/3, 3/3")

    def test_a_shard_twice(self, shards: list[Path], tmp_path: Path) -> None:
        other = searched(tmp_path / "again", "2/3")
        self.refused(tmp_path / "out", [*shards, other], f"{shards[1]} and {other}", "is shard 2/3")

    def test_shards_of_different_sizes(self, shards: list[Path], tmp_path: Path) -> None:
        other = searched(tmp_path / "half", "1/2")
        self.refused(tmp_path / "out", [*shards, other], f"{other}", "1/3 and 1/2 overlap")

    def test_one_that_owes_and_one_that_has_not_begun(
        self, shards: list[Path], tmp_path: Path
    ) -> None:
        half = searched(tmp_path / "so far", "1/3", owed=2)
        with RunFolder(tmp_path / "new", prepared("2/3").recipe, resume=False):
            pass
        self.refused(
            tmp_path / "out",
            [half, tmp_path / "new", shards[2]],
            f"{half}: shard 1/3 owes 2 of 3 problems",
            "new: shard 2/3 has not begun",
            f"go on with\n  sal run --resume '{half}'\n  sal run --resume {tmp_path / 'new'}",
        )

    def test_one_of_another_run(self, shards: list[Path], tmp_path: Path) -> None:
        other = searched(tmp_path / "other", "2/3", seed=5, params={"budget": 8})
        self.refused(
            tmp_path / "out",
            [shards[0], other, shards[2]],
            f"{other}: of another run than {shards[0]}; these differ: params.budget, seed",
        )

    def test_one_of_other_problems(self, shards: list[Path], tmp_path: Path) -> None:
        other = searched(tmp_path / "other", "2/3", limit=6)
        said = "these differ: limit, problems_digest"
        self.refused(tmp_path / "out", [shards[0], other, shards[2]], said)

    def test_a_run_that_is_no_shard_and_a_folder_that_is_no_run(
        self, shards: list[Path], tmp_path: Path
    ) -> None:
        whole = searched(tmp_path / "whole", None)
        self.refused(tmp_path / "out", [*shards, whole], f"{whole}: no shard")
        self.refused(tmp_path / "out", [tmp_path], f"{tmp_path}: holds no run")

    def test_one_that_is_being_written(self, shards: list[Path], tmp_path: Path) -> None:
        with RunFolder(shards[0], prepared("1/3").recipe, resume=True):
            self.refused(tmp_path / "out", shards, f"{shards[0]}: a run is writing there")
        merge(tmp_path / "out", shards)

    @pytest.mark.parametrize("what", ["file", "folder"])
    def test_an_out_that_holds_something(
        self, shards: list[Path], tmp_path: Path, what: str
    ) -> None:
        out = tmp_path / "out"
        if what == "file":
            out.write_text("mine")
        else:
            out.mkdir()
            (out / "mine").touch()
        self.refused(out, shards, f"{out}: not empty")

    def test_an_empty_out_is_taken(self, shards: list[Path], tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        assert merge(tmp_path / "out", shards).problems == TOTAL

    def test_a_full_disk_leaves_nothing(
        self, shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(module, "write_summary", full)
        with pytest.raises(OSError, match="No space"):
            merge(tmp_path / "out", shards)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(p.name for p in shards)


KILLED = """
import os, signal, sys
from pathlib import Path
import sal.runs.merge as module
module.write_summary = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
module.merge(Path(sys.argv[1]), [Path(path) for path in sys.argv[2:]])
"""


def test_a_kill_leaves_no_out(shards: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", KILLED, out, *shards], check=False, timeout=120)
    assert killed.returncode == -9
    assert not out.exists()
    assert merge(out, shards).problems == TOTAL


def test_where_no_link_can_be_made_traces_are_copied(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    (shards[0] / "traces/.torn.json.tmp").touch()
    merge(tmp_path / "out", shards)
    traces = sorted((tmp_path / "out/traces").iterdir())
    assert [json.loads(path.read_text())["nodes"] for path in traces] == [[i] for i in range(TOTAL)]


def test_what_each_shard_has_its_own_is_listed(shards: list[Path], tmp_path: Path) -> None:
    path = shards[2] / "recipe.yaml"
    path.write_text(path.read_text().replace("cache: cold", "cache: warm"))
    text = path.read_text()
    mine = next(line for line in text.splitlines() if line.startswith("  sal: "))
    path.write_text(text.replace(mine, "  sal: '9.9'"))
    merge(tmp_path / "out", shards)
    recipe = read_recipe(tmp_path / "out/recipe.yaml")
    assert recipe.cache == "warm"
    assert recipe.versions["sal"] == f"{mine.partition(': ')[2]}, 9.9"


def test_the_command(sal: Sal, shards: list[Path], tmp_path: Path) -> None:  # noqa: F811
    code, out, err = sal("merge", "out", *map(str, shards))
    assert (code, err) == (1, "")  # a problem failed
    assert "7 problems, 1 failed" in out
    assert out.endswith("The time is the sum of 3 shards'.\n")
    code, out, err = sal("merge", "out", *map(str, shards))
    assert (code, out, err) == (2, "", "sal: out: not empty\n")
    half = searched(tmp_path / "half", "1/3", owed=1)
    code, _, err = sal("merge", "other", str(half), *map(str, shards[1:]))
    assert code == 2
    assert err.endswith(f"owes 1 of 3 problems\ngo on with\n  sal run --resume {half}\n")
