"""What a program asks of a PRM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sal.runtime.usage import Usage

__all__ = ["Scored", "Usage", "Verifier"]


@dataclass(frozen=True, slots=True)
class Scored:
    """One score in [0, 1] per new step, and what the PRM endpoint spent on them."""

    scores: tuple[float, ...]
    usage: Usage = Usage()


class Verifier(Protocol):
    """A step-wise reward model behind an endpoint.

    One that also has an attribute `aggregate` ("last", "min", "prod", "mean") says how its authors
    reduce step scores: the default of a strategy whose own authors do not say. One whose attribute
    `outcome` is true scores whole solutions: a step's score is that of the solution that ends with
    the last of `steps`. One that holds on to something has `close`, which breaks off what is asked.
    """

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """Score `steps`, which follow the already scored `prefix`: one score per new step.

        Blocks the calling thread; safe to call from many threads at once. Steps carry no
        trailing separator and are never empty. Raises an `EndpointError` when the PRM cannot
        answer: there is no default score.
        """
        ...
