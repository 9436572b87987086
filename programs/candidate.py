"""What a search holds of a node while it may still go on from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sal.programs.trace import Finish
from sal.strategies.aggregate import Aggregate, aggregate


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node of the tree, the state whose text ends with it, and its whole path summed up.

    `text` is the solution so far, `tokens` what it cost to generate, None if the policy does not
    tell; `scores` has one number per step in `steps`, or none where no verifier was asked. `data`
    is the algorithm's own (`extension.Watch`). `forced` is what was written for the policy on the
    path (`trace.Node`). The root has id `()`.
    """

    state: Any
    id: tuple[int, ...] = ()
    finish: Finish = "separator"
    text: str = ""
    steps: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    tokens: int | None = 0
    data: Any = None
    forced: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        """Whether another step can follow."""
        return self.finish in ("separator", "cut")

    @property
    def done(self) -> bool:
        """Whether it is a completion: ended by the policy, or truncated."""
        return self.finish in ("eot", "length")

    @property
    def sound(self) -> bool:
        """Whether it can go on or answer: neither truncated nor failed."""
        return self.open or self.finish == "eot"

    def value(self, how: Aggregate | None) -> float:
        """The aggregated score of its path; minus infinity without a step."""
        return aggregate(self.scores, how)

    def reward(self, how: Aggregate | None) -> float:
        """Its value, in [0, 1]; 0 for one that can neither go on nor answer."""
        return max(0.0, self.value(how)) if self.sound else 0.0
