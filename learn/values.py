"""The value of every step of a labelled solution, from whatever its source knows."""

from __future__ import annotations

from sal.learn.rows import StepLabels
from sal.learn.targets import TargetKind

Values = tuple[float | None, ...]


def values_of(row: StepLabels, kind: TargetKind = "hard") -> Values:
    """One per step, None where nothing is known: k / n of its rollouts, else its label.

    A row that tells its first error says by that of the steps before it that they are right, which
    is enough for hard targets alone: an error that was found by bisection leaves them unprobed.
    """
    if row.rollouts:
        pairs = zip(row.right, row.rollouts, strict=True)
        known: Values = tuple(k / n if n else None for k, n in pairs)
    elif row.labels:
        known = tuple(None if label is None else float(label) for label in row.labels)
    else:
        known = (None,) * len(row.steps)
    if row.first_error is None or kind != "hard":
        return known
    error = row.first_error if row.first_error >= 0 else len(row.steps)
    told = [1.0] * error + [0.0] + [None] * len(row.steps)
    return tuple(v if v is not None else t for v, t in zip(known, told, strict=False))
