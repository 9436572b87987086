"""`sal run -c` and `sal recipe`, as they are typed; no server starts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from test_cli_run import Sal, run_folder, sal

__all__ = ["sal"]  # a fixture

DVTS = "strategy: dvts\nlimit: 2\nseed: 5\nparams:\n  budget: 8\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(DVTS)
    return path


def recipe_of(out: str) -> dict[str, object]:
    recipe: dict[str, object] = json.loads(out)["recipe"]
    return recipe


def test_a_run_takes_files_words_flags_and_variables(
    sal: Sal, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAL_MAX_TOKENS", "77")
    monkeypatch.setenv("SAL_SEED", "1")
    words = ("--limit", "3", "--set", "width=2", "--dry-run", "--json")
    code, out, err = sal("run", "-c", "x.yaml", "seed=6", "params.max_steps=9", *words)
    assert (code, err) == (0, "")
    found = recipe_of(out)
    assert (found["strategy"], found["seed"], found["limit"]) == ("dvts", 6, 3)
    params = found["params"]
    assert isinstance(params, dict)
    picked = {k: params[k] for k in ("budget", "max_tokens", "width", "max_steps")}
    assert picked == {"budget": 8, "max_tokens": 77, "width": 2, "max_steps": 9}


def test_a_strategy_that_is_typed_wins(sal: Sal, recipe: Path) -> None:
    code, out, _ = sal("run", "beam", "seed=1", "-c", "x.yaml", "--dry-run", "--json")
    assert (code, recipe_of(out)["strategy"], recipe_of(out)["seed"]) == (0, "beam", 1)


BAD = {
    "a key said twice": ("-c x.yaml seed=1 --seed 2", r"seed: said twice, by --seed and by seed=1"),
    "a wrong flag": ("-c x.yaml --set foo=1", r"--set: unknown key 'foo'"),
    "a flag that does not fit": ("-c x.yaml --width 3", r"x\.yaml:5: budget: must be a multiple"),
    "a word without a recipe": ("dvts seed=1", r"seed=1 changes a recipe, and none is given"),
    "no strategy, but a word": ("seed=1", r"seed=1 changes a recipe, and none is given"),
    "a recipe in the place of a strategy": ("x.yaml", r"x\.yaml is given with -c"),
    "no file": ("-c y.yaml", r"y\.yaml: No such file"),
    "no strategy": ("-c base.yaml", r"Missing argument 'STRATEGY'"),
    "a sweep": ("-c sweep.yaml", r"sweep\.yaml:2: sweep: is of many runs: sal sweep -c sweep"),
    "another recipe than the run's": (
        "-c x.yaml --resume run",
        r"run: holds a run of another recipe; these differ: params\.budget, seed$",
    ),
    "a width that the run has not": (
        "-c other.yaml --resume run",
        r"these differ: params\.width$",
    ),
}


@pytest.mark.parametrize(("words", "message"), BAD.values(), ids=BAD)
def test_bad_usage_is_one_line_and_exit_code_2(
    sal: Sal, tmp_path: Path, recipe: Path, words: str, message: str
) -> None:
    (tmp_path / "base.yaml").write_text("limit: 2\n")
    (tmp_path / "sweep.yaml").write_text("sweep:\n  budget: [4, 16]\n")
    (tmp_path / "other.yaml").write_text("strategy: dvts\nlimit: 2\nwidth: 8\n")
    run_folder(tmp_path / "run")
    code, out, err = sal("run", *words.split())
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert re.search(message, err.strip()), err


def test_a_run_goes_on_under_the_same_recipe(sal: Sal, tmp_path: Path, recipe: Path) -> None:
    run_folder(tmp_path / "run", budget=8)
    words = ("--resume", "run", "--dry-run", "--json")
    code, out, err = sal("run", "-c", "x.yaml", "seed=0", *words)
    assert (code, err) == (0, "")
    own = sal("run", "-c", "run/recipe.yaml", *words)
    assert recipe_of(own[1])["digest"] == recipe_of(out)["digest"]


def test_check_says_a_line_of_each_file(sal: Sal, tmp_path: Path, recipe: Path) -> None:
    (tmp_path / "base.yaml").write_text("dataset: HuggingFaceH4/MATH-500\n")
    (tmp_path / "greedy.yaml").write_text("base: base.yaml\nstrategy: greedy\n")
    (tmp_path / "sweep.yaml").write_text("sweep:\n  strategy: [dvts]\n  budget: [4]\n")
    files = ("x.yaml", "base.yaml", "greedy.yaml", "sweep.yaml")
    assert sal("recipe", "check", *files) == (
        0,
        "x.yaml: ok, dvts, N = 8\n"
        "base.yaml: ok, names no strategy: a base of other recipes\n"
        "greedy.yaml: ok, greedy, N = 1\n"
        "sweep.yaml: ok, a sweep over strategy, budget\n",
        "",
    )
    (tmp_path / "bad.yaml").write_text("strategy: dvts\nbugdet: 4\n")
    code, out, err = sal("recipe", "check", "bad.yaml", "x.yaml")
    assert (code, err) == (2, "")
    assert out == (
        "bad.yaml:2: unknown key 'bugdet' (did you mean budget?)\nx.yaml: ok, dvts, N = 8\n"
    )


def test_show_prints_yaml_or_json(sal: Sal, tmp_path: Path, recipe: Path) -> None:
    code, out, err = sal("recipe", "show", "x.yaml", "width=2")
    assert (code, err) == (0, "")
    assert "seed: 5  # x.yaml:3\n" in out
    assert "  width: 2  # width=2\n" in out
    assert yaml.safe_load(out)["params"]["budget"] == 8
    code, out, err = sal("recipe", "show", "x.yaml", "--json")
    assert (code, json.loads(out)["params.budget"]) == (0, {"value": 8, "source": "x.yaml:5"})
    (tmp_path / "base.yaml").write_text("limit: 2\n")
    code, out, err = sal("recipe", "show", "base.yaml")
    assert (code, out) == (2, "")
    assert (
        err
        == "sal: base.yaml: cannot be shown as one run: names no strategy: a base of other recipes\n"
    )


def test_a_dry_run_has_an_estimate(sal: Sal, recipe: Path) -> None:
    code, out, _ = sal("run", "-c", "x.yaml", "--dry-run")
    assert code == 0
    assert "\n# estimate, if a solution has 60 tokens in 5 steps" in out
    assert "\npolicy: 80 requests, " in out
    assert "\nPRM: at most 80 requests, " in out
    code, out, _ = sal("run", "-c", "x.yaml", "--dry-run", "--json")
    estimate = json.loads(out)["estimate"]
    assert estimate["policy"]["generated"] == 2 * 8 * 60
    assert estimate["seconds"] is None
    assert estimate["problems_at_once"] == 2
    assert estimate["kv_bytes"]["policy"] > 0
