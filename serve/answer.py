"""From what a search found to what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sal.programs.trace import Completion, SearchResult
from sal.serve.errors import ApiError, unavailable, without_urls
from sal.strategies.thinking import begun_reasoning


@dataclass(frozen=True, slots=True)
class Answer:
    """`content` is the reply: the `chosen` solution without the policy's own reasoning."""

    chosen: Completion
    content: str
    finish: Literal["stop", "length"]


def answer_of(result: SearchResult, prompt: str) -> Answer:
    """What the strategy chose behind `prompt`.

    Where no solution states an answer that a vote could compare, the one whose vote weighs most;
    where none came to its end, the truncated one that scores best, as one that `max_tokens` cut.
    Raises `ApiError` where there is no solution.
    """
    chosen = result.best
    if chosen is None:
        ended = [c for c in result.completions if c.finish == "eot"]
        if ended:
            chosen = max(ended, key=lambda c: (c.weight is not None, c.weight or 0.0))
        elif result.completions:
            chosen = max(result.completions, key=lambda c: c.scores[-1:])
        else:
            raise nothing_found(result)
    tags = begun_reasoning(prompt, chosen.text)
    content = chosen.text
    if tags is not None:
        content = content.partition(tags.closes)[2].lstrip()
    return Answer(chosen, content, "stop" if chosen.finish == "eot" else "length")


def nothing_found(result: SearchResult) -> ApiError:
    """Why there is no answer."""
    if result.capped:
        return unavailable(
            "the search reached its limit of tokens or seconds before any solution ended",
            status=504,
            code="search_capped",
        )
    reasons = without_urls("; ".join(dict.fromkeys(result.errors))) or "no reason is known"
    return unavailable(
        f"the search found no solution: {reasons:.300}", status=502, code="no_answer"
    )
