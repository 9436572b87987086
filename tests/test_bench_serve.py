"""The benchmark of `sal serve` runs, and tells whose question is answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.serve_load import GATEWAY, MIX, _own_or_anothers, fair, load, table
from bench.serving import Asked, Gateway
from sal.runtime.client import Engine

ONE = "Let p=12, q=p+4, r=q+p. Find r."
OTHER = "Let a=5, b=4-a+7, c=b*2-a, d=b-c+4. Find d."
SOLVED = "q=12+4=16\n\nr=16+12=28\n\n\\boxed{28}"


@pytest.mark.parametrize(
    ("question", "content", "whose"),
    [
        (ONE, SOLVED, "own"),
        (ONE, "q=12+4=16\n\nr=16-12=4\n\n\\boxed{4}", "own"),  # a mistake is no one else's
        (OTHER, SOLVED, "another's"),
        (OTHER, "b=4-12=-8", ""),
        (ONE, "", ""),
    ],
)
def test_whose_question_is_answered(question: str, content: str, whose: str) -> None:
    reply = Asked(question, "dvts@4", 200, 0.1, content, {})
    assert _own_or_anothers(reply, [ONE, OTHER]) == whose


@pytest.fixture
def served(policy: Engine, prm: Engine) -> Iterator[Gateway]:
    with Gateway(policy, prm, GATEWAY) as made:
        yield made


@pytest.mark.servers
def test_it_measures_a_gateway(served: Gateway) -> None:
    figures = {"load": load(served, 3.0, 6), "fair": fair(served, 2, 1)}
    assert figures["load"]["failed"] == figures["fair"]["failed"] == 0
    assert figures["load"]["searches"] >= len(MIX)
    assert figures["load"]["answers to another's"] == 0
    assert figures["load"]["left behind"] == 0
    assert figures["fair"]["p95 amid / alone"] > 0
    assert table(figures).row_count > len(figures["load"])
