"""Runs read as they lie there, while they are written too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runs_examples import recipe, row

from sal.runs.errors import FolderError
from sal.runs.folder import RunFolder
from sal.runs.found import find_runs, read_run
from sal.runs.results import ResultRow


def problem(number: int, of: ResultRow, at: float = 1.0) -> dict[str, object]:
    return {"type": "problem", "number": number, "at": at, "row": of.as_json()}


def test_a_run_is_read_while_it_is_written(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run", recipe(), resume=False) as folder:
        folder.journal.append({"type": "session", "problems": 3})
        folder.journal.append(problem(1, row("q1", correct=False), at=4.0))
        folder.journal.append(problem(0, row("q0"), at=5.0))
        with open(folder.path / "journal.jsonl", "ab") as torn:
            torn.write(json.dumps(problem(2, row("q2"))).encode()[:40])
        found = read_run(folder.path)
    assert [r.id for r in found.rows] == ["q0", "q1"]
    assert (found.problems, found.owed, found.seconds, found.budget) == (3, 1, 5.0, 8)
    assert found.summary().accuracy["weighted"].mean == 0.5
    assert found.summary().owed == 1


def test_the_last_row_of_a_problem_counts_and_damage_does_not(tmp_path: Path) -> None:
    with RunFolder(tmp_path, recipe(), resume=False) as folder:
        folder.journal.append({"type": "session"})  # an older version's
        folder.journal.append(problem(0, row("q0", error="lost")))
        folder.journal.append(problem(0, row("q0")))
        folder.journal.append({"type": "problem", "number": 1, "row": {"id": "q1"}})
        folder.journal.append({"type": "of a later version"})
    found = read_run(tmp_path)
    assert [(r.id, r.error) for r in found.rows] == [("q0", "")]
    assert (found.problems, found.owed) == (None, 0)


def test_the_runs_of_a_folder_come_by_their_paths(tmp_path: Path) -> None:
    for name in ("b", "a/deep"):
        with RunFolder(tmp_path / name, recipe(strategy=name), resume=False) as folder:
            folder.journal.append({"type": "session", "problems": 1})
    assert [f.recipe.strategy for f in find_runs(tmp_path)] == ["a/deep", "b"]
    assert [f.recipe.strategy for f in find_runs(tmp_path / "b")] == ["b"]


@pytest.mark.parametrize("name", ["nowhere", "empty", "no-journal"])
def test_where_there_is_no_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no-journal").mkdir()
    (tmp_path / "no-journal/recipe.yaml").write_text(recipe().dump(), encoding="utf-8")
    with pytest.raises(FolderError, match=name):
        find_runs(tmp_path / name)
