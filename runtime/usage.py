"""What one endpoint was asked to do, counted from its own replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one endpoint; `prompt_tokens` includes the cached ones.

    None is a count that the endpoint did not tell: unknown, and so is every sum that it is in.

    `attended_tokens` counts, over all tokens that went through the model, the positions that each
    looked at, its own included; cached ones are looked at as others are. Of a single request it
    follows from the other counts: the tokens behind the c that were cached, up to the last of p
    prompt and g generated ones, look at c + 1 to p + g positions, in all
    (p + g)(p + g + 1) / 2 - c (c + 1) / 2. Of many it is known only as a sum.
    """

    prompt_tokens: int | None = 0
    cached_tokens: int | None = 0
    completion_tokens: int | None = 0
    requests: int = 0
    attended_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.attended_tokens is None and self.requests <= 1:
            object.__setattr__(self, "attended_tokens", self._attended())

    def _attended(self) -> int | None:
        new = self.uncached_tokens
        if new is None or self.cached_tokens is None:
            return None
        last = self.cached_tokens + new
        return _positions(last) - _positions(self.cached_tokens)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            _sum(self.prompt_tokens, other.prompt_tokens),
            _sum(self.cached_tokens, other.cached_tokens),
            _sum(self.completion_tokens, other.completion_tokens),
            self.requests + other.requests,
            _sum(self.attended_tokens, other.attended_tokens),
        )

    @property
    def uncached_tokens(self) -> int | None:
        """Tokens that went through the model: prefilled without the cache, plus generated."""
        counts = (self.prompt_tokens, self.cached_tokens, self.completion_tokens)
        if counts[0] is None or counts[1] is None or counts[2] is None:
            return None
        return counts[0] - counts[1] + counts[2]


def _positions(tokens: int) -> int:
    """Of a text whose first token sees itself, and each further one all before it as well."""
    return tokens * (tokens + 1) // 2


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def generate_usage(meta: Mapping[str, Any]) -> Usage:
    """The `meta_info` of a reply of SGLang's `/generate`."""
    return Usage(
        meta.get("prompt_tokens"), meta.get("cached_tokens"), meta.get("completion_tokens"), 1
    )


def openai_usage(told: Mapping[str, Any]) -> Usage:
    """The `usage` of an OpenAI-compatible reply."""
    details = told.get("prompt_tokens_details") or {}
    return Usage(
        told.get("prompt_tokens"), details.get("cached_tokens"), told.get("completion_tokens"), 1
    )
