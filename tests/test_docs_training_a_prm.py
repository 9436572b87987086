"""docs/training-a-prm.md: its commands are commands, its families and defaults are those there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from commands import understood
from test_learn_ids import TRAINED

from sal.learn.arguments import EVALUATIONS
from sal.learn.targets import Targets
from sal.learn.taught import DEFAULT
from sal.learn.train import TrainSettings

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "training-a-prm.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.M | re.S)
LINES = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
COMMANDS = [line.partition("$(which sal) ")[2] or line[4:] for line in LINES if "sal learn" in line or "which sal" in line]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_understood(command: str) -> None:
    assert understood(shlex.split(command, comments=True))["out"] is not None


def test_it_names_every_family_that_is_trained_and_the_default() -> None:
    table = PAGE.partition("## Kinds of PRM")[2].partition("Settings of a family")[0]
    told = [name for cell in re.findall(r"^\| (`.*?) \|", table, flags=re.M) for name in re.findall(r"`(\w[\w-]*)`", cell)]  # fmt: skip
    assert sorted(told) == sorted(TRAINED)
    assert f"`{DEFAULT}` (the default)" in table


def test_its_numbers_are_the_defaults() -> None:
    settings = TrainSettings(base="x")
    assert "at least 0.8 of" in PAGE
    assert Targets().kept == 0.8
    assert f"{settings.held_out:.0%} of the questions".replace("5%", "5 %") in PAGE
    assert EVALUATIONS == 10
    assert "Ten times" in PAGE
    for name in re.findall(r"learn/gpus/\w+\.yaml", PAGE):
        assert (ROOT / name).is_file()


def test_its_traps_have_the_tests_that_it_names() -> None:
    table = PAGE.partition("## Known traps")[2]
    told = re.findall(r"`(test_\w+)`", table)
    assert len(told) >= len(re.findall(r"^\| \w", table, flags=re.M)) - 1 > 10
    there = "".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("test_learn_*.py"))
    assert [name for name in told if f"def {name}(" not in there] == []
