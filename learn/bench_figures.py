"""What a benchmark of a PRM comes to: F1 with intervals, AUC and calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sal.learn.auc import auc
from sal.learn.calibration import calibration
from sal.learn.f1 import F1, Judged, f1_of, interval, resampled

DRAWS = 1000
MIDDLE = 0.5
TUNED_ON = "gsm8k"
"""The subset on which ProcessBench chooses the one threshold of a PRM that states none."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The scores of one solution's steps, None where it could not be scored, and its label: the
    first wrong step, -1 for none."""

    scores: tuple[float, ...] | None
    label: int


def figures(subsets: Mapping[str, Sequence[Measured]], draws: int = DRAWS) -> dict[str, Any]:
    """All figures, as JSON: of each subset by its name, and their plain mean.

    F1 is told at three thresholds. "0.5" is that of classifiers; "gsm8k" is the best one on that
    subset, used on all, as ProcessBench does it for scores without a threshold of their own; "best"
    is the best on each subset itself: an upper bound, and no result. Intervals are the bootstrap's,
    95 %; the threshold is chosen anew in each draw. A solution without scores is judged wrongly.
    """
    judged = {name: _judged(rows) for name, rows in subsets.items()}
    drawn = {
        name: resampled(subset.wrong, draws, np.random.default_rng(0))
        for name, subset in judged.items()
    }
    told: dict[str, Any] = {name: _steps(subsets[name]) for name in judged}
    means: dict[str, Any] = {}
    for mode in ("0.5", TUNED_ON, "best"):
        if mode == TUNED_ON and TUNED_ON not in judged:
            continue
        resampled_f1 = []
        for name, subset in judged.items():
            chooser = TUNED_ON if mode == TUNED_ON else name
            by, weights = judged[chooser], drawn[chooser]
            if mode == "0.5":
                threshold = MIDDLE
                f1 = f1_of(subset.right(np.array([MIDDLE])), subset.wrong, drawn[name])[:, 0]
            else:
                threshold, _ = by.best()
                chosen = f1_of(by.right(by.thresholds), by.wrong, weights).argmax(1)
                there = f1_of(subset.right(by.thresholds), subset.wrong, drawn[name])
                f1 = there[np.arange(draws), chosen]
            told[name][mode] = _f1(subset.at(threshold)) | {
                "threshold": threshold,
                "interval": interval(f1),
            }
            resampled_f1.append(f1)
        means[mode] = {
            "f1": float(np.mean([told[name][mode]["f1"] for name in judged])),
            "interval": interval(np.mean(resampled_f1, axis=0)),
        }
    return {"subsets": told, "mean": means}


def _judged(rows: Sequence[Measured]) -> Judged:
    return Judged([row.scores for row in rows], [row.label for row in rows])


def _steps(rows: Sequence[Measured]) -> dict[str, Any]:
    scores, right = _known_steps(rows)
    return {
        "solutions": len(rows),
        "wrong": sum(row.label >= 0 for row in rows),
        "failed": sum(row.scores is None for row in rows),
        **of_steps(scores, right),
    }


def of_steps(scores: Any, right: Any) -> dict[str, Any]:
    """AUC, None where all steps are right or all wrong, and calibration; of arrays."""
    found = auc(scores, right)
    return {
        "auc": found if math.isfinite(found) else None,
        "calibration": calibration(scores, right),
    }


def _known_steps(rows: Sequence[Measured]) -> tuple[Any, Any]:
    """Scores of the steps up to the first wrong one, and whether they are right."""
    known = [
        (score, k != row.label)
        for row in rows
        for k, score in enumerate(row.scores or ())
        if row.label < 0 or k <= row.label
    ]
    return np.array([s for s, _ in known], float), np.array([r for _, r in known], bool)


def _f1(found: F1) -> dict[str, float]:
    return {"f1": found.f1, "error": found.error, "correct": found.correct}
