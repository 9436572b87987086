"""recipes/learn: every command is understood, and begins only once the one before it went well."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from commands import understood

from sal.learn.bench import bench, read_sets
from sal.learn.bench_prm import BenchSettings
from sal.learn.chance import uniform

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "recipes" / "learn").glob("*.sh"))
COMMANDS = [
    (file.name, command)
    for file in FILES
    if file.name != "expert-iteration.sh"  # run over a stand-in of sal: test_docs_distilling
    for command in re.findall(r"^ *(?:\[.*\|\| )?sal (.*)$", file.read_text("utf-8"), flags=re.M)
]


@pytest.mark.parametrize(("file", "command"), COMMANDS)
def test_its_commands_are_understood(file: str, command: str) -> None:
    told = understood(shlex.split(command))
    assert told.get("resume") or told["out"]  # what was begun goes on


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_ends_with_the_first_command_that_fails(file: Path) -> None:
    assert "\nset -euo pipefail\n" in file.read_text("utf-8")


@pytest.mark.recorded
def test_chance_is_what_its_page_says(
    recorded_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAL_DATA", str(recorded_data))
    settings = BenchSettings(prm="sal.learn.chance:uniform")
    told = bench(settings, read_sets(["gsm8k"]), tmp_path)
    assert told is not None
    best, middle = (told["subsets"]["gsm8k"][mode] for mode in ("best", "0.5"))
    page = (ROOT / "learn" / "README.md").read_text("utf-8")
    low, high = (f"{100 * end:.1f}" for end in best["interval"])
    (row,) = (line for line in page.splitlines() if line.startswith("| chance |"))
    assert f"| {100 * best['f1']:.1f} ({low} to {high}) | {100 * middle['f1']:.1f} |" in row


def test_chance_is_the_same_again_and_spreads_evenly() -> None:
    scores = [score for i in range(500) for score in uniform(f"q{i}", ["a", "b"])]
    assert uniform("q0", ["a", "b"]) == scores[:2]
    assert uniform("q0", ["a", "c"])[0] == scores[0]  # by the text up to the step
    assert sum(scores) / 1000 == pytest.approx(0.5, abs=0.03)
    assert all(0 <= score < 1 for score in scores)
    assert sum(score < 0.1 for score in scores) == pytest.approx(100, abs=30)
