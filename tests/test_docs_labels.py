"""docs/labels.md: its commands are commands, its Python reads labels, its columns are the rows'."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from commands import understood

from sal.learn.files import write_labels
from sal.learn.rows import StepLabels
from sal.learn.sets import FORMATS

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "labels.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.M | re.S)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_understood(command: str) -> None:
    told = understood(shlex.split(command)[1:])
    assert told["out"] or told["resume"]


def test_every_column_is_told() -> None:
    """And none that is not there."""
    columns = PAGE.partition("## What is written")[2]
    told = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", columns, flags=re.M)))
    assert told == [
        "id", "question", "answer", "steps", "right", "rollouts", "labels", "first_error",
        "judged", "correct", "source",
    ]  # fmt: skip
    assert sorted(told) == sorted(f.name for f in fields(StepLabels))


def test_every_format_is_told_by_its_columns() -> None:
    for form in FORMATS:
        assert f"| {', '.join(f'`{column}`' for column in form.columns)} |" in PAGE


def test_its_python_reads_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    row = StepLabels(id="a", question="?", steps=("x",), right=(1,), rollouts=(1,))
    write_labels([row], tmp_path / "labels")
    (code,) = [block for kind, block in BLOCKS if kind == "python"]
    exec(code, {})  # noqa: S102 - the page's own
    assert capsys.readouterr().out == "('x',) (1,) (1,)\n"
