"""From a request's body to what is asked: tables of what is honoured, handed on, and refused."""

from __future__ import annotations

from typing import Any

import pytest
from serve_scripted import LIMITS, SERVED, catalogue

from sal.programs.caps import Caps
from sal.runs.registry import find_strategy
from sal.runs.turns import Turn
from sal.serve.asked import Asked, Wanted, read_json, samples_of
from sal.serve.effort import EFFORTS, budget_of
from sal.serve.errors import ApiError
from sal.serve.limits import Limits
from sal.serve.models import Catalogue, Named, served_strategies
from sal.serve.read_chat import read_chat
from sal.serve.read_completion import read_completion

HELLO = [{"role": "user", "content": "Hello?"}]


def chat(headers: dict[str, str] | None = None, limits: Limits = LIMITS, **body: Any) -> Asked:
    return read_chat(
        {"model": "dvts", "messages": HELLO} | body, headers or {}, catalogue(), limits
    )


def wanted(headers: dict[str, str] | None = None, **body: Any) -> Wanted:
    search = chat(headers, **body).search
    assert search is not None
    return search


def refusal(**body: Any) -> ApiError:
    with pytest.raises(ApiError) as refused:
        chat(**body)
    return refused.value


@pytest.mark.parametrize(
    ("headers", "body", "budget"),
    [
        ({}, {}, 8),
        ({}, {"model": "sal"}, 8),
        ({}, {"model": "dvts@16"}, 16),
        ({}, {"model": "dvts", "reasoning_effort": "minimal"}, 4),  # a multiple of the width
        ({}, {"model": "majority", "reasoning_effort": "minimal"}, 1),
        ({}, {"reasoning_effort": "low"}, 4),
        ({}, {"reasoning_effort": "medium"}, 8),
        ({}, {"reasoning_effort": "high"}, 16),
        ({}, {"reasoning_effort": "xhigh"}, 32),
        ({}, {"reasoning_effort": "max"}, 32),
        ({}, {"model": "dvts@16", "reasoning_effort": "max"}, 16),
        ({"x-search-budget": "12"}, {"model": "dvts@16"}, 12),
        ({"x-search-budget": "12"}, {"budget": 20}, 20),
        ({}, {"search": {"budget": 20}}, 20),
        ({}, {"search": {"budget": 20}, "budget": 20}, 20),
        ({}, {"model": "beam@6", "search": {"width": 2}}, 6),
    ],
)
def test_who_says_the_budget(headers: dict[str, str], body: dict[str, Any], budget: int) -> None:
    assert wanted(headers, **body).budget == budget


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"budget": 64}, "budget"),
        ({"budget": 0}, "budget"),
        ({"budget": "8"}, "budget"),
        ({"budget": True}, "budget"),
        ({"budget": 6}, "budget"),  # no multiple of the width
        ({"budget": 8, "search": {"budget": 16}}, "budget"),
        ({"model": "dvts@64"}, "budget"),
        ({"model": "greedy@4"}, "budget"),
        ({"model": "greedy", "budget": 4}, "budget"),
        ({"reasoning_effort": "much"}, "reasoning_effort"),
        ({"reasoning_effort": ["low"]}, "reasoning_effort"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(body: dict[str, Any], param: str) -> None:
    error = refusal(**body)
    assert (error.status, error.param) == (400, param)


def test_a_header_that_is_no_number_is_refused() -> None:
    for text in ("many", "-1", "１２", "1e3", ""):
        with pytest.raises(ApiError, match="X-Search-Budget"):
            chat({"x-search-budget": text})


def test_efforts_grow_up_to_the_operators_limit() -> None:
    budgets = [budget_of(effort, LIMITS) for effort in EFFORTS if effort != "none"]
    assert budgets == [1, 2, 8, 16, 32, 32]
    tight = Limits(strategy="dvts", budget=8, max_budget=10, max_tokens=10, seconds=1)
    assert [budget_of(effort, tight, width=4) for effort in ("minimal", "high", "max")] == [4, 8, 8]


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        ({"max_tokens": 100}, "max_tokens", 100),
        ({"max_completion_tokens": 100}, "max_tokens", 100),
        ({"max_completion_tokens": 100, "max_tokens": 100}, "max_tokens", 100),
        ({}, "max_tokens", 500),
        ({"temperature": 0.3}, "temperature", 0.3),
        ({"temperature": 0}, "temperature", 0),
        ({"top_p": 0.9}, "top_p", 0.9),
        ({"top_k": 20}, "top_k", 20),
        ({"min_p": 0.1}, "min_p", 0.1),
        ({"stop": "###"}, "stop_strings", ("###",)),
        ({"stop": ["a", "b"]}, "stop_strings", ("a", "b")),
        ({}, "width", 4),
        ({"search": {"width": 2}}, "width", 2),
        ({"search": {"aggregate": "min"}}, "aggregate", "min"),
        ({"model": "adaptive-dvts", "search": {"stop": "agreement"}}, "stop", "agreement"),
        ({"search": {"max_steps": 40}}, "max_steps", 40),
    ],
)
def test_parameters(body: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(wanted(**body).params, name) == value


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": 5}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [5]}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages"),
        ({"messages": [{"role": "cat", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "x"}]}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages",
        ),
        ({"messages": [{"role": "user", "content": "x", "audio": {"id": "a"}}]}, "messages"),
        ({"max_tokens": 501}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": [1]}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"seed": 1.5}, "seed"),
        ({"seed": 1 << 63}, "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": []}, "stream_options"),
        ({"n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"verbosity": "low"}, "verbosity"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"response_format": "json"}, "response_format"),
        ({"colour": "red"}, "colour"),
        ({"search": []}, "search"),
        ({"search": {"colour": "red"}}, "colour"),
        ({"search": {"aggregate": "best"}}, "aggregate"),
        ({"search": {"aggregate": ["min"]}}, "aggregate"),
        ({"search": {"width": {}}}, "width"),
        ({"search": {"width": 33}}, "width"),
        ({"search": {"max_steps": 10**12}}, "max_steps"),
        ({"search": {"separator": ""}}, "separator"),
        ({"model": "ets", "search": {"embedder": "os:system"}}, "embedder"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str) -> None:
    error = refusal(**body)
    assert (error.status, error.param) == (400, param)
    assert set(error.body()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    "body",
    [
        {"n": 1},
        {"user": "u", "metadata": {"a": "b"}, "store": True, "service_tier": "auto"},
        {"logprobs": False, "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}},
        {"response_format": {"type": "text"}, "tools": [], "tool_choice": "auto"},
        {"modalities": ["text"]},
        {"best_of": 1, "repetition_penalty": 1.0, "top_logprobs": 0},
        {"messages": [{"role": "user", "content": "Hello?", "name": "ann", "tool_calls": []}]},
    ],
)
def test_what_asks_for_nothing_is_taken(body: dict[str, Any]) -> None:
    assert chat(**body).search is not None


@pytest.mark.parametrize(
    ("body", "because"),
    [
        ({"tools": [{"type": "function"}]}, ("tools",)),
        ({"functions": [{"name": "f"}]}, ("functions",)),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, ("response_format",)),
        ({"messages": [*HELLO, {"role": "tool", "content": "5"}]}, ("messages",)),
        (
            {"messages": [*HELLO, {"role": "assistant", "function_call": {"name": "f"}}, *HELLO]},
            ("messages",),
        ),
        ({"model": "policy"}, ()),
        ({"model": "the-policy"}, ()),
        ({"reasoning_effort": "none"}, ()),
    ],
)
def test_what_the_policy_answers_alone(body: dict[str, Any], because: tuple[str, ...]) -> None:
    asked = chat(**body, budget=8)
    assert asked.search is None
    assert asked.because == because
    assert {n: asked.body[n] for n in body if n not in ("model", "reasoning_effort")} == {
        n: v for n, v in body.items() if n not in ("model", "reasoning_effort")
    }
    assert "budget" not in asked.body  # no other server knows it
    assert asked.body["max_tokens"] == 500  # the operator's limit holds here, too


def test_the_policy_alone_is_within_the_operators_limits() -> None:
    assert refusal(model="policy", max_tokens=501).param == "max_tokens"
    assert refusal(model="policy", n=33).param == "n"
    assert refusal(model="policy", n=2, best_of=3).param == "best_of"
    assert refusal(model="policy", seed="5").param == "seed"
    assert chat(model="policy", n=2, logprobs=True, logit_bias={"5": 1}).body["n"] == 2


def test_a_search_is_bounded_in_tokens_and_seconds() -> None:
    assert wanted(max_tokens=100).caps == Caps(800, 60)
    capped = Limits(strategy="dvts", budget=8, max_budget=8, max_tokens=500, seconds=5, tokens=1000)
    search = chat(limits=capped).search
    assert search is not None
    assert search.caps == Caps(1000, 5)
    assert search.tokens == 1000


def test_a_conversation_keeps_all_its_turns() -> None:
    said = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "2+2?"}]},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "And 3+3?"},
    ]
    assert wanted(messages=said).turns == (
        Turn("system", "Be brief."),
        Turn("user", "2+2?"),
        Turn("assistant", "4"),
        Turn("user", "And 3+3?"),
    )


def completion(**body: Any) -> Asked:
    return read_completion({"model": "dvts", "prompt": "2+2="} | body, {}, catalogue(), LIMITS)


def test_a_text_is_gone_on_behind() -> None:
    search = completion(prompt=["2+2="], seed=-3, stream=True).search
    assert search is not None
    assert (search.prompt, search.seed, search.turns) == ("2+2=", -3, ())
    assert completion(model="policy", prompt=["a", "b"], echo=True).search is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"echo": True}, "echo"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": 3}, "logprobs"),
        ({"logprobs": 0}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": HELLO}, "messages"),
    ],
)
def test_what_is_wrong_with_a_text(body: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as refused:
        completion(**body)
    assert refused.value.param == param


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"5", b"null", b"\xff", b'{"a": NaN}'])
def test_a_body_that_is_no_object(raw: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        read_json(raw)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("body", "samples"),
    [
        ({}, 1),
        ({"n": 3}, 3),
        ({"prompt": "a"}, 1),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": ["a", "b"], "n": 2}, 4),
        ({"prompt": [[1], [2], [3]]}, 3),
    ],
)
def test_texts_that_the_policy_generates(body: dict[str, Any], samples: int) -> None:
    assert samples_of(body) == samples


def test_a_null_is_as_if_nothing_was_said() -> None:
    assert read_json(b'{"n": null, "seed": 1}') == {"seed": 1}


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("dvts", Named("dvts")),
        ("dvts@64", Named("dvts", 64)),
        ("sal", Named("dvts")),
        ("policy", Named(None)),
        ("the-policy", Named(None)),
    ],
)
def test_models_by_name(name: str, named: Named) -> None:
    assert catalogue().read(name) == named


@pytest.mark.parametrize("name", ["gpt-4", "dvts@", "dvts@x", "dvts@-1", "auto", "dvts@٣", "DVTS"])
def test_models_that_are_not_there(name: str) -> None:
    with pytest.raises(ApiError) as refused:
        catalogue().read(name)
    assert (refused.value.status, refused.value.code) == (404, "model_not_found")


def test_the_listed_models_can_all_be_asked() -> None:
    names = [entry["id"] for entry in catalogue().listed(LIMITS)]
    assert names[:5] == ["sal", "policy", "the-policy", "dvts", "dvts@4"]
    assert "greedy" in names
    assert "greedy@4" not in names
    assert "best-of-n@32" in names
    assert "best-of-n@64" not in names
    for name in names:
        asked = chat(model=name)
        assert (asked.search is None) == (name in ("policy", "the-policy"))


def test_without_a_prm_only_strategies_are_served_that_need_none() -> None:
    served = served_strategies(SERVED, find_strategy, "majority", prm=False)
    assert served == ["majority", "greedy"]
    assert served_strategies(SERVED, find_strategy, "beam", prm=True)[0] == "beam"
    assert Catalogue("p", served, find_strategy).read("sal") == Named("majority")
