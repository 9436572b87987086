"""docs/distilling-a-policy.md: its commands are commands, its columns and recipes those there are."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from commands import understood

from sal.learn.distill.examples import METHODS
from sal.learn.distill.sets import FORMATS
from sal.learn.distill.trl import PINNED

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "distilling-a-policy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.M | re.S)
LINES = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
COMMANDS = [line for line in LINES if line.startswith("sal ")]
SCRIPT = ROOT / "recipes" / "learn" / "expert-iteration.sh"


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_understood(command: str) -> None:
    understood(shlex.split(command)[1:])


def test_every_method_and_every_column_is_told() -> None:
    table = PAGE.partition("## Methods")[2].partition("A pair is taken")[0]
    firsts = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert [name for cell in firsts for name in re.findall(r"`(\w+)`", cell)] == [*METHODS]
    sources = PAGE.partition("## Sources")[2].partition("## What is trained on")[0]
    told = set(re.findall(r"`(\w+)`", sources)) - {*METHODS}
    assert told == {column for form in FORMATS for column in form.columns}
    assert f"TRL {PINNED}" in PAGE


def test_the_version_of_trl_is_the_one_that_is_pinned() -> None:
    assert f'"trl=={PINNED}"' in (ROOT / "pyproject.toml").read_text()
    assert f"\ntrl=={PINNED}\n" in (ROOT / "constraints.txt").read_text()


def test_expert_iteration_is_made_of_commands(tmp_path: Path) -> None:
    """Run by a shell over a `sal` that writes down what it is told."""
    there = tmp_path / "bin"
    there.mkdir()
    for name in ("sal", "python"):
        (there / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/said\n')
        (there / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{there}:{os.environ['PATH']}", "OUT": "x", "ROUNDS": "2"}
    subprocess.run(["bash", str(SCRIPT)], env=environment, cwd=tmp_path, check=True)
    said = (tmp_path / "said").read_text().splitlines()
    kinds = ["greedy", "sal.tiny.fresh", "dvts", "distill", "greedy"]
    for kind, line in zip([*kinds, *kinds[1:], "report"], said, strict=True):
        assert kind in line
        if line.startswith("sal "):
            understood(line.split()[1:])
    searches = [line for line in said if "dvts" in line]
    assert "--policy tiny " in searches[0]
    assert "--policy x/policy-1 " in searches[1]
    assert "x/search-2 --method sft --base x/policy-1 --out x/policy-2" in said[-3]
    assert subprocess.run(["bash", "-n", str(SCRIPT)], check=False).returncode == 0
