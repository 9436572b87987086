"""docs/data.md: its files are written and its commands typed; nothing is started."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from conftest import CPU_ONLY
from test_presets import copies

from sal.cli.main import main
from sal.records.read import CSV, JSON, PACKED, TABLES
from sal.runs.dataset_fields import ANSWER_FIELDS, ID_FIELDS, QUESTION_FIELDS
from sal.runs.presets import PRESETS
from sal.runtime import hardware

PAGE = (Path(__file__).parent.parent / "docs" / "data.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```", PAGE, flags=re.M | re.S))
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.M | re.S)
    for line in block.splitlines()
]
REFUSALS = re.findall(r"^\$ (.+)\n(sal: .+)$", PAGE, flags=re.M)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(hardware, "detect", lambda: CPU_ONLY)
    monkeypatch.setenv("SAL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SAL_DATA", str(copies(tmp_path / "data", "gsm8k", "gpqa")))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(command: str, *more: str) -> int:
    sal, *words = shlex.split(command)
    assert sal == "sal"
    with pytest.raises(SystemExit) as end:
        main([*words, *more])
    return int(end.value.code or 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_accepted(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--dry-run",) if command.startswith("sal run") else ()
    assert typed(command, *more) == 0, capsys.readouterr().err
    if "torn" in command:
        assert "# 1 problem, skipped 2 of 3 rows" in capsys.readouterr().out
    if command.startswith("sal grade"):
        rows = [json.loads(line) for line in Path("graded.jsonl").read_text().splitlines()]
        assert [row["correct"] for row in rows] == [True, False]
    sys.modules.pop("mine", None)


@pytest.mark.parametrize(("command", "words"), REFUSALS)
def test_a_refusal_is_in_these_words(
    folder: Path, command: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(command, "--dry-run") == 2
    assert capsys.readouterr().err == words + "\n"


def test_the_table_has_the_presets() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    told = {row[0].strip("`"): row for row in rows if len(row) == 6 and "-" not in row[0]}
    assert list(told) == list(PRESETS)
    for name, preset in PRESETS.items():
        _, place, split, _, question, answer = told[name]
        config = f":{preset.config}" if preset.config else ""
        assert place == f"`{preset.repository}{config}`"
        assert (split, question) == (f"`{preset.split}`", f"`{preset.question_field}`")
        assert answer.startswith(f"`{preset.answer_field}`")
    assert {name for name, p in PRESETS.items() if p.system_prompt or p.gated} == {"gpqa"}
    assert {p.grader for p in PRESETS.values()} == {"math"}


def test_the_page_has_examples_and_names_what_is_known() -> None:
    assert (len(FILES), len(COMMANDS), len(REFUSALS)) == (11, 15, 3)
    for name in (*JSON, *CSV, *TABLES, *PACKED, *QUESTION_FIELDS[:8], *ANSWER_FIELDS[:8]):
        assert f"`{name}`" in PAGE
    for name in ID_FIELDS:
        assert f"`{name}`" in PAGE
