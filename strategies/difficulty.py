"""How hard a problem looks, and bins of problems that look alike.

Two ways to know: a problem's pass@1, which needs the right answers (Snell et al., arXiv 2408.03314,
section 3.2: the oracle), and what a verifier says of samples (there: the predicted difficulty). All
are numbers that grow with ease, so that bin 0 is the hardest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

Measure = Literal["mean", "best", "share"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

ABSOLUTE = (0.1, 0.5)
"""Hard is under 10 %, medium under 50 %, the rest is easy (Liu et al., arXiv 2502.06703)."""


def ease(measure: Measure, keys: Sequence[str], scores: Sequence[float], samples: int) -> float:
    """What `samples` samples of a problem say, in [0, 1].

    `keys` are their answers and `scores` what the verifier gives them; those without an answer
    ("") and those that are missing count 0. "mean" is the mean score (Snell et al.), "best" the
    highest (the bandits of arXiv 2506.12721 drop a problem by it), "share" the part of the samples
    that agree with the most frequent answer (Adaptive-Consistency, arXiv 2305.11860).
    """
    found = [(key, min(max(s, 0.0), 1.0)) for key, s in zip(keys, scores, strict=True) if key]
    if not found:
        return 0.0
    if measure == "mean":
        return sum(score for _, score in found) / samples
    if measure == "best":
        return max(score for _, score in found)
    return max(Counter(key for key, _ in found).values()) / samples


def quantile_edges(values: Array, weights: Array, bins: int) -> tuple[float, ...]:
    """Where `values` fall into `bins` parts of equal weight; fewer where many are equal.

    An edge is the least value of the bin above it.
    """
    order = np.argsort(values, kind="stable")
    ranked, reached = values[order], np.cumsum(weights[order])
    if not len(ranked) or reached[-1] <= 0:
        return ()
    wanted = reached[-1] * np.arange(1, bins) / bins
    at = np.minimum(np.searchsorted(reached, wanted, side="right"), len(ranked) - 1)
    least = ranked[weights[order] > 0][0]
    return tuple(float(edge) for edge in np.unique(ranked[at]) if edge > least)


def bin_of(value: float, edges: Sequence[float]) -> int:
    """The bin of a value: 0 below the first edge."""
    return bisect_right(edges, value)
