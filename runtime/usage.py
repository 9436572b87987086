"""What one endpoint was asked to do, counted from its own replies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one endpoint; `prompt_tokens` includes the cached ones."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.requests + other.requests,
        )

    @property
    def uncached_tokens(self) -> int:
        """Tokens that went through the model: prefilled without the cache, plus generated."""
        return self.prompt_tokens - self.cached_tokens + self.completion_tokens
