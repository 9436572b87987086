"""PRMs with heads on stock SGLang servers: ids and scores are those of a
reference with transformers, written after their authors' code."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prm_conformance import (
    CASES,
    Positional,
    Reference,
    check_case,
    check_concurrent,
    check_whole,
    fill,
    growth,
)
from prm_heads import FAMILIES
from prm_servers import CACHE, Pool

from bench import siblings
from sal.runs.endpoints import check_urls, prm_serving
from sal.runs.errors import RunError
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import EndpointError
from sal.verifiers.contract import Prm
from sal.verifiers.family import choose, read_config
from sal.verifiers.head import HeadVerifier
from sal.verifiers.outcome import OutcomeVerifier
from sal.verifiers.outcome_head import OUTCOME_HEAD
from sal.verifiers.registry import find_family

pytestmark = pytest.mark.servers


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
    with Engine(pool.url(FAMILIES[request.param][0])) as engine:
        verifier, told = pool.judged(request.param, engine)
        assert isinstance(verifier, HeadVerifier)
        yield request.param, verifier, told, engine


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


def test_an_outcome_model_reads_whole_solutions(pool: Pool) -> None:
    with Engine(pool.url("outcome")) as engine:
        verifier, told = pool.judged("outcome-head", engine)
        assert isinstance(verifier, OutcomeVerifier)
        format = OUTCOME_HEAD.format(Prm(str(pool.folder("outcome"))))
        for case, (question, steps) in CASES.items():
            ids, *_ = told.inputs(question, steps)
            assert format.render(question, ["\n\n".join(steps)]).upto(0) == ids
            check_whole(case, verifier, told, engine)
        check_concurrent(verifier, told, engine)


def test_one_call_for_siblings_has_the_same_scores(pool: Pool) -> None:
    with Engine(pool.url("qwen")) as engine, ThreadPoolExecutor(8) as threads:
        verifier, _ = pool.judged("qwen-prm", engine)
        apart, _ = siblings.search(siblings.as_sal(verifier, threads), engine, problems=2)
        one_call, _ = siblings.search(
            lambda: siblings.together(verifier, engine), engine, problems=2
        )
        assert one_call == pytest.approx(apart, abs=1e-3)
