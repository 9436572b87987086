"""Every command of docs/settings.md, dry-run as it is printed, and the figures that it claims.

A row of a strategy's table is `| source | published | command |`: `published` holds the figures, each
in backticks as `name=value`, by the names of the recipe's parameters (other words may stand between
them); `command` is the whole `sal run ...` in one pair of backticks, with its --dataset; the recipe
file that says the same may stand behind it in brackets. A section is named after its strategy, and
its rows are of that strategy. Figures whose source is not certain are left out.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from test_cli_run import problems, sal

from sal.runs.registry import STRATEGIES

__all__ = ["sal"]  # a fixture

PAGE = (Path(__file__).parent.parent / "docs" / "settings.md").read_text(encoding="utf-8")


class Row(NamedTuple):
    """A published setting and the command for it."""

    strategy: str
    source: str
    published: dict[str, object]
    command: str


def rows() -> list[Row]:
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.M)[1:]:
        strategy = section.partition("\n")[0]
        for line in re.findall(r"^\| .* \|$", section, flags=re.M):
            cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
            if len(cells) != 3 or not cells[2].startswith("`sal "):
                continue
            source, published, command = cells
            figures = dict(re.findall(r"`(\w+)=([^`]+)`", published))
            command = command.partition("` (")[0]  # behind it, the recipe file that says the same
            values = {name: yaml.safe_load(value) for name, value in figures.items()}
            found.append(Row(strategy, source, values, command.strip("`")))
    return found


def test_every_strategy_that_has_published_settings_is_there() -> None:
    unset = {"greedy", "auto", "adaptive-dvts"}
    assert {row.strategy for row in rows()} == STRATEGIES.keys() - unset
    assert f"\n## {', '.join(sorted(unset, reverse=True))}\n" in PAGE
    assert PAGE.count("`sal run ") == len(rows()), "a command stands outside of a row"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.command[8:60])
def test_the_command_says_what_was_published(
    row: Row,
    sal: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words = shlex.split(row.command)[1:]
    assert words[:2] == ["run", row.strategy]
    # The problems are a file's: nothing is downloaded.
    local = problems(tmp_path / "problems.jsonl", {"problem": "1 + 1?", "answer": "2"})
    words[words.index("--dataset") + 1] = str(local)
    code, out, err = sal(*words, "--dry-run", "--json")
    assert (code, err) == (0, "")
    recipe = json.loads(out)["recipe"]
    assert row.published
    assert {name: recipe["params"].get(name) for name in row.published} == row.published
    for name in ("policy", "prm"):
        if f"--{name}" in words:
            assert recipe[name] == words[words.index(f"--{name}") + 1]
