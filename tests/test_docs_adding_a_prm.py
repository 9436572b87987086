"""The family of docs/adding-a-prm.md, installed as the page says, on a real server."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prm_conformance import growth, verifier_of
from prm_models import llama_tokenizer

from sal.runtime.client import Engine
from sal.verifiers.contract import Prm
from sal.verifiers.family import choose, named_family
from sal.verifiers.registry import GROUP, families
from sal.verifiers.step_token import StepTokenOptions

PAGE = (Path(__file__).parent.parent / "docs" / "adding-a-prm.md").read_text()


def block(language: str) -> str:
    (only,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.M | re.S)
    return str(only)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    project = tomllib.loads(block("toml"))["project"]
    ((name, value),) = project["entry-points"][GROUP].items()
    module = value.partition(":")[0]
    (tmp_path / f"{module}.py").write_text(block("python"))
    info = tmp_path / f"{module}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop(module, None)


@pytest.mark.usefixtures("installed")
def test_it_is_known_by_its_name_and_takes_its_settings() -> None:
    assert choose("example/Example-PRM-8B", {}).own_aggregate == ("min", "Example et al.")
    assert choose("m", {}, "check:mark=?").options.mark == "?"
    assert not families()[1]


def test_the_rows_are_settings_of_step_token() -> None:
    entry = json.loads("{" + block("json") + "}")
    said = StepTokenOptions(tag="<step>", good=" yes", bad=" no")
    spec = choose("m", entry)
    assert (spec.options, spec.aggregate) == (said, "min")
    (flag,) = re.findall(r'--prm-family "(.*?)"', PAGE)
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
