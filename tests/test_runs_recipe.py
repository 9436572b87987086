from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from runs_examples import recipe

from sal.runs.errors import FolderError
from sal.runs.folder import RunFolder
from sal.runs.recipe import differences, read_recipe
from sal.runs.settings import Settings, prepare


def test_it_comes_back_from_yaml_as_it_was(tmp_path: Path) -> None:
    ours = recipe(policy_args=("--tp=2",), system_prompt="Solve:\n\n- é")
    path = tmp_path / "recipe.yaml"
    path.write_text(ours.dump())
    assert read_recipe(path) == ours
    assert yaml.safe_load(ours.dump())["digest"] == ours.digest


def test_a_recipe_from_before_caps_has_none(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    lines = recipe().dump().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("max_problem_")))
    assert differences(read_recipe(path), recipe()) == []


def test_a_recipe_from_before_bad_rows_could_be_skipped_skips_none(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    lines = recipe().dump().splitlines(keepends=True)
    new = ("answers:", "skip_bad_rows:")
    path.write_text("".join(line for line in lines if not line.startswith(new)))
    assert differences(read_recipe(path), recipe()) == []
    assert differences(read_recipe(path), recipe(answers="any")) == ["answers"]


def test_a_recipe_from_before_graders_has_the_digest_of_before(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    lines = recipe().dump().splitlines(keepends=True)
    new = ("grader:", "grader_digest:", "choices_field:", "preset:")
    path.write_text("".join(line for line in lines if not line.startswith(new)))
    assert differences(read_recipe(path), recipe()) == []
    assert differences(read_recipe(path), recipe(preset="gsm8k")) == []
    assert differences(read_recipe(path), recipe(grader="exact")) == ["grader"]
    assert recipe().digest == "708ebd250bf0ab095bb9e2f9966923230e423fe55f33c5245e834e5b8da66172"


def test_the_digest_is_of_what_determines_results_alone() -> None:
    assert recipe().digest == recipe(versions={"sal": "9"}).digest
    assert recipe().digest != recipe(seed=1).digest
    assert recipe().digest != recipe(max_problem_tokens=9).digest
    assert recipe().digest != recipe(max_problem_seconds=9.0).digest
    assert recipe().digest == recipe(params={"width": 4, "aggregate": "last", "budget": 8}).digest


def test_differences_name_the_keys() -> None:
    other = recipe(params={"budget": 16, "width": 4, "lookahead": 1}, limit=3)
    assert differences(recipe(), other) == [
        "params.budget",
        "params.aggregate",
        "limit",
        "params.lookahead",
    ]


@pytest.mark.parametrize("content", ["", "a: [", "- 1", "strategy: dvts"])
def test_a_file_that_is_no_recipe_is_a_clear_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(FolderError, match="not a recipe"):
        read_recipe(path)


def test_a_new_run_wants_an_empty_folder_and_a_resumed_one_the_same_recipe(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "one"
    with RunFolder(path, recipe(), resume=True) as folder:
        folder.journal.append({"type": "session"})
    with pytest.raises(FolderError, match="--resume"):
        RunFolder(path, recipe(), resume=False)
    with pytest.raises(FolderError, match=r"these differ: params\.budget, seed"):
        RunFolder(path, recipe(seed=3, params={**recipe().params, "budget": 4}), resume=True)
    with RunFolder(path, recipe(versions={"sal": "9"}), resume=True):
        pass


def test_a_run_that_moved_remembers_where_it_is_now(tmp_path: Path) -> None:
    served = {"policy": {"model_path": "m"}}
    first = recipe(policy="http://a:1", served=served, versions={"sal": "1"})
    with RunFolder(tmp_path, first, resume=False) as folder:
        folder.journal.append({"type": "session"})
    second = recipe(policy="http://b:2", served=served, versions={"sal": "2"})
    with RunFolder(tmp_path, second, resume=True) as folder:
        kept = read_recipe(folder.recipe_path)
    assert (kept.policy, kept.versions, kept.digest) == ("http://b:2", {"sal": "1"}, first.digest)


def test_a_router_that_says_less_of_the_same_model_is_no_other(tmp_path: Path) -> None:
    whole = recipe(
        policy="http://a:1", served={"policy": {"model_path": "m", "weight_version": "1"}}
    )
    router = recipe(policy="http://b:2", served={"policy": {"model_path": "m"}})
    assert differences(whole, router) == []
    assert differences(router, whole) == []


def test_a_run_killed_before_its_recipe_was_written_can_start_again(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").touch()
    (tmp_path / ".recipe.yaml.tmp").write_text("strat")
    with RunFolder(tmp_path, recipe(), resume=True) as folder:
        assert read_recipe(folder.recipe_path) == recipe()


def test_a_run_that_never_began_leaves_its_folder_free(tmp_path: Path) -> None:
    with RunFolder(tmp_path, recipe(), resume=False):
        pass
    with RunFolder(tmp_path, recipe(seed=3), resume=False) as folder:
        assert read_recipe(folder.recipe_path) == recipe(seed=3)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FolderError, match="holds no run"):
        RunFolder(tmp_path, recipe(), resume=True)
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_trace_has_a_file_name_whatever_the_problem_is_called(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run", recipe(), resume=False) as folder:
        folder.write_trace(7, "../test/algebra/1 2.json", {"nodes": []})
        assert [p.name for p in (folder.path / "traces").iterdir()] == [
            "00007-test-algebra-1-2.json.json"
        ]


def test_a_cache_that_was_warm_is_told_and_not_compared(tmp_path: Path) -> None:
    cold = recipe(cache="cold")
    assert cold.digest == recipe(cache="warm").digest == recipe().digest
    with RunFolder(tmp_path / "run", cold, resume=False) as folder:
        assert read_recipe(folder.recipe_path).cache == "cold"
        folder.note_warm()
        folder.journal.append({"type": "session"})
        assert read_recipe(folder.recipe_path) == recipe(cache="warm")
    with RunFolder(tmp_path / "run", cold, resume=True) as folder:
        assert read_recipe(folder.recipe_path).cache == "warm"  # the first part of it was


@pytest.mark.parametrize(
    ("models", "cache"),
    [({}, "cold"), ({"policy": "http://x:1"}, "warm"), ({"prm": "http://x:1"}, "warm")],
)
def test_a_users_own_endpoint_may_hold_something(models: dict[str, str], cache: str) -> None:
    settings = Settings(strategy="beam", params={}, dataset="tiny", limit=1, **models)  # type: ignore[arg-type]
    assert prepare(settings, gpu=False).recipe.cache == cache
