"""docs/sweeps.md: its file is written and its commands typed; nothing is started."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from test_cli_run import Sal, sal

__all__ = ["sal"]  # a fixture

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`([^`\n]+)`:\n\n```yaml\n(.*?)^```", PAGE, flags=re.M | re.S))
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.M | re.S)
    for line in block.splitlines()
]


def test_the_page_has_what_is_tried() -> None:
    assert list(FILES) == ["grid.yaml"]
    assert len(COMMANDS) == 8


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_accepted(sal: Sal, tmp_path: Path, command: str) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    if "--resume" in command:  # what was begun there
        from sal.runs.recipe_file import load
        from sal.runs.sweep.axes import read_axes
        from sal.runs.sweep.folder import Grid, SweepFolder

        loaded = load(tmp_path / "grid.yaml")
        grid = Grid(loaded.settings, read_axes(loaded.sweep or {}))
        with SweepFolder(Path("runs-out/mine")) as folder:
            folder.write(grid, grid.cells(gpu=False))
    words = shlex.split(command)[1:]
    code, out, err = sal(*words, *(["--dry-run"] if words[0] == "sweep" else []))
    assert code == 0, err
    if "--resume" in command:
        assert "runs-out/mine/beam-sqrt-16-seed-1" in out
        assert ("added to the 18 of runs-out/mine" in err) == ("--budgets" in command)


def test_the_axes_are_those_that_there_are() -> None:
    from sal.runs.sweep.axes import AXES

    table = re.findall(r"^\| [^|]+ \| (`[^|]+) \| (`--[^|]+) \|$", PAGE, flags=re.M)
    words = {word for cells, _ in table for word in re.findall(r"`(\w+):", cells)}
    assert words == set(AXES)
