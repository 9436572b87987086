"""What a PRM in training is measured by: the first wrong step on held-out solutions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sal.learn.auc import auc
from sal.learn.batch import IGNORED
from sal.learn.errors import TrainError
from sal.learn.examples import Examples
from sal.learn.f1 import Judged
from sal.learn.rows import StepLabels
from sal.learn.targets import Targets

MIDDLE = 0.5

_TIE = 1e-6
_LEAST = 1e-7


def split(
    rows: Sequence[StepLabels], share: float, seed: int
) -> tuple[list[StepLabels], list[StepLabels]]:
    """Rows to train on, and a share of the questions with all their rows.

    A question is on the same side in every data set with the same seed.
    """
    parts: tuple[list[StepLabels], list[StepLabels]] = ([], [])
    for row in rows:
        digest = hashlib.sha256(f"{seed} {row.question}".encode()).digest()
        parts[int.from_bytes(digest[:8], "big") < share * 2**64].append(row)
    return parts


def without(rows: Sequence[StepLabels], measured: Sequence[StepLabels]) -> list[StepLabels]:
    """The rows whose questions are not among those that a PRM is `measured` by, blanks aside.

    So were the questions of ProcessBench left out of PRM800K for Qwen2.5-Math-7B-PRM800K.
    """
    asked = set(map(_words, measured))
    return [row for row in rows if _words(row) not in asked]


def _words(row: StepLabels) -> tuple[str, ...]:
    return tuple(row.question.split())


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Figures of an evaluation: `f1`, `error`, `correct`, `best_f1`, `threshold`, `auc`, `rank`.

    `f1` and its two parts are taken at the threshold 0.5. Of soft targets, which are no verdicts,
    they are taken at the best threshold, as `best_f1` always is. The PRM with the largest `rank` is
    kept: the one with the best `best_f1` (at 0.5, F1 may be 0 while much is learned), of equal ones
    that with the smaller cross-entropy; of soft targets that decides alone.
    """

    targets: Targets

    def figures(self, scores: Sequence[Any], targets: Sequence[Any]) -> dict[str, float]:
        """Of solutions by the scores and the targets of their steps."""
        judged = Judged(scores, [self._first_error(row) for row in targets])
        threshold, best = judged.best()
        soft = self.targets.kind == "soft"
        shown = best if soft else judged.at(MIDDLE)
        loss = _cross_entropy(np.concatenate(scores), np.concatenate(targets))
        known = [self._known(row) for row in targets]
        return {
            "f1": shown.f1,
            "error": shown.error,
            "correct": shown.correct,
            "best_f1": best.f1,
            "threshold": threshold,
            "auc": auc(
                [score for row, n in zip(scores, known, strict=True) for score in row[:n]],
                [self._right(t) for row, n in zip(targets, known, strict=True) for t in row[:n]],
            ),
            "rank": -loss if soft else best.f1 - _TIE * loss,
        }

    def __call__(self, prediction: Any) -> dict[str, float]:
        """`figures` for a `Trainer`: N x P scores and targets, of which some are ignored."""
        labels = np.asarray(prediction.label_ids)
        kept = [row != IGNORED for row in labels]
        scores = np.asarray(prediction.predictions, float)
        return self.figures(
            [s[k] for s, k in zip(scores, kept, strict=True)],
            [t[k] for t, k in zip(labels, kept, strict=True)],
        )

    def check(self, examples: Examples) -> None:
        """Raise `TrainError` unless there are solutions with an error, and without one."""
        wrong = sum(self._first_error(row.targets) >= 0 for row in examples.rows)
        if wrong in (0, len(examples.rows)):
            raise TrainError(
                f"held out: {wrong} of {len(examples.rows)} solutions have a wrong step, and F1 "
                "needs both kinds: hold out more"
            )

    def _right(self, target: float) -> bool:
        soft = self.targets.kind == "soft"
        return bool(target > (self.targets.right_above if soft else MIDDLE))

    def _first_error(self, targets: Sequence[float]) -> int:
        return next((k for k, target in enumerate(targets) if not self._right(target)), -1)

    def _known(self, targets: Sequence[float]) -> int:
        """Steps up to the first wrong one, which is where a search would go by them."""
        error = self._first_error(targets)
        return len(targets) if error < 0 else error + 1


def _cross_entropy(scores: Any, targets: Any) -> float:
    """The mean over all steps, of scores that are never quite 0 or 1."""
    p = np.clip(scores, _LEAST, 1 - _LEAST)
    return float(-(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean())
