"""Limits on what the policy writes, beside its temperature and the tokens of a completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Limits:
    """None where nothing is said: then nothing is sent, and the server's own default holds.

    A token is drawn from the likeliest ones that make up `top_p`, from the `top_k` likeliest (-1:
    from all), and from those at least `min_p` times as likely as the likeliest.

    One of the `stop_strings` ends a completion as the end of text does, and is no part of it.

    A step has `max_step_tokens` at most: where it is cut, the next one goes on in the middle of
    the line. Solutions that are written whole have no step to cut.

    Reasoning (`<think>`) has `think_budget` tokens, counted from the solution's first: once they
    are spent its end is written for the policy. The first `think_extensions` times that the policy
    ends it before that, "Wait" stands in place of the end. This is s1's budget forcing (Muennighoff
    et al., arXiv 2501.19393, section 3.1).
    """

    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    stop_strings: tuple[str, ...] = ()
    max_step_tokens: int | None = None
    think_budget: int | None = None
    think_extensions: int | None = None

    def said(self) -> dict[str, float]:
        """What is said of the tokens to draw from, by the names that engines know."""
        said = {"top_p": self.top_p, "top_k": self.top_k, "min_p": self.min_p}
        return {name: value for name, value in said.items() if value is not None}


@runtime_checkable
class Limited(Protocol):
    """Parameters that state limits; those of other packages need not."""

    @property
    def limits(self) -> Limits: ...
