"""`sal sweep` before anything is searched: its help, what it refuses, and what it would do."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest
import typer
from test_cli_run import Sal, sal

from sal.cli.main import build
from sal.cli.sweep import EPILOG

__all__ = ["sal"]  # a fixture

ROOT = Path(__file__).parent.parent
TWO = ["sweep", "--strategies", "best-of-n,beam", "--budgets", "4", "--limit", "2"]


def options(command: str) -> dict[str, Any]:
    group: Any = typer.main.get_command(build([command]))
    return {p.opts[0]: p for p in group.commands[command].params if p.param_type_name == "option"}


def test_it_has_the_flags_of_a_run_but_for_what_it_varies() -> None:
    found = options("sweep")
    assert options("run").keys() - found.keys() == {"--budget", "--ns", "--shard", "--push-to-hub"}
    axes = ("--strategies", "--budgets", "--policies", "--prms", "--seeds", "--vary")
    assert found.keys() - options("run").keys() == set(axes)
    for flag, option in found.items():
        assert option.help, flag
        assert option.rich_help_panel, flag
        assert option.envvar == "SAL_" + flag[2:].replace("-", "_").upper()


@pytest.mark.parametrize("line", [line for line in EPILOG.splitlines() if line.startswith("sal ")])
def test_an_example_is_accepted(
    sal: Sal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    words = shlex.split(line)[1:]
    if "--resume" in words:
        words += ["-c", "recipes/compare-tiny.yaml"]
    code, out, err = sal(*words, *([] if "--dry-run" in words else ["--dry-run"]))
    assert (code, err) == (0, "")
    assert out.startswith("# plan (nothing was started)")


def test_a_dry_run_says_what_would_be_searched_and_leaves_nothing(sal: Sal, tmp_path: Path) -> None:
    words = [*TWO, "--vary", "aggregate=last,min", "--dry-run", "--out", "out"]
    code, out, err = sal(*words)
    assert (code, err) == (0, "")
    assert "# servers 1 of 1, for 4 cells" in out
    assert "  out/best-of-n-4-aggregate-min  from what best-of-n-4-aggregate-last finds" in out
    assert "# 4 cells, 2 problems each: at most 24 completions" in out
    code, out, _ = sal(*words, "--json")
    content = json.loads(out)
    (group,) = content["groups"]
    assert [cell["from"] for cell in group["cells"]] == [
        *(None, "best-of-n-4-aggregate-last"),
        *(None, None),
    ]
    assert content["completions"] == 24
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--strategies", "beem"], "--strategies: strategy: must be one of .* mean beam"),
        (["--budgets", "4,x"], "--budgets wants whole numbers from 1 on"),
        (["--seeds", "-1"], "--seeds wants whole numbers from 0 on"),
        (["--vary", "width"], "--vary wants NAME=VALUE,VALUE"),
        (["--vary", "width=2,2"], "--vary width: params.width: 2 stands there twice"),
        (["--vary", "width="], "--vary width: params.width: an axis has one value at least"),
        (["--vary", "depth=2"], "no strategy of this sweep takes --depth"),
        (["--seeds", "0,1", "--seed", "3"], "seed: this sweep varies it"),
        (["--strategies", "dvts", "--width", "3"], "these cells are refused:\n  dvts-4: budget"),
        (["--retry-failed"], "--retry-failed goes with --resume"),
        (["limit=3"], "limit=3 changes a recipe, and none is given"),
        (["-c", "nowhere.yaml"], "nowhere.yaml: No such file"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    sal: Sal, tmp_path: Path, words: list[str], said: str
) -> None:
    import re

    code, out, err = sal(*TWO, "--out", "out", *words)
    assert (code, out) == (2, "")
    assert re.search(said, err), err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_the_exit_code_of_its_own(
    sal: Sal, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    from sal.runs.sweep.sweep import Sweep

    monkeypatch.setattr(Sweep, "run", lambda _: os.kill(os.getpid(), number))
    found, _, err = sal(*TWO, "--out", "out")
    assert (found, err.endswith("resume with\n  sal sweep --resume out\n")) == (code, True), err


def test_flags_overrule_the_file(sal: Sal, tmp_path: Path) -> None:
    file = tmp_path / "grid.yaml"
    file.write_text("seed: 5\nlimit: 9\nsweep:\n  strategy: [beam]\n  budget: [4, 8]\n")
    words = ["sweep", "-c", str(file), "--limit", "2", "--seeds", "0,1", "--budgets", "4"]
    code, out, err = sal(*words, "--dry-run", "--json", "params.width=2")
    assert (code, err) == (0, "")
    cells = json.loads(out)["groups"][0]["cells"]
    assert [cell["name"] for cell in cells] == ["beam-4-seed-0", "beam-4-seed-1"]
    assert {cell["recipe"]["limit"] for cell in cells} == {2}
    assert {cell["recipe"]["params.width"] for cell in cells} == {2}


def test_a_folder_of_another_sweep_or_of_a_run_is_refused(sal: Sal, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text("strategy: dvts\n")
    code, _, err = sal(*TWO, "--resume", "run")
    assert (code, err) == (2, "sal: run: not empty, and holds no sweep\n")


def test_a_recipe_is_checked_for_its_axes(sal: Sal, tmp_path: Path) -> None:
    file = tmp_path / "grid.yaml"
    file.write_text("sweep:\n  strategy: [beam]\n  buget: [4]\n")
    code, out, _ = sal("recipe", "check", str(file))
    assert code == 2
    assert f"{file}:3: unknown axis 'buget' (did you mean budget?)" in out
