"""Chats with a policy that has no chat template: its server goes on behind them as texts.

So they read as a search's do. SGLang's server in Rust passes over a form that is asked of a text,
so that JSON is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sal.serve.errors import wrong

TEXTS = "/v1/completions"

_OF_CHATS = (
    *("messages", "tool_choice", "parallel_tool_calls", "max_completion_tokens"),
    "response_format",
)
_ASKS_FOR_A_TEMPLATE = ("tools", "functions", "logprobs", "top_logprobs")


def text_body(body: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """The chat's body as that of /v1/completions; raises `ApiError` for what no text has."""
    for name in _ASKS_FOR_A_TEMPLATE:
        if body.get(name):
            raise wrong(name, "the policy has no chat template, so it only goes on behind texts")
    if (body.get("response_format") or {"type": "text"})["type"] != "text":
        raise wrong("response_format", "the policy has no chat template, so it gives no JSON")
    text = {name: value for name, value in body.items() if name not in _OF_CHATS}
    longest = body.get("max_completion_tokens") or body.get("max_tokens")
    return {**text, "prompt": prompt, "max_tokens": longest}


@dataclass(slots=True)
class AsChat:
    """Replies of /v1/completions as those of a chat."""

    _begun: set[int] = field(default_factory=set)

    def whole(self, reply: Mapping[str, Any]) -> dict[str, Any]:
        choices = [
            {
                "index": choice["index"],
                "message": {"role": "assistant", "content": choice["text"], "refusal": None},
                "finish_reason": choice["finish_reason"],
                "logprobs": None,
            }
            for choice in reply["choices"]
        ]
        return {**reply, "object": "chat.completion", "choices": choices}

    def chunk(self, chunk: Mapping[str, Any]) -> dict[str, Any]:
        choices = [self._delta(choice) for choice in chunk["choices"]]
        return {**chunk, "object": "chat.completion.chunk", "choices": choices}

    def _delta(self, choice: Mapping[str, Any]) -> dict[str, Any]:
        index = choice["index"]
        role = {} if index in self._begun else {"role": "assistant"}
        self._begun.add(index)
        return {
            "index": index,
            "delta": {**role, "content": choice["text"]},
            "finish_reason": choice.get("finish_reason"),
            "logprobs": None,
        }
