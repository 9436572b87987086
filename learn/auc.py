"""How well scores tell right steps from wrong ones, at all thresholds at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def auc(scores: Sequence[float], right: Sequence[bool]) -> float:
    """The chance that a right step scores above a wrong one, ties counted half; nan without both.

    The area under the ROC curve, by the ranks of the right ones (Mann and Whitney, 1947).
    """
    from scipy.stats import rankdata

    kind = np.asarray(right, bool)
    many, few = int(kind.sum()), int((~kind).sum())
    if not many or not few:
        return float("nan")
    ranks = rankdata(scores)[kind].sum()
    return float((ranks - many * (many + 1) / 2) / (many * few))
