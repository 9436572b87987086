"""The family of docs/adding-a-prm.md, installed as the page says, on a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_package import DOCS, block, installed_package
from prm_conformance import growth, verifier_of
from prm_models import llama_tokenizer

from sal.runtime.client import Engine
from sal.verifiers.contract import Prm
from sal.verifiers.family import choose, named_family
from sal.verifiers.registry import GROUP, families
from sal.verifiers.step_token import StepTokenOptions

PAGE = "adding-a-prm.md"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installed_package(PAGE, GROUP, tmp_path, monkeypatch):
        yield


@pytest.mark.usefixtures("installed")
def test_it_is_known_by_its_name_and_takes_its_settings() -> None:
    assert choose("example/Example-PRM-8B", {}).own_aggregate == ("min", "Example et al.")
    assert choose("m", {}, "check:mark=?").options.mark == "?"
    assert not families()[1]


def test_the_rows_are_settings_of_step_token() -> None:
    entry = json.loads("{" + block(PAGE, "json") + "}")
    said = StepTokenOptions(tag="<step>", good=" yes", bad=" no")
    spec = choose("m", entry)
    assert (spec.options, spec.aggregate) == (said, "min")
    (flag,) = re.findall(r'--prm-family "(.*?)"', (DOCS / PAGE).read_text())
    family, settings = named_family(flag)
    assert family.options(settings) == said


@pytest.mark.servers
@pytest.mark.usefixtures("installed")
def test_it_scores_on_a_server_and_each_token_is_prefilled_once(
    prm: Engine, tmp_path: Path
) -> None:
    core = llama_tokenizer(tmp_path / "model")
    family = choose("Example-PRM-1B", {}).family
    verifier: Any = verifier_of(family, Prm(str(tmp_path / "model"), {}, family.options({}), prm))
    ids = core.encode("q\n\n").ids + core.encode("a\n[check] ", add_special_tokens=False).ids
    assert verifier.format.render("q", ["a"]).upto(0) == ids
    (score,) = verifier.score("q", (), ["a"]).scores
    assert 0 < score < 1
    assert growth(verifier, prm, depth=3) <= 1.10
