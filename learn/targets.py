"""What a PRM is taught about each step, from what is known of it.

Known is a value per step: the share k / n of rollouts from behind the step that end right, or the
label that a data set gives it. Labels are stored as they were counted, so that this is decided
when a PRM is trained, and can be decided again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TargetKind = Literal["hard", "soft", "progress"]

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Targets:
    """How values become targets in [0, 1]; None is a step that is not learned from.

    hard: 1 where the value is more than `right_above`, else 0. With 0 of 8 rollouts right as the
    only wrong, that is the rule of Math-Shepherd (arXiv 2312.08935, equation 3) and of
    Qwen2.5-Math-PRM (arXiv 2501.07301, section 2.1).
    soft: the value itself (Math-Shepherd, equation 4).
    progress: 1 where the value is at least `kept` of the one before the step, 0 from the first
    value of 0 on (GenPRM, arXiv 2504.00891, section 3.2).

    The first wrong step is the first one whose value is not more than `right_above`. What follows
    it is not learned from unless `after_error`.
    """

    kind: TargetKind = "hard"
    right_above: float = 0.0
    kept: float = 0.8
    after_error: bool = False

    def of(self, values: Sequence[float | None]) -> tuple[float | None, ...]:
        """One target per step. Raises ValueError for a value that is no share where one is needed.

        Nothing is known of the value before the first step, so that one has made progress where a
        rollout behind it ended right.
        """
        if self.kind != "hard" and any(v is not None and not 0 <= v <= 1 for v in values):
            wrong = next(v for v in values if v is not None and not 0 <= v <= 1)
            raise ValueError(f"a label of {wrong:g} is no share in [0, 1], which {self.kind} wants")
        error = first_error(values, self.right_above)
        found: list[float | None] = []
        before: float | None = None
        for k, value in enumerate(values):
            beyond = 0 <= error < k
            if value is None or (beyond and not self.after_error):
                found.append(None)
            elif self.kind == "soft":
                found.append(float(value))
            elif self.kind == "hard":
                found.append(float(value > self.right_above))
            else:
                fallen = before is not None and value < self.kept * before - _ROUNDING
                found.append(float(not fallen and not beyond and value > 0))
            before = value
        return tuple(found)


def first_error(values: Sequence[float | None], right_above: float = 0.0) -> int:
    """The first step that is known to be wrong, -1 for none: ProcessBench's label."""
    wrong = (k for k, v in enumerate(values) if v is not None and not v > right_above)
    return next(wrong, -1)
