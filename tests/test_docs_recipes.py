"""docs/recipes.md: its files are written and its commands typed; nothing is started."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from test_cli_run import Sal, sal

from sal.runs.recipe_file import SETTINGS

__all__ = ["sal"]  # a fixture

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`([^`\n]+)`:\n\n```yaml\n(.*?)^```", PAGE, flags=re.M | re.S))
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.M | re.S)
    for line in block.splitlines()
]
REFUSALS = re.findall(r"^\$ sal (.+)\n(sal: .+)$", PAGE, flags=re.M)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    return tmp_path


def test_the_page_has_files_commands_and_refusals() -> None:
    assert FILES.keys() == {"mine.yaml", "wrong.yaml", "octal.yaml"}
    assert len(COMMANDS) == 8
    assert len(REFUSALS) == PAGE.count("\n$ ") == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_accepted(sal: Sal, folder: Path, command: str) -> None:
    words = shlex.split(command)[1:]
    words = [str(p) for w in words for p in (sorted(folder.glob(w)) if "*" in w else [w])]
    if words[0] == "run" and "--dry-run" not in words:
        words.append("--dry-run")
    code, out, err = sal(*words)
    assert (code, err) == (0, "")
    assert "width: 4" in out or "width=4" not in command


@pytest.mark.parametrize(("command", "said"), REFUSALS)
def test_a_refusal_is_in_these_words(sal: Sal, folder: Path, command: str, said: str) -> None:
    assert sal(*shlex.split(command)) == (2, "", f"{said}\n")


def test_every_key_of_a_file_is_told() -> None:
    table = PAGE[PAGE.index("| key |") : PAGE.index("A parameter may also")]
    rows = [row.split("|")[1] for row in table.splitlines() if row]
    told = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert told == {*SETTINGS, "params", "base", "sweep"}
