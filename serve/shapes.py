"""Replies in OpenAI's shapes, whole and as chunks of a stream.

What OpenAI's API has no field for stands in `sal`: the search, and what it cost both engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from sal.programs.trace import SearchResult, Trace
from sal.runtime.usage import Usage
from sal.serve.answer import Answer

DONE = b"data: [DONE]\n\n"
ALIVE = b": searching\n\n"
"""A comment, which clients pass over: a proxy in between sees that the stream lives."""

_COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens", "requests")


def event(content: Mapping[str, Any]) -> bytes:
    """One server-sent event; those of responses have a name."""
    name = f"event: {content['type']}\n" if "type" in content else ""
    return name.encode() + b"data: " + orjson.dumps(content) + b"\n\n"


def usage_of(prompt_tokens: int | None, trace: Trace, answer: Answer) -> dict[str, Any] | None:
    """OpenAI's usage: the prompt once, and all tokens that were generated to answer it.

    Those that are no part of the chosen solution are reasoning. None where a count is unknown.
    """
    generated, kept = trace.policy.completion_tokens, answer.chosen.tokens
    if prompt_tokens is None or generated is None or kept is None:
        return None
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": generated,
        "total_tokens": prompt_tokens + generated,
        "completion_tokens_details": {"reasoning_tokens": max(0, generated - kept)},
    }


def told_of(
    id: str, strategy: str, budget: int, seed: int, result: SearchResult, seconds: float
) -> dict[str, Any]:
    """What `sal` has: which search it was, and what it cost."""
    return {
        "id": id,
        "strategy": strategy,
        "budget": budget,
        "seed": seed,
        "rule": result.rule,
        "solutions": len(result.completions),
        "unspent": result.unspent,
        "capped": result.capped,
        "failed": len(result.errors),
        "seconds": round(seconds, 3),
        "usage": {"policy": counts(result.trace.policy), "prm": counts(result.trace.prm)},
        "trace": f"/searches/{id}#problem={id}",
    }


def counts(usage: Usage) -> dict[str, int | None]:
    """Of one engine; None is what it did not tell."""
    return {name: getattr(usage, name) for name in _COUNTS}


@dataclass(frozen=True, slots=True)
class Chat:
    """The shapes of /v1/chat/completions. Reasoning has both names that clients look for."""

    path: ClassVar[str] = "/v1/chat/completions"

    id: str
    model: str
    created: int

    def whole(
        self,
        answer: Answer,
        reasoning: str,
        usage: Mapping[str, Any] | None,
        told: Mapping[str, Any],
    ) -> dict[str, Any]:
        message = {
            "role": "assistant",
            "content": answer.content,
            "refusal": None,
            **_reasoning(reasoning),
        }
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": answer.finish,
            "logprobs": None,
        }
        return {**self._head("chat.completion"), "choices": [choice], "usage": usage, "sal": told}

    def begin(self) -> list[dict[str, Any]]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def progress(self, text: str) -> list[dict[str, Any]]:
        return [self._chunk(_reasoning(text))] if text else []

    def end(self, answer: Answer, told: Mapping[str, Any]) -> list[dict[str, Any]]:
        last = self._chunk({}, answer.finish) | {"sal": told}
        return [self._chunk({"content": answer.content}), last]

    def usage(self, usage: Mapping[str, Any] | None) -> dict[str, Any]:
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": usage}

    def _chunk(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


@dataclass(frozen=True, slots=True)
class Text:
    """The shapes of /v1/completions, which have no place for reasoning."""

    path: ClassVar[str] = "/v1/completions"

    id: str
    model: str
    created: int

    def whole(
        self,
        answer: Answer,
        reasoning: str,  # noqa: ARG002
        usage: Mapping[str, Any] | None,
        told: Mapping[str, Any],
    ) -> dict[str, Any]:
        return {**self._with(answer.content, answer.finish), "usage": usage, "sal": told}

    def begin(self) -> list[dict[str, Any]]:
        return []

    def progress(self, text: str) -> list[dict[str, Any]]:  # noqa: ARG002
        return []

    def end(self, answer: Answer, told: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [self._with(answer.content, answer.finish) | {"sal": told}]

    def usage(self, usage: Mapping[str, Any] | None) -> dict[str, Any]:
        return {**self._head(), "choices": [], "usage": usage}

    def _with(self, text: str, finish: str) -> dict[str, Any]:
        choice = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
        return {**self._head(), "choices": [choice]}

    def _head(self) -> dict[str, Any]:
        return {
            "id": f"cmpl-{self.id}",
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
        }


def _reasoning(text: str) -> dict[str, str]:
    return {"reasoning_content": text, "reasoning": text}
