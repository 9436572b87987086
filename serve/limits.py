"""What the operator allows a request, and what a request gets that does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_BUDGETS = 4
"""By default a request may ask for this many times the operator's budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`strategy`, `budget` and `params` are what a request gets by default, the others bound it.

    `params` are those that the operator said for `strategy`. A search generates `tokens` at most
    (None: as many as its budget of completions of `max_tokens` has), and takes `seconds`.
    """

    strategy: str
    budget: int
    max_budget: int
    max_tokens: int
    seconds: float
    tokens: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    def tokens_of(self, completions: int, max_tokens: int) -> int:
        """The most that so many completions may generate."""
        most = completions * max_tokens
        return most if self.tokens is None else min(most, self.tokens)
