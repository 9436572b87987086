"""docs/generative-verifiers.md says what these families are and what they do by default."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from sal.verifiers.family import choose, named_family
from sal.verifiers.function import FunctionVerifier
from sal.verifiers.registry import OWN, find_family

PAGE = (Path(__file__).parent.parent / "docs" / "generative-verifiers.md").read_text("utf-8")
WRITING = ("think-prm", "gen-prm", "r-prm")


def test_every_family_of_the_page_is_one() -> None:
    told = re.findall(r"^\| `([a-z][a-z-]*)` \|.*\|.*\|$", PAGE, re.MULTILINE)
    assert set(told) <= set(OWN)
    assert {*WRITING, "implicit", "outcome-chat", "outcome-head", "judge", "function"} <= set(told)


@pytest.mark.parametrize("name", WRITING)
def test_how_they_sample(name: str) -> None:
    options = asdict(find_family(name).options({}))
    columns = ("votes", "temperature", "top_p", "top_k", "max_tokens")
    row = " | ".join(str(options[column]) for column in columns)
    assert f"| `{name}` | {row} |" in PAGE


def test_what_a_judge_has_by_default() -> None:
    options = asdict(find_family("judge").options({}))
    assert options.pop("model") == ""
    for name, value in options.items():
        assert re.search(rf"^\| `{name}` \| {re.escape(str(value))}\b", PAGE, re.MULTILINE), name


@pytest.mark.parametrize("said", re.findall(r"--prm-family ([a-z-]+:[^\s`]+)", PAGE))
def test_settings_that_it_says(said: str) -> None:
    family, settings = named_family(said)
    settings.pop("aggregate", None)
    family.options(settings)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("think-prm", "min"),
        ("gen-prm", "min"),
        ("r-prm", "last"),
        ("implicit", "last"),
        ("function", "last"),
    ],
)
def test_aggregates(name: str, how: str) -> None:
    assert find_family(name).aggregate == how
    assert f"The aggregate is `{how}`" in PAGE


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("launch/ThinkPRM-1.5B", "think-prm"),
        ("GenPRM/GenPRM-7B", "gen-prm"),
        ("kevinpro/R-PRM-7B-DPO", "r-prm"),
        ("PRIME-RL/EurusPRM-Stage2", "implicit"),
        ("RLHFlow/Llama3.1-8B-ORM-Deepseek-Data", "outcome-chat"),
        ("Skywork/Skywork-Reward-Llama-3.1-8B", "outcome-head"),
        ("mine:score", "function"),
    ],
)
def test_names_that_are_known(model: str, name: str) -> None:
    assert choose(model, {}).family.name == name


def test_the_function() -> None:
    code = re.search(r"`mine.py`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    names: dict[str, object] = {}
    exec(code[1], names)  # noqa: S102
    verifier = FunctionVerifier(names["score"], "mine:score")  # type: ignore[arg-type]
    assert verifier.score("1 + 1", ["a b"], ["1 b c d", ""]).scores == (0.5, 0.0)
