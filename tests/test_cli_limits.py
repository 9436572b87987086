"""What `sal run` takes of sampling: into the recipe, its digest, the header and a resumed run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_cli_run import Sal, run_folder, sal

from sal.runs.recipe import Recipe, differences, read_recipe
from sal.runs.settings import Settings, prepare

__all__ = ["sal"]  # a fixture

SAID = (
    *("--top-p", ".9", "--top-k", "20", "--min-p", "0", "--max-step-tokens", "64"),
    *("--stop", "</answer>", "--stop", r"\n\nProblem:", "--separator", r"\n"),
)
NAMES = ("top_p", "top_k", "min_p", "max_step_tokens", "stop_strings", "separator")


def recipe_of(sal: Sal, *words: str) -> dict[str, Any]:
    code, out, err = sal("run", *words, "--limit", "2", "--dry-run", "--json")
    assert (code, err) == (0, "")
    recipe: dict[str, Any] = json.loads(out)["recipe"]
    return recipe


def test_what_is_said_is_in_the_recipe(sal: Sal) -> None:
    params = recipe_of(sal, "beam", *SAID)["params"]
    said = [0.9, 20, 0.0, 64, ["</answer>", "\n\nProblem:"], "\n"]
    assert [params[name] for name in NAMES] == said


def test_what_is_not_said_is_null_there(sal: Sal) -> None:
    params = recipe_of(sal, "beam")["params"]
    assert [params[name] for name in NAMES] == [None, None, None, None, [], "\n\n"]


@pytest.mark.parametrize(
    ("typed", "means"),
    [(r"\n\n", "\n\n"), ("\n", "\n"), (r"\t", "\t"), (r"\\n", r"\n"), (r"\boxed", r"\boxed")],
)
def test_escapes_as_a_shell_hands_them_over(sal: Sal, typed: str, means: str) -> None:
    params = recipe_of(sal, "beam", "--separator", typed, "--stop", typed)["params"]
    assert (params["separator"], params["stop_strings"]) == (means, [means])


def test_variables_say_it_too(sal: Sal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOP_K": "-1", "STOP": r"\nQ: </s>", "SEPARATOR": r"\n"}.items():
        monkeypatch.setenv(f"SAL_{name}", value)
    params = recipe_of(sal, "majority")["params"]
    assert (params["top_k"], params["separator"]) == (-1, "\n")
    assert params["stop_strings"] == ["\nQ:", "</s>"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("beam --top-p 0", r"top_p must be above 0 and at most 1, not 0\.0"),
        ("beam --top-k 0", r"top_k must be a whole number of at least 1, not 0; -1 is for all"),
        ("beam --min-p 1.5", r"min_p must be from 0 to 1, not 1\.5"),
        ("beam --max-step-tokens 0", r"max_step_tokens must be a whole number of at least 1"),
        ("greedy --top-p .9", r"greedy: does not take --top-p"),
        ("best-of-n --max-step-tokens 9", r"best_of_n: does not take --max-step-tokens"),
        ("beam --separator=", r"separator must be a text that is not empty"),
        ("beam --stop=", r"a stop string must be a text that is not empty"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_before_any_server_starts(
    sal: Sal, words: str, reason: str
) -> None:
    code, out, err = sal("run", *words.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(reason, err)


def test_the_header_shows_what_was_said() -> None:
    params = {"top_k": 20, "separator": "\n", "stop_strings": ("</a>", "\n")}
    given = Settings(strategy="beam", params=params).given()
    assert given == {"top_k": "20", "separator": r"'\n'", "stop_strings": r"('</a>', '\n')"}


def recipe(**params: Any) -> Recipe:
    return prepare(Settings(strategy="beam", params=params, limit=2), gpu=False).recipe


def test_the_digest_knows_what_was_said_and_a_resumed_run_must_say_it(
    sal: Sal, tmp_path: Path
) -> None:
    plain, said = recipe(), recipe(top_k=20, stop_strings=("S",))
    assert plain.digest != said.digest
    assert differences(said, plain) == ["params.top_k", "params.stop_strings"]
    folder = run_folder(tmp_path / "run")
    code, _, err = sal("run", "dvts", "--limit", "2", "--top-p", ".9", "--resume", str(folder))
    assert code == 2
    assert "params.top_p" in err


def test_a_recipe_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = recipe(top_p=0.9, stop_strings=("</a>", "\n\nProblem:"), separator="\n")
    (tmp_path / "recipe.yaml").write_text(written.dump())
    read = read_recipe(tmp_path / "recipe.yaml")
    assert differences(written, read) == []
    assert written.digest == read.digest


def test_a_run_from_before_these_flags_is_resumed(tmp_path: Path) -> None:
    content = yaml.safe_load(recipe().dump())
    for name in NAMES[:-1]:
        del content["params"][name]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    old = read_recipe(tmp_path / "recipe.yaml")
    assert differences(recipe(), old) == []
    assert recipe().digest == old.digest
    assert differences(recipe(top_k=20), old) == ["params.top_k"]
