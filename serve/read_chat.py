"""POST /v1/chat/completions: from the body to what is asked.

Each field is honoured, handed to the policy alone, or refused; none is dropped without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sal.runs.errors import BadRow
from sal.runs.turns import Turn, prompt_turns
from sal.serve.asked import Asked, samples_of, seed_of, usage_wanted, whole
from sal.serve.effort import NONE
from sal.serve.errors import unsupported, wrong
from sal.serve.limits import Limits
from sal.serve.models import Catalogue
from sal.serve.search_params import effort_of, read_search
from sal.serve.structured_vote import RULE

OURS = ("budget", "search")
"""Fields that no other server knows."""

HONOURED = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "n", "stop", "seed", "temperature"),
        *("max_tokens", "max_completion_tokens", "top_p", "top_k", "min_p", "reasoning_effort"),
        *OURS,
    )
)
SAYS_NOTHING = frozenset(
    (
        *("user", "metadata", "store", "service_tier", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention", "parallel_tool_calls"),
    )
)
"""Of the answer: they are OpenAI's bookkeeping, or go with tools alone."""

_ALONE = "the model `policy` does"


def read_chat(
    body: Mapping[str, Any], headers: Mapping[str, str], catalogue: Catalogue, limits: Limits
) -> Asked:
    """Raises `ApiError`."""
    named = catalogue.read(body.get("model"))
    stream, include_usage = usage_wanted(body)
    said = Asked(model=str(body["model"]), body=body, stream=stream, include_usage=include_usage)
    messages = _messages(body)
    for_policy = _for_policy(body, messages)
    if named.strategy is None or effort_of(body) == NONE:
        return passed_on(said, limits, None if named.strategy is None else for_policy)
    strategy = catalogue.find(named.strategy)
    if for_policy:
        if named.strategy == RULE:
            params = read_search(body, headers, named, strategy, limits).params
            said = _voted(said, params.budget, params.temperature)
        return passed_on(said, limits, for_policy)
    check_fields(body, HONOURED | SAYS_NOTHING)
    turns = turns_of(messages)
    search = read_search(body, headers, named, strategy, limits, turns=turns)
    return replace(said, search=search)


def _voted(said: Asked, budget: int, temperature: float) -> Asked:
    """The policy is to answer so many times, for a vote over its answers; raises `ApiError`."""
    if (whole(said.body, "n") or 1) > 1:
        raise unsupported("n", f"it has one answer, found by many; {_ALONE}")
    body = {"temperature": temperature, **said.body, "n": budget, "stream": False}
    body.pop("stream_options", None)  # the vote is streamed, they are not
    return replace(said, votes=True, body=body)


def check_fields(body: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse what a search cannot honour, where it asks for anything; raises `ApiError`."""
    if (whole(body, "n") or 1) > 1:
        raise unsupported("n", f"it has one answer, found by many; {_ALONE}")
    for name in body.keys() - known:
        value = body[name]
        if name not in _REFUSED:
            raise wrong(name, "unrecognized request argument", "unknown_parameter")
        nothing = value in _NOTHING and name != "web_search_options"  # {} searches the web
        if not nothing and value != _USUAL.get(name):
            raise unsupported(name, _ALONE)


_REFUSED = frozenset(
    (
        *("logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty"),
        *("modalities", "audio", "prediction", "web_search_options", "verbosity"),
        *("best_of", "echo", "suffix", "response_format", "tools", "tool_choice"),
        *("functions", "function_call", "repetition_penalty"),
    )
)
_NOTHING: tuple[Any, ...] = (False, 0, "", "none", "auto", [], {}, ["text"], {"type": "text"})
"""Values that ask for nothing."""

_USUAL = {"best_of": 1, "repetition_penalty": 1}
"""Values that ask for nothing of one field."""

_UNREAD = ("name", "refusal", "annotations", "reasoning", "reasoning_content")
"""Fields of a message that chat templates pass over, too."""


def passed_on(said: Asked, limits: Limits, because: Sequence[str] | None) -> Asked:
    """The request for the policy alone, within the operator's limits; raises `ApiError`.

    `because` names what keeps it from the search that was asked for; None where none was.
    """
    body = {name: value for name, value in said.body.items() if name not in OURS}
    if because is not None:  # the effort was meant for the search
        body.pop("reasoning_effort", None)
    seed_of(body)
    if (whole(body, "best_of") or 1) > (whole(body, "n") or 1):
        raise wrong("best_of", "the policy alone does not choose; the model `best-of-n` does")
    if samples_of(body) > limits.max_budget:
        raise wrong("n", f"at most {limits.max_budget} texts, over all prompts")
    lengths = [whole(body, name) for name in ("max_completion_tokens", "max_tokens")]
    length = next((n for n in lengths if n is not None), None)
    if length is None:
        body["max_tokens"] = limits.max_tokens
    elif length > limits.max_tokens:
        raise wrong("max_tokens", f"must be at most {limits.max_tokens}, not {length}")
    return replace(said, body=body, because=tuple(because or ()))


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise wrong("messages", "must be a list with a message at least")
    if not all(isinstance(m, dict) and isinstance(m.get("role"), str) for m in messages):
        raise wrong("messages", "each must be an object with a role")
    return messages


def _for_policy(body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields that want an answer of the policy's own: tools, and answers of a given form."""
    fields = [name for name in ("tools", "functions") if body.get(name)]
    form = body.get("response_format")
    if form is not None:
        if not isinstance(form, dict) or not isinstance(form.get("type"), str):
            raise wrong("response_format", "must be an object with a type")
        fields += ["response_format"] * (form["type"] != "text")
    calls = ("tool_calls", "function_call")
    used = any(m["role"] in ("tool", "function") or any(map(m.get, calls)) for m in messages)
    return fields + ["messages"] * used


def turns_of(messages: Sequence[dict[str, Any]]) -> tuple[Turn, ...]:
    """A conversation of texts; raises `ApiError` for one that is none."""
    if messages[-1]["role"] == "assistant":
        raise wrong("messages", "the last is the assistant's, and a search does not go on with it")
    for name in {name for m in messages for name in m if m[name] not in (None, [], {}, "")}:
        if name not in ("role", "content", *_UNREAD):
            raise wrong("messages", f"a search does not read {name!r:.40}; {_ALONE}")
    plain = [{"role": m["role"], "content": m.get("content")} for m in messages]
    try:
        return prompt_turns(plain, "messages")
    except BadRow as error:
        raise wrong("messages", str(error).removeprefix("field 'messages' ")) from None
