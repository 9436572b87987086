"""docs/measuring-a-prm.md: its commands are commands, its names and numbers are those of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from commands import understood

from sal.learn import prmbench, processbench
from sal.learn.bench_folder import FIGURES, JOURNAL, PAGE, PLOT
from sal.learn.calibration import BINS
from sal.learn.prmbench_figures import GROUPS, KINDS

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "measuring-a-prm.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.M | re.S)
COMMANDS = [line[4:] for block in BLOCKS for line in block.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_understood(command: str) -> None:
    assert understood(shlex.split(command, comments=True))["out"] is not None


def test_it_tells_what_the_code_does() -> None:
    for name in (FIGURES, JOURNAL, PAGE, PLOT, f"{prmbench.NAME}.jsonl"):
        assert f"`{name}`" in TEXT
    assert "processbench_SUBSET.json" in TEXT
    assert "all four subsets" in TEXT
    assert len(processbench.SUBSETS) == 4
    assert "of nine kinds" in TEXT
    assert len(KINDS) == 9
    assert f"({', '.join(GROUPS)})" in TEXT
    assert "ECE, ten bins" in TEXT
    assert BINS == 10
    for test in re.findall(r"`(tests/\w+\.py)`", TEXT):
        assert (ROOT / test).is_file()
