"""docs/scale.md: its commands, its numbers of the code, and its arithmetic."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from commands import understood

from sal.reports.run_data import MOST
from sal.runs.cluster.drive import LOOK_S, RETRIES
from sal.runs.held import IN_MEMORY

PAGE = (Path(__file__).parent.parent / "docs/scale.md").read_text("utf-8")
COMMANDS = re.findall(r"^    sal (.*)$", PAGE, re.M)

GPUS = (8, 64, 512)
RATE, STEP, STEPS, N = 10_000, 60, 5, 64
CPU_MS = 0.3


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_understood(line: str) -> None:
    understood(shlex.split(line))


def test_its_numbers_are_those_of_the_code() -> None:
    assert f"Data sets of more than {IN_MEMORY:,} rows" in PAGE
    assert f"A report shows {MOST:,} problems" in PAGE
    assert (LOOK_S, RETRIES) == (0.25, 2)
    assert "four times a second" in PAGE
    assert "gets another worker, three in all" in PAGE


def table() -> dict[str, list[str]]:
    rows = re.findall(r"^\| (.*?) *\| (.*) \|$", PAGE.partition("## What breaks first")[2], re.M)
    return {name.strip(): [cell.strip() for cell in rest.split("|")] for name, rest in rows}


def test_its_arithmetic_follows_from_what_it_takes() -> None:
    told = table()
    tokens = [gpus / 2 * RATE for gpus in GPUS]
    requests = [2 * t / STEP for t in tokens]
    problems = [t / (STEP * STEPS * N) for t in tokens]

    def row(name: str, values: list[float], digits: int = 0) -> None:
        assert told[name] == [f"{value:,.{digits}f}" for value in values]

    row("tokens a second", tokens)
    row("requests a second, both engines", requests)
    row("of a worker (one a node)", [r * 8 / g for r, g in zip(requests, GPUS, strict=True)])
    row("client's cores a node, at 0.3 ms", [requests[0] * CPU_MS / 1000] * 3, 2)
    row("nodes recorded a second", [t / STEP for t in tokens])
    assert told["problems a second"] == [f"{problems[0]:.1f}", *(f"{p:.0f}" for p in problems[1:])]
    seconds = [1e6 / p for p in problems]
    assert told["a million problems"] == [
        f"{seconds[0] / 86400:.1f} days",
        f"{seconds[1] / 3600:.0f} hours",
        f"{seconds[2] / 3600:.1f} hours",
    ]
    assert f"{tokens[2] / (STEP * STEPS):,.0f}".startswith("8,5")  # problems a second at N = 1
