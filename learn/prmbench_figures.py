"""What PRMBench comes to (Song et al., arXiv 2501.03124, section 4.1): PRMScore, by kind of error.

A step is called right where its score is more than 0.5. Of right steps as the positive ones, F1 is
taken, and of wrong ones the negative F1; their mean is the PRMScore. Where no step is wrong, which
is so of one kind, it is F1 alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sal.learn.bench_figures import DRAWS, MIDDLE, of_steps
from sal.learn.errors import LabelError
from sal.learn.f1 import Floats, interval
from sal.learn.sets import PRMBENCH_CORRECT

GROUPS: Mapping[str, Mapping[str, str]] = {
    "simplicity": {"redundency": "NR", "circular": "NCL"},
    "soundness": {
        "counterfactual": "ES",
        "step_contradiction": "SC",
        "domain_inconsistency": "DC",
        "confidence": "CI",
    },
    "sensitivity": {"missing_condition": "PS", "deception": "DR", "multi_solutions": "MS"},
}
"""Kinds of errors as the data call them, and as its tables do. A group's score is their mean."""

KINDS = tuple(kind for kinds in GROUPS.values() for kind in kinds)


@dataclass(frozen=True, slots=True)
class Item:
    """A solution: its kind of error, its question, its steps' scores, and which steps are right.

    Without scores, None, it could not be scored. The solutions of one question differ by kind.
    """

    kind: str
    question: str
    scores: tuple[float, ...] | None
    right: tuple[bool, ...]

    @property
    def said(self) -> tuple[bool, ...]:
        """Which steps are called right."""
        return tuple(score > MIDDLE for score in self.scores or ())

    @property
    def share(self) -> float:
        """Of its steps that are called right."""
        return sum(self.said) / len(self.right)


def prmbench_figures(items: Sequence[Item], draws: int = DRAWS) -> dict[str, Any]:
    """All figures, as JSON. What could not be scored is counted, and left out as by its own code.

    Intervals are the bootstrap's, 95 %; what is drawn are questions, each with all its solutions.
    Where no step of a class is found its F1 is 0, for which the benchmark's own code has -1. Raises
    `LabelError` where no solution could be scored.
    """
    scored = [item for item in items if item.scores is not None]
    wrong = [item for item in scored if item.kind != PRMBENCH_CORRECT]
    if not wrong:
        raise LabelError(f"PRMBench: none of {len(items):,} solutions could be scored")
    originals = {item.question: item for item in scored if item.kind == PRMBENCH_CORRECT}
    by_kind = {kind: [item for item in wrong if item.kind == kind] for kind in KINDS}
    counts = _counts(by_kind)
    questions = len(counts)
    weights = np.random.default_rng(0).multinomial(questions, [1 / questions] * questions, draws)
    weights = np.concatenate([np.ones((1, questions)), weights])  # the first is of all, once
    drawn = (weights @ counts.reshape(questions, -1)).reshape(-1, len(KINDS), 4)
    scores = {kind: prm_score(drawn[:, i]) for i, kind in enumerate(KINDS)}
    return {
        "solutions": len(items),
        "failed": len(items) - len(scored),
        "overall": _score(prm_score(drawn.sum(1))) | _parts(wrong, originals),
        "groups": {
            name: _score(np.mean([scores[kind] for kind in kinds], axis=0))
            for name, kinds in GROUPS.items()
        },
        "kinds": {
            kind: _score(scores[kind]) | _parts(some, originals) for kind, some in by_kind.items()
        },
    }


def prm_score(counts: Floats) -> Floats:
    """Of counts (... x 4): right steps called right, wrong right, wrong wrong, right wrong."""
    tp, fp, tn, fn = np.moveaxis(counts, -1, 0)
    f1, negative = _f1(tp, fp, fn), _f1(tn, fn, fp)
    score: Floats = np.where(tn + fp > 0, (f1 + negative) / 2, f1)
    return score


def _counts(by_kind: Mapping[str, Sequence[Item]]) -> Floats:
    """Questions x kinds x 4, as `prm_score` wants them."""
    questions = dict.fromkeys(item.question for some in by_kind.values() for item in some)
    rows = {question: i for i, question in enumerate(questions)}
    counts = np.zeros((len(rows), len(by_kind), 4))
    for k, some in enumerate(by_kind.values()):
        for item in some:
            counts[rows[item.question], k] += _counted(item)
    return counts


def _counted(item: Item) -> tuple[int, int, int, int]:
    pairs = list(zip(item.said, item.right, strict=True))
    return (
        pairs.count((True, True)),
        pairs.count((True, False)),
        pairs.count((False, False)),
        pairs.count((False, True)),
    )


def _score(drawn: Any) -> dict[str, Any]:
    """That of all solutions, which comes first, and the interval of those that were drawn."""
    return {"score": float(drawn[0]), "interval": interval(drawn[1:])}


def _parts(some: Sequence[Item], originals: Mapping[str, Item]) -> dict[str, Any]:
    """What else is told of solutions, None where nothing can be.

    `steps`, `right` and `wrong` are how many steps, right steps and wrong ones are judged rightly,
    `first_error` how often the first wrong one is called wrong. `similarity` is its code's: how far
    the share of steps that are called right is from that in the solution without the error, where
    any is called right there.
    """
    tp, fp, tn, fn = (
        float(n) for n in sum((np.array(_counted(item)) for item in some), np.zeros(4))
    )
    first = [not item.said[item.right.index(False)] for item in some if False in item.right]
    gaps = [
        abs(item.share - originals[item.question].share)
        for item in some
        if item.question in originals and originals[item.question].share
    ]
    scores = np.array([score for item in some for score in item.scores or ()], float)
    right = np.array([good for item in some for good in item.right], bool)
    return {
        "f1": float(_f1(tp, fp, fn)),
        "negative_f1": float(_f1(tn, fn, fp)) if tn + fp else None,
        "steps": _share(tp + tn, tp + fp + tn + fn),
        "right": _share(tp, tp + fn),
        "wrong": _share(tn, tn + fp),
        "first_error": float(np.mean(first)) if first else None,
        "similarity": float(np.mean(gaps)) if gaps else None,
        **of_steps(scores, right),
    }


def _f1(hits: Any, other: Any, missed: Any) -> Any:
    """2 hits / (2 hits + other + missed), 0 where there are none."""
    total = np.asarray(2 * hits + other + missed, float)
    return np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0)


def _share(part: float, of: float) -> float | None:
    return float(part / of) if of else None
