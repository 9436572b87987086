"""PRMs with heads on stock SGLang servers: ids and scores are those of their authors' own code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CPU_ONLY
from prm_conformance import (
    CASES,
    Positional,
    Reference,
    check_case,
    check_concurrent,
    fill,
    growth,
    verifier_of,
)
from prm_heads import FAMILIES, KINDS, reference

from sal.runs.endpoints import check_urls, prm_serving
from sal.runs.errors import RunError
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import EndpointError
from sal.runtime.launch import Server, start_all, stop_all
from sal.runtime.needed_flags import with_needed_flags
from sal.runtime.plan import ServerSpec, make_plan
from sal.verifiers.contract import Prm
from sal.verifiers.family import choose, load_verifier, look_up, read_config, served_model
from sal.verifiers.head import HeadVerifier
from sal.verifiers.registry import find_family

pytestmark = pytest.mark.servers

CACHE = 16384
SERVED = {"universal": "qwen"}
"""Checkpoints that are judged on another's server: its weights are put there."""

PAIRS = (("classifier", "reasoneval"), ("qwen", "skywork"))
"""Servers that are up at the same time."""


def server_of(folder: Path) -> ServerSpec:
    """As a run plans it for `--prm FOLDER`."""
    serving = prm_serving(str(folder), None)
    plan = make_plan(CPU_ONLY, None, serving.model, prm_args=[f"--max-total-tokens {CACHE}"])
    return with_needed_flags(plan, "prm", serving.args, serving.reason).servers["prm"]


class Pool:
    """Checkpoints by their kind, and their servers, two at a time."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.made: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._up: dict[str, Server] = {}

    def folder(self, kind: str) -> Path:
        name = {"universal": "Universal-PRM-7B", "reasoneval": "ReasonEval-7B"}.get(kind, kind)
        folder = self.base / name
        if kind not in self.made:
            self.made[kind] = KINDS[kind].save(folder)
        return folder

    def url(self, kind: str) -> str:
        kind = SERVED.get(kind, kind)
        if kind not in self._up:
            self.stop()
            pair = next(pair for pair in PAIRS if kind in pair)
            servers = {k: Server(server_of(self.folder(k)), self.base / k) for k in pair}
            start_all(list(servers.values()))
            self._up = servers
        return self._up[kind].url

    def stop(self) -> None:
        stop_all(list(self._up.values()))
        self._up = {}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAL_STATE", str(tmp_path_factory.mktemp("state")))
        pool = Pool(tmp_path_factory.mktemp("checkpoints"))
        try:
            yield pool
        finally:
            pool.stop()


Served = tuple[str, Positional, Reference, Engine]


@pytest.fixture(scope="module", params=FAMILIES)
def served(request: Any, pool: Pool) -> Iterator[Served]:
    """A family's verifier on its server, and its authors' read-out."""
    name = request.param
    kind, *_ = FAMILIES[name]
    folder = pool.folder(kind)
    with Engine(pool.url(kind)) as engine:
        if kind in SERVED:
            model, head = pool.made[SERVED[kind]]
            folded = {
                **head,
                "score.2.weight": head["score.2.weight"][1:] - head["score.2.weight"][:1],
            }
            folded["score.2.bias"] = head["score.2.bias"][1:] - head["score.2.bias"][:1]
            made = model, folded
            config = read_config(str(folder))
            options = find_family(name).options({})
            verifier = verifier_of(find_family(name), Prm(str(folder), config, options, engine))
        else:
            made = pool.made[kind]
            told = look_up(served_model(engine.info())).family.name  # by its overlay
            loaded = load_verifier(engine, family=None if told == name else name)
            assert isinstance(loaded, HeadVerifier)
            verifier = loaded
        yield name, verifier, reference(folder, name, *made), engine


@pytest.mark.parametrize("case", CASES)
def test_ids_and_scores_are_the_authors(case: str, served: Served) -> None:
    check_case(case, *served[1:])


def test_64_at_once_and_after_eviction(served: Served) -> None:
    _, verifier, told, engine = served
    check_concurrent(verifier, told, engine)
    question, steps = CASES["plain"]
    expected = [told.score(ids) for ids in told.inputs(question, steps)]
    fill(engine, range(300), CACHE)
    assert list(verifier.score(question, (), steps).scores) == pytest.approx(expected, abs=1e-3)


def test_each_token_is_prefilled_once(served: Served) -> None:
    assert growth(served[1], served[3]) <= 1.10


def test_a_server_is_asked_what_its_head_gives(served: Served) -> None:
    name, _, _, engine = served
    assert check_urls({"prm": engine.url}, prm_family=name)["prm"]["model_path"]
    labels = find_family(name).labels  # type: ignore[attr-defined]  # of a HeadFamily
    other = "reasoneval" if labels == 2 else "token-classifier"
    with pytest.raises(RunError, match="where this family reads"):
        check_urls({"prm": engine.url}, prm_family=other)
    wrong = find_family(other)
    asked = Prm(str(engine.info()["model_path"]), {}, wrong.options({}), engine)
    with pytest.raises(ValueError, match="its head"):
        wrong.build(asked)


def test_a_causal_server_has_no_head(prm_server: str) -> None:
    with Engine(prm_server) as engine, pytest.raises(EndpointError):
        find_family("skywork").probe(engine)


def test_what_an_overlay_says_of_itself(pool: Pool) -> None:
    serving = prm_serving(str(pool.folder("skywork")))
    assert serving.model is not None
    assert prm_serving(serving.model) == serving
    assert choose(serving.model, read_config(serving.model)).family.name == "skywork"
