"""What would run past a server's context ends there, in place of being refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs_examples import recipe as example
from test_runtime_model_size import SIXTEEN

from sal.runs.recipe import Recipe
from sal.runs.server_plan import load_of
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Rejected
from sal.runtime.hardware import Hardware
from sal.runtime.load import Load, against
from sal.runtime.plan import make_plan
from sal.runtime.policy import Request
from sal.runtime.tokenizer import Tokenizer
from sal.tiny.paths import POLICY

CONTEXT = 4096
"""Of the tiny policy."""


class Recorder(Engine):
    """What is asked of it, and what it says of itself."""

    def __init__(self, **said: Any) -> None:
        super().__init__("http://127.0.0.1:9")
        self.said = said
        self.asked: list[int] = []

    def info(self) -> dict[str, Any]:
        return {}

    def server_info(self) -> dict[str, Any]:
        return self.said

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(payload["sampling_params"]["max_new_tokens"])
        return {"text": "", "output_ids": [], "meta_info": {"finish_reason": {"type": "length"}}}


@pytest.mark.parametrize(
    ("said", "context"),
    [
        ({"model_path": str(POLICY)}, CONTEXT),
        ({"model_path": str(POLICY), "context_length": None}, CONTEXT),
        ({"model_path": str(POLICY), "context_length": 512}, 512),
        ({"model_path": str(POLICY), "json_model_override_args": "{}"}, CONTEXT),
        ({"model_path": str(POLICY), "json_model_override_args": '{"x": 1}'}, None),
        ({"model_path": "/of/another/machine"}, None),
        ({}, None),
    ],
)
def test_a_servers_context(said: dict[str, Any], context: int | None) -> None:
    with Recorder(**said) as engine:
        assert engine.context() == context


@pytest.mark.parametrize(
    ("context", "asked"), [(None, 100), (4096, 100), (104, 100), (60, 56), (5, 1), (4, 100)]
)
def test_what_is_asked_for_ends_with_the_context(context: int | None, asked: int) -> None:
    tokenizer = Tokenizer.load(str(POLICY))
    assert tokenizer is not None
    assert len(tokenizer.encode("a=1;", special=True)) == 4
    with Recorder() as engine:
        PooledBackend(engine, tokenizer, context).write(Request("a=1;", 100))
        assert engine.asked == [asked]


@pytest.mark.servers
def test_a_real_server_refuses_more_than_its_context(policy: Engine) -> None:
    assert policy.context() == CONTEXT
    request = Request("Let a=7, b=a-3+2. Find b.", CONTEXT)
    with pytest.raises(Rejected, match="maximum context length of 4096 tokens"):
        PooledBackend(policy).write(request)
    reply = PooledBackend(policy, context=policy.context()).write(request)
    assert reply.ended == "end"


class TestLoad:
    def test_a_run_of_several_is_the_largest(self) -> None:
        def recipe(policy: str, **params: int) -> Recipe:
            return replace(example(), policy=policy, params=params)

        assert load_of([recipe("m")]) == Load()
        assert load_of([recipe("m", max_tokens=2048)]) == Load(344, 2048)
        assert load_of([recipe("m", budget=64, max_tokens=100)]) == Load(6400, 100)
        assert load_of([recipe("tiny", budget=4, max_tokens=500)]) == Load(240, 500)
        both = [recipe("m", budget=64, max_tokens=100), recipe("m", budget=4, max_tokens=2048)]
        assert load_of(both) == Load(6400, 2048)

    def test_what_is_said_of_it(self) -> None:
        assert against(Load(), 10, None) == []
        assert against(Load(100, 50), 1000, 51) == [
            "a problem's search holds about 100: 10 at a time"
        ]
        assert "more than there is room for" in against(Load(100), 99, None)[0]
        assert against(Load(0, 50), 0, 50) == [
            "takes 50 tokens at most, the prompt included, and a solution may have 50 (--max-tokens)"
        ]

    def test_the_plan_for_a_cpu_heeds_flags(self, tmp_path: Path) -> None:
        here = Hardware((), (0, 1), 64 << 30)
        asked = ["--context-length 1024", "--max-total-tokens 5000"]
        load = Load(1000, 2048)
        plan = make_plan(here, "m/m", None, policy_args=asked, load=load, size_of=lambda _: SIXTEEN)
        told = plan.servers["policy"].reasons
        assert "a problem's search holds about 1,000: 5 at a time" in told
        assert any(reason.startswith("takes 1,024 tokens at most") for reason in told)
