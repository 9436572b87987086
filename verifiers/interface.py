"""What a program asks of a PRM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from sal.runtime.usage import Usage

__all__ = ["Scored", "Traits", "Usage", "Verifier"]


@dataclass(frozen=True, slots=True)
class Scored:
    """One score in [0, 1] per new step, and what the PRM endpoint spent on them."""

    scores: tuple[float, ...]
    usage: Usage = Usage()


class Verifier(Protocol):
    """A step-wise reward model behind an endpoint. What else one may have: `Traits`."""

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """Score `steps`, which follow the already scored `prefix`: one score per new step.

        Blocks the calling thread; safe to call from many threads at once. Steps carry no
        trailing separator and are never empty. Raises an `EndpointError` when the PRM cannot
        answer: there is no default score.
        """
        ...


@dataclass(frozen=True, slots=True)
class Traits:
    """The optional attributes of a verifier, and what holds for one that has none.

    `aggregate` ("last", "min", "prod", "mean") is how its authors reduce step scores: the default
    of a strategy whose own authors do not say. One of an `outcome` scores whole solutions: a step's
    score is that of the solution that ends with the last of the new steps. One that `prefills`
    reads and writes nothing, so that what several requests begin with is best read once, before
    they are sent. `window` is how many tokens it reads. `check_question` raises `Rejected` for a
    question that leaves no room for a step. `close` breaks off what is asked, and lets go of what
    it holds on to.
    """

    aggregate: str | None = None
    outcome: bool = False
    prefills: bool = False
    window: int | None = None
    check_question: Callable[[str], None] = lambda _question: None
    close: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, verifier: Any) -> Traits:
        """Of a verifier, of a family of them as far as it tells, or of None."""
        has = {name: getattr(verifier, name) for name in _TRAITS if hasattr(verifier, name)}
        return cls(**has)


_TRAITS = tuple(f.name for f in fields(Traits))
