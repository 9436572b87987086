"""The value of every step of a labelled solution, from whatever its source knows."""

from __future__ import annotations

from sal.learn.rows import StepLabels
from sal.learn.targets import TargetKind

Values = tuple[float | None, ...]


def values_of(row: StepLabels, kind: TargetKind = "hard") -> Values:
    """One per step, None where nothing is known: k / n of its rollouts, else its label.

    For hard targets, and for these alone, more is known: a row that tells its first error says so
    of the steps before it, too, and a step behind which nothing was tried is right where a later
    one could be finished, as in a solution whose first error was found by bisection.
    """
    if row.rollouts:
        last = max((t for t, k in enumerate(row.right) if k and kind == "hard"), default=0)
        known: Values = tuple(
            k / n if n else 1.0 if t < last else None
            for t, (k, n) in enumerate(zip(row.right, row.rollouts, strict=True))
        )
    elif row.labels:
        known = tuple(None if label is None else float(label) for label in row.labels)
    else:
        known = (None,) * len(row.steps)
    if row.first_error is None or kind != "hard":
        return known
    error = row.first_error if row.first_error >= 0 else len(row.steps)
    told = [1.0] * error + [0.0] + [None] * len(row.steps)
    return tuple(v if v is not None else t for v, t in zip(known, told, strict=False))
