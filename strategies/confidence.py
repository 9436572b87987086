"""How sure a policy was of what it wrote, from its own logprobs (DeepConf, arXiv 2508.15260).

Equations by the paper's section 3; the filter and the consensus are those of its Algorithm 2.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np


def token_confidence(top_logprobs: Sequence[float]) -> float:
    """C_i = -(1/k) sum_j log P_i(j) over the k likeliest tokens at one place.

    Large where one token has all the mass, for then the others' logprobs are very low.
    """
    return -math.fsum(top_logprobs) / len(top_logprobs)


def lowest_group(confidences: Sequence[float], window: int) -> float:
    """The least mean over `window` successive tokens: the trace's weakest stretch.

    A trace shorter than the window is one group; an empty one has confidence 0, as in the
    authors' code.
    """
    if len(confidences) <= window:
        return math.fsum(confidences) / len(confidences) if confidences else 0.0
    sums = np.cumsum([0.0, *confidences])
    return float((sums[window:] - sums[:-window]).min() / window)


def falls(confidences: Sequence[float], window: int, bar: float) -> bool:
    """Whether a trace that is being written is under the bar; not before it fills a window."""
    return len(confidences) >= window and lowest_group(confidences, window) < bar


def bar_over(lowest: Sequence[float], keep: float) -> float:
    """The bar that the share `keep` of the warm-up traces reach: their (1 - keep) percentile.

    `lowest` are their lowest group confidences. Without any trace there is no bar: minus infinity.
    """
    return float(np.percentile(lowest, 100 * (1 - keep))) if lowest else -math.inf


def consensus(keys: Sequence[str], weights: Sequence[float]) -> float:
    """beta = V(leading answer) / sum of all V, V an answer's summed weights; 0 without a vote."""
    votes: dict[str, list[float]] = defaultdict(list)
    for key, weight in zip(keys, weights, strict=True):
        if key:
            votes[key].append(weight)
    sums = [math.fsum(group) for group in votes.values()]
    total = math.fsum(sums)
    return max(sums) / total if total > 0 else 0.0
