"""Whether scores are what they say: of steps with a score of 0.8, are four of five right?"""

from __future__ import annotations

from typing import Any

import numpy as np

BINS = 10


def calibration(scores: Any, right: Any) -> dict[str, Any]:
    """How often a step with a score is right, in bins of equal width, and the mean gap (ECE).

    Of arrays, one item a step. The gap is None without steps.
    """
    at = np.minimum((scores * BINS).astype(int), BINS - 1)
    bins = [
        {
            "steps": int((at == i).sum()),
            "score": float(scores[at == i].mean()),
            "right": float(right[at == i].mean()),
        }
        for i in range(BINS)
        if (at == i).any()
    ]
    gaps = [b["steps"] * abs(b["score"] - b["right"]) for b in bins]
    return {"ece": float(sum(gaps) / len(scores)) if bins else None, "bins": bins}
