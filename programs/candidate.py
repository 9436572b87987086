"""What a search holds of a node while it may still go on from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sal.programs.trace import Finish
from sal.programs.writing import Place
from sal.strategies.aggregate import Aggregate, aggregate


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node of the tree, the state whose text ends with it, and its whole path summed up.

    `text` is the solution so far, `tokens` what it cost to generate; `scores` has one number per
    step in `steps`, or none where no verifier was asked; `ahead` has those of a rollout behind it.
    `confidences` has one number per token, if it was written under a watch. What the policy wrote
    last stands in the state behind `begins`. The root has id `()`.
    """

    state: Any
    id: tuple[int, ...] = ()
    finish: Finish = "separator"
    text: str = ""
    steps: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    tokens: int = 0
    confidences: tuple[float, ...] = ()
    ahead: tuple[float, ...] = ()
    begins: Place = Place(0, 0)

    @property
    def open(self) -> bool:
        """Whether another step can follow."""
        return self.finish == "separator"

    @property
    def done(self) -> bool:
        """Whether it is a completion: ended by the policy, or truncated."""
        return self.finish in ("eot", "length")

    def value(self, how: Aggregate) -> float:
        """The aggregated score of its path, up to the end of its rollout."""
        return aggregate(self.scores + self.ahead, how)

    def reward(self, how: Aggregate) -> float:
        """Its value, in [0, 1]; 0 for one that can neither go on nor answer."""
        return max(0.0, self.value(how)) if self.finish in ("separator", "eot") else 0.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Has the policy tell its `top` likeliest tokens' logprobs, and looks at every step's end.

    `gives_up` sees the confidences of all tokens so far, and ends the solution, truncated.
    """

    top: int
    gives_up: Callable[[Sequence[float]], bool] | None = None

    def is_over(self, confidences: Sequence[float]) -> bool:
        """Whether the solution with these confidences is given up."""
        return self.gives_up is not None and self.gives_up(confidences)


class Sampling(Protocol):
    """What a search needs to know to ask the policy; every program's parameters have it."""

    @property
    def temperature(self) -> float: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def separator(self) -> str: ...
