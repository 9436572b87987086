"""Causal PRM families on a real server: ids and scores are those of a reference with
transformers, written after their authors' code."""

from __future__ import annotations

from typing import Any

import pytest
from prm_causal import NAMES, Causal
from prm_conformance import (
    CASES,
    Positional,
    Reference,
    check_case,
    check_concurrent,
    check_whole,
    growth,
)

from sal.runtime.client import Engine

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def causal(prm_server: str, tmp_path_factory: pytest.TempPathFactory) -> Causal:
    with Engine(prm_server) as engine:
        return Causal(engine, tmp_path_factory.mktemp("tokenizers"))


@pytest.fixture(params=NAMES)
def served(request: Any, prm: Engine, causal: Causal) -> tuple[Positional, Reference]:
    return causal.judged(request.param, prm)


def test_ids_and_scores_are_the_authors(served: tuple[Positional, Reference], prm: Engine) -> None:
    for case in CASES:
        check_case(case, *served, prm)


def test_64_at_once(served: tuple[Positional, Reference], prm: Engine) -> None:
    check_concurrent(*served, prm)


def test_each_token_is_prefilled_once(served: tuple[Positional, Reference], prm: Engine) -> None:
    assert growth(served[0], prm) <= 1.10


def test_an_outcome_model_reads_whole_solutions(prm: Engine, causal: Causal) -> None:
    verifier, told = causal.outcome(prm)
    for case in CASES:
        check_whole(case, verifier, told, prm)
    check_concurrent(verifier, told, prm)
