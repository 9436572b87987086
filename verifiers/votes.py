"""Votes of a verifier that writes: what one is, and how many make a score."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Generic, TypeVar

from sal.runtime.endpoint_errors import EndpointError
from sal.runtime.usage import Usage
from sal.verifiers.interface import Scored


class NoVerdict(EndpointError):
    """Nothing that a verifier wrote holds a verdict on every step that it was asked about."""


def check_sampling(votes: Any, max_tokens: Any, temperature: Any) -> None:
    """Raise ValueError for what no critique can be sampled with."""
    for name, value in (("votes", votes), ("max_tokens", max_tokens)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1")
    number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
    if not number or not 0 <= temperature < math.inf:
        raise ValueError("temperature must be a number of at least 0")
    if votes != 1 and temperature == 0:
        raise ValueError("several votes at temperature 0 are the same one: give a temperature")


@dataclass(frozen=True, slots=True)
class Vote:
    """One score in [0, 1] per step; none (None) for a text that holds no verdict, and `why`."""

    scores: tuple[float, ...] | None
    usage: Usage
    why: str = ""


V = TypeVar("V", bound=Vote)


@dataclass(frozen=True, slots=True)
class Poll(Generic[V]):
    """What `poll` came to: `counted` are the votes that hold verdicts, in order."""

    counted: tuple[V, ...]
    usage: Usage

    @property
    def scored(self) -> Scored:
        """The mean of the votes, step by step."""
        scores = [vote.scores for vote in self.counted if vote.scores is not None]
        return Scored(tuple(map(fmean, zip(*scores, strict=True))), self.usage)


def poll(ask: Callable[[int], V], votes: int, *, again: bool, where: str) -> Poll[V]:
    """Ask for `votes` votes at once, `ask(number)` for each.

    One without a verdict is asked for once more where that can differ (`again`), under another
    number, and does not count if it has none then. Raises `NoVerdict`, of the endpoint `where`,
    when none counts, and what `ask` raises.
    """

    def vote(number: int) -> list[V]:
        asked = [ask(number)]
        if asked[0].scores is None and again:
            asked.append(ask(votes + number))
        return asked

    if votes == 1:
        asked = vote(0)
    else:
        with ThreadPoolExecutor(votes) as threads:
            voting = [threads.submit(copy_context().run, vote, number) for number in range(votes)]
            asked = [one for voted in voting for one in voted.result()]
    counted = tuple(one for one in asked if one.scores is not None)
    if not counted:
        tried = "" if len(asked) == 1 else f", {len(asked)} times"
        raise NoVerdict(f"{where}: the verifier gave no verdict{tried}: {asked[-1].why}", url=where)
    return Poll(counted, sum((one.usage for one in asked), Usage()))
