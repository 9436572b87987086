"""Budget forcing on a real server: the tiny policy, its solutions taken for reasoning."""

from __future__ import annotations

from typing import Any

import pytest
from programs_scripted import ScriptedPrm
from test_runtime_backend import Recorder

from sal.programs import thinking as forcing
from sal.programs.beam import BeamParams, beam
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult
from sal.runtime.backend import PooledBackend
from sal.runtime.policy import Request
from sal.strategies import thinking
from sal.strategies.thinking import Tags

pytestmark = pytest.mark.servers

QUESTION = "Let p=12, q=p+4, r=q+p. Find r."
PROMPT = f"{QUESTION}\n\n"
REASONING = Tags("Find r.", "</think>")
"""The question's last words open it, so that the policy reads what it was trained on."""


def take_for_reasoning(monkeypatch: pytest.MonkeyPatch, tags: Tags) -> None:
    for module in (thinking, forcing):
        monkeypatch.setattr(module, "TAGS", (tags,))


def searched(program: Any, engine: Recorder, params: Any) -> SearchResult:
    problem = Problem(QUESTION, "r", PROMPT)
    state = program.run(
        problem, params=params, verifier=ScriptedPrm(), backend=PooledBackend(engine)
    )
    result: SearchResult = state["result"]
    assert result.errors == ()
    return result


@pytest.mark.parametrize(
    ("program", "params"),
    [
        (beam, BeamParams(budget=2, width=2, temperature=0, think_budget=9, max_tokens=80)),
        (best_of_n, BestOfNParams(budget=1, temperature=0, think_budget=9, max_tokens=80)),
    ],
)
def test_the_end_is_forced_and_the_solution_goes_on_behind_it(
    program: Any, params: Any, policy_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_for_reasoning(monkeypatch, REASONING)
    with Recorder(policy_server) as engine:
        result = searched(program, engine, params)
        tokenizer = PooledBackend(engine).tokenizer
        assert tokenizer is not None
    forced = [node for node in result.trace.nodes if node.forced]
    assert len(forced) == params.budget
    for node in forced:
        (end,) = node.forced
        assert end.endswith("</think>\n\n")
        assert end in node.text
    end_ids = tuple(tokenizer.encode_behind(end))
    going_on = [
        (sent, got)
        for sent, got in zip(engine.sent, engine.got, strict=True)
        if end_ids == tuple(sent["input_ids"][-len(end_ids) :])
    ]
    assert going_on
    for sent, got in going_on:
        before = tuple(sent["input_ids"][: -len(end_ids)])
        # The ids that were sampled, nine of them, stand before the end as the policy wrote them.
        sampled = before[len(tokenizer.encode(PROMPT, special=True)) :]
        assert len(sampled) == 9
        assert got["meta_info"]["cached_tokens"] >= len(before) - 1
    written = sum(got["meta_info"]["completion_tokens"] for got in engine.got)
    assert result.trace.policy.completion_tokens == written
    for completion in result.completions:
        assert completion.text.count("</think>") == 1
        ids = [i for n in path_of(result, completion.node) for i in n.token_ids]
        assert completion.tokens == len(ids) <= 80


def path_of(result: SearchResult, node: tuple[int, ...]) -> list[Any]:
    nodes = {n.id: n for n in result.trace.nodes}
    return [nodes[node[:depth]] for depth in range(1, len(node) + 1)]


def test_wait_stands_in_place_of_an_end_that_the_policy_writes(
    policy_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes `p=12` first, so that its `=` is an end that comes early."""
    take_for_reasoning(monkeypatch, Tags("Find r.", "="))
    with Recorder(policy_server) as engine:
        params = BestOfNParams(budget=1, temperature=0, think_extensions=1, max_tokens=60)
        result = searched(best_of_n, engine, params)
        tokenizer = PooledBackend(engine).tokenizer
        assert tokenizer is not None
    assert [node.forced for node in result.trace.nodes] == [("Wait",)]
    text = result.trace.nodes[0].text
    head, _, rest = text.partition("Wait")
    assert "=" not in head
    first, second = engine.sent[-2:]
    assert first["sampling_params"]["stop"] == ["="]
    assert not second["sampling_params"]["stop"]
    assert engine.got[-2]["text"] == head + "="
    assert tuple(second["input_ids"]) == (
        *first["input_ids"],
        *engine.got[-2]["output_ids"][:-1],
        *tokenizer.encode_behind("Wait"),
    )
    assert rest


def test_a_text_ends_at_the_token_that_ends_a_reply(policy_server: str) -> None:
    with Recorder(policy_server) as engine:
        backend = PooledBackend(engine)
        assert backend.tokenizer is not None
        plain = backend.write(Request(PROMPT, 40, 0.0))
        assert "stop_token_ids" not in engine.sent[-1]["sampling_params"]
        end = plain.token_ids[3]
        vars(backend.tokenizer)["reply_end"] = end
        reply = backend.write(Request(PROMPT, 40, 0.0))
    assert engine.sent[-1]["sampling_params"]["stop_token_ids"] == [end]
    assert reply.ended == "end"
    assert reply.token_ids == plain.token_ids[: plain.token_ids.index(end) + 1]
