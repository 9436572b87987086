"""A vote over replies that have a form, tool calls or JSON: what most of them say alike is given.

Self-consistency (arXiv 2203.11171) for answers that no grader reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from sal.serve.several import generated, summed

RULE = "majority"

_WORDS = ""
"""What replies in words agree on: to call nothing."""


def elected(replies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The first of those with the most votes, as the one reply; it costs what all cost.

    Equal are the same calls, and the same JSON however it is written; arguments that are no JSON
    are so as they stand. One that was cut off has no vote.
    """
    keys = [_key(reply["choices"][0]) for reply in replies]
    votes = Counter(key for key in keys if key is not None)
    most = max(votes.values(), default=0)
    chosen = next((i for i, key in enumerate(keys) if key is not None and votes[key] == most), 0)
    told = {
        "strategy": RULE,
        "budget": len(replies),
        "rule": RULE,
        "solutions": len(replies),
        "votes": most,
    }
    usage = summed([reply.get("usage") for reply in replies], len(replies))
    own = generated(replies[chosen].get("usage"))
    if usage is not None and own is not None and len(replies) > 1:
        details = usage["completion_tokens_details"]
        thought = (replies[chosen]["usage"].get("completion_tokens_details") or {}).get(
            "reasoning_tokens"
        )
        details["reasoning_tokens"] = usage["completion_tokens"] - own + (thought or 0)
    return {**replies[chosen], "usage": usage, "sal": told}


def chunks_of(reply: Mapping[str, Any], *, usage: bool) -> list[dict[str, Any]]:
    """A whole reply as the chunks of a stream."""
    head = {**reply, "object": "chat.completion.chunk"}
    told, spent = head.pop("sal"), head.pop("usage")
    (choice,) = reply["choices"]
    delta = {name: value for name, value in choice["message"].items() if value is not None}
    if calls := delta.get("tool_calls"):
        delta["tool_calls"] = [{**call, "index": i} for i, call in enumerate(calls)]
    logprobs = choice.get("logprobs")
    first = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": logprobs}
    last = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"], "logprobs": None}
    chunks = [{**head, "choices": [first]}, {**head, "choices": [last], "sal": told}]
    return [*chunks, *([{**head, "choices": [], "usage": spent}] if usage else [])]


def _key(choice: Mapping[str, Any]) -> Any:
    """What a reply says, to be compared; None for one without a vote."""
    if choice.get("finish_reason") == "length":
        return None
    message = choice["message"]
    if calls := message.get("tool_calls"):
        called = [(c["function"]["name"], c["function"].get("arguments") or "{}") for c in calls]
        return tuple((name, _canonical(said) or said) for name, said in called)
    return _canonical(message.get("content") or "") or _WORDS


def _canonical(text: str) -> bytes:
    """JSON without what says nothing; b"" for what is none."""
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return b""
