"""The files of recipes/: checked, dry-run offline, and the same as the commands of docs/settings.md."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_cli_run import problems, sal

from sal.runs.recipe_file import load

__all__ = ["sal"]  # a fixture

Sal = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).resolve().parent.parent
LEARN = ROOT / "recipes" / "learn"
FILES = sorted(f for f in (ROOT / "recipes").rglob("*.yaml") if LEARN not in f.parents)
SINGLE = [file for file in FILES if load(file).settings.strategy and load(file).sweep is None]
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
SAME = re.findall(r"`(sal run [^`]+)` +\(`-c (recipes/[^`]+)`\)", SETTINGS)
"""The commands of docs/settings.md behind which the recipe stands that says the same."""


def name(file: Path) -> str:
    return str(file.relative_to(ROOT / "recipes"))


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One problem, in the place of those that would be downloaded."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return problems(tmp_path / "problems.jsonl", {"problem": "1 + 1?", "answer": "2"})


def test_every_file_is_a_recipe(sal: Sal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, out, err = sal("recipe", "check", *map(str, FILES))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == len(FILES) > 15
    for file, line in zip(FILES, lines, strict=True):
        assert line.startswith(f"{file}: ok, ")
        assert file.read_text(encoding="utf-8").startswith("# "), "its source is missing"


@pytest.mark.parametrize("file", SINGLE, ids=name)
def test_a_dry_run_has_what_the_file_says(sal: Sal, local: Path, file: Path) -> None:
    code, out, err = sal("run", "-c", str(file), "--dataset", str(local), "--dry-run", "--json")
    assert (code, err) == (0, "")
    recipe = json.loads(out)["recipe"]
    said: dict[str, Any] = {}
    chain = [file]
    while base := yaml.safe_load(chain[-1].read_text()).get("base"):
        chain.append(chain[-1].parent / base)
    for path in reversed(chain):
        content = yaml.safe_load(path.read_text())
        said |= {k: v for k, v in content.items() if k not in ("base", "params", "dataset")}
        said |= content.get("params", {})
    flat = recipe["params"] | {k: v for k, v in recipe.items() if k != "aggregate"}
    assert {key: flat[key] for key in said} == said


@pytest.mark.parametrize(("command", "file"), SAME, ids=[file[8:] for _, file in SAME])
def test_a_file_says_the_same_as_its_command(
    sal: Sal, local: Path, command: str, file: str
) -> None:
    words = shlex.split(command)[1:]
    dataset = words.index("--dataset") + 1
    assert load(ROOT / file).settings.dataset == words[dataset]
    words[dataset] = str(local)
    by_file = sal("run", "-c", str(ROOT / file), "--dataset", str(local), "--dry-run", "--json")
    by_words = sal(*words, "--dry-run", "--json")
    assert by_file[0] == by_words[0] == 0
    recipes = [json.loads(out)["recipe"] for _, out, _ in (by_file, by_words)]
    for recipe in recipes:
        del recipe["aggregate"]  # words on who says it
        del recipe["digest"]  # of 1 and 1.0 it differs: --set takes numbers as they are written
    assert recipes[0] == recipes[1]


def test_the_published_settings_with_a_file_are_all_linked() -> None:
    linked = {ROOT / file for _, file in SAME}
    own = {"base.yaml", "best-of-n-weighted.yaml", "llama-1b.yaml", "qwen-math-1.5b.yaml"}
    folders = ("search-and-learn", "snell", "particle", "rebase")
    published = {f for f in SINGLE if f.relative_to(ROOT / "recipes").parts[0] in folders}
    assert {f for f in published if f.name not in own} == linked
