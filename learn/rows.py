"""A labelled solution: the row that every source of step labels ends in, and training begins with.

Rollouts are kept as counts, `right[t]` of `rollouts[t]`: what makes a label of them (hard, soft,
relative progress) is chosen when a PRM is trained. Labels that a data set gives are kept as they
are, bool, int or float, and so is the first error where it gives that alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Self

from sal.learn.errors import LabelError

Label = bool | int | float
"""As a data set gives it: PRM800K's -1, 0, 1; Math-Shepherd's + (True) and -; a soft label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLabels:
    """One solution of one problem, with whatever is known of each of its T `steps`.

    A step carries no separator at its end and is never empty, as a `Verifier` is given it. Each of
    `right`, `rollouts`, `labels` and `judged` is empty, where a source has no such thing, or has T
    items.

    `rollouts[t]` solutions were sampled behind step t, and `right[t]` of them came to the right
    answer; both are 0 where none was. Of the last step of a solution that ended, the solution
    itself is the one rollout. `labels[t]` was given, None where there is none. `first_error` was
    given: the index of the first wrong step, -1 for none, None where that is not known. `judged[t]`
    is how right a second opinion holds the step to be, in [0, 1]. `correct` is whether the final
    answer is right, `answer` the right one, `source` where the row comes from.

    Raises `LabelError` for a row that cannot be.
    """

    id: str
    question: str
    steps: tuple[str, ...]
    right: tuple[int, ...] = ()
    rollouts: tuple[int, ...] = ()
    labels: tuple[Label | None, ...] = ()
    first_error: int | None = None
    judged: tuple[float, ...] = ()
    answer: str = ""
    correct: bool | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("right", "rollouts", "labels", "judged"):
            items = len(getattr(self, name))
            if items not in (0, len(self.steps)):
                raise self._wrong(f"{items} {name} for {len(self.steps)} steps")
        if not self.steps or any(not step.strip() for step in self.steps):
            raise self._wrong("a solution needs steps, none of them empty")
        if len(self.right) != len(self.rollouts) or any(
            not 0 <= k <= n for k, n in zip(self.right, self.rollouts, strict=False)
        ):
            raise self._wrong("of n rollouts of a step 0 to n are right")
        if any(isinstance(v, float) and not math.isfinite(v) for v in self.labels):
            raise self._wrong("a label is not a finite number")
        if any(not 0 <= score <= 1 for score in self.judged):
            raise self._wrong("a second opinion is a number from 0 to 1")
        if self.first_error is not None and not -1 <= self.first_error < len(self.steps):
            raise self._wrong(f"its first error is step {self.first_error} of {len(self.steps)}")

    def _wrong(self, what: str) -> LabelError:
        return LabelError(f"row {self.id}: {what}")

    def as_json(self) -> dict[str, Any]:
        """The row by its columns."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The inverse of `as_json`; columns of a later version are passed over."""
        known = {f.name: content[f.name] for f in fields(cls) if f.name in content}
        told: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        return cls(**told)
