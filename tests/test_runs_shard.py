"""Parts of a run's problems: what they are of, and what a recipe says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from runs_examples import recipe
from test_cli_resume import begun, dry
from test_cli_run import Sal, sal  # noqa: F401  # a fixture

from sal.runs.errors import RunError
from sal.runs.problems import TINY
from sal.runs.recipe import differences, read_recipe
from sal.runs.settings import Settings, prepare
from sal.runs.shard import Shard


@given(st.integers(1, 40), st.integers(1, 60))
def test_shards_have_every_item_once_and_differ_by_one_in_length(count: int, total: int) -> None:
    parts = [Shard(i, count).part(range(total)) for i in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_it_is_a_stride() -> None:
    assert list(Shard.parse("2/3").part("abcdefgh")) == ["b", "e", "h"]
    assert str(Shard.parse("2/3")) == "2/3"


@pytest.mark.parametrize("text", ["2", "0/3", "4/3", "a/3", "2/", "-1/3", "1/0", "1/2/3", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="shard"):
        Shard.parse(text)
    with pytest.raises(RunError, match=r"^--shard .*"):
        prepare(Settings(strategy="greedy", params={}, limit=4, shard=text), gpu=False)


def test_a_shard_is_of_the_whole_set() -> None:
    whole = Settings(strategy="greedy", params={}, dataset=TINY, limit=5)
    part = Settings(strategy="greedy", params={}, dataset=TINY, limit=5, shard="02/2")
    of, ours = prepare(whole, gpu=False), prepare(part, gpu=False)
    assert [q.id for q in ours.problems.questions] == [
        of.problems.questions[1].id,
        of.problems.questions[3].id,
    ]
    assert list(ours.problems.numbers) == [1, 3]
    assert ours.recipe.problems_digest == of.recipe.problems_digest
    assert ours.recipe.shard == "2/2"
    assert differences(ours.recipe, of.recipe) == ["shard"]
    assert ours.recipe.digest != of.recipe.digest
    with pytest.raises(RunError, match="only 5 problems"):
        prepare(Settings(strategy="greedy", params={}, limit=5, shard="1/6"), gpu=False)


def test_a_recipe_from_before_shards_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    lines = recipe().dump().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("shard:")))
    old = read_recipe(path)
    assert differences(old, recipe()) == []
    assert differences(old, recipe(shard="1/2")) == ["shard"]
    assert "shard" not in old.flat()
    assert yaml.safe_load(path.read_text())["digest"] == old.digest


def test_a_shard_goes_on_as_itself_and_as_no_other(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    said = Settings(strategy="beam", params={"budget": 4}, limit=6, shard="2/3")
    begun(tmp_path / "run", said)
    assert dry(sal, "--resume", "run")["recipe"]["shard"] == "2/3"
    dry(sal, "--resume", "run", "--shard", "2/3")
    code, _, err = sal("run", "--resume", "run", "--shard", "1/3")
    assert (code, err.strip().rpartition("these differ: ")[2]) == (2, "shard")


def test_one_command_starts_a_folder_and_goes_on_with_it(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    words = ["beam", "--budget", "4", "--limit", "6", "--shard", "2/3", "--resume", "run"]
    started = dry(sal, *words)
    begun(tmp_path / "run", Settings(strategy="beam", params={"budget": 4}, limit=6, shard="2/3"))
    assert dry(sal, *words)["recipe"]["digest"] == started["recipe"]["digest"]
