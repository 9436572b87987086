"""Greedy decoding: the one solution that the policy thinks likeliest; the baseline of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sal.programs import checks
from sal.programs.limits import Limits
from sal.programs.problem import SEPARATOR
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_number


@dataclass(frozen=True, slots=True)
class GreedyParams:
    """`max_tokens` bounds the completion; `separator` ends a step, for the record's sake.

    Limits on the tokens to draw from would change nothing: the likeliest is always among them.
    """

    max_tokens: int = 2048
    separator: str = SEPARATOR
    stop_strings: tuple[str, ...] = ()
    think_budget: int | None = None
    think_extensions: int | None = None

    temperature: ClassVar[float] = 0.0
    budget: ClassVar[int] = 1

    def __post_init__(self) -> None:
        checks.sampling(self.temperature, self.max_tokens, self.separator)
        checks.limits(self.limits, self.max_tokens)

    @property
    def limits(self) -> Limits:
        """See `Limited`."""
        return Limits(
            stop_strings=self.stop_strings,
            think_budget=self.think_budget,
            think_extensions=self.think_extensions,
        )


@strategy(GreedyParams, prm="for the record", independent=True)
def greedy(search: Search, params: GreedyParams) -> Vote:  # noqa: ARG001  # as every strategy
    """One completion at temperature 0, scored if there is a verifier."""
    search.trace.phase = "decoding"
    return by_number(search.expand([search.root], [1], whole=True))
