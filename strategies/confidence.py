"""How sure a policy was of what it wrote, from its own logprobs (DeepConf, arXiv 2508.15260).

Equations by the paper's section 3; the filter and the consensus are those of its Algorithm 2. The
sizes of windows and shares that the section leaves open are those of the authors' code.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

Kind = Literal["lowest", "bottom", "tail", "mean"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_BOTTOM = 0.1
"""The share of groups that "bottom" takes the mean of."""


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
    return float(groups(confidences, window).min())


def groups(confidences: Sequence[float], window: int) -> np.ndarray:
    """The mean over every `window` successive tokens; of a shorter trace over all, 0 of none."""
    if len(confidences) <= window:
        return np.array([math.fsum(confidences) / max(1, len(confidences))])
    sums = np.cumsum([0.0, *confidences])
    return np.asarray((sums[window:] - sums[:-window]) / window)


def trace_confidence(confidences: Sequence[float], kind: Kind, window: int) -> float:
    """One number for a trace.

    "mean": over all tokens. "tail": over the last `window`. "lowest": the least of `groups`.
    "bottom": the mean of the least tenth of them, rounded down, one at the least.
    """
    if kind == "mean":
        return float(groups(confidences, len(confidences))[0])
    if kind == "tail":
        return float(groups(confidences[-window:], window)[0])
    if kind == "lowest":
        return lowest_group(confidences, window)
    means = np.sort(groups(confidences, window))
    return float(means[: max(1, int(len(means) * _BOTTOM))].mean())


def falls(confidences: Sequence[float], window: int, bar: float) -> bool:
    """Whether a trace that is being written is under the bar; not before it fills a window."""
    return len(confidences) >= window and lowest_group(confidences, window) < bar


def bar_over(traces: Sequence[float], keep: float) -> float:
    """The bar that the share `keep` of some traces reach: their (1 - keep) percentile.

    `traces` are their confidences. Without any trace there is no bar: minus infinity.
    """
    return float(np.percentile(traces, 100 * (1 - keep))) if traces else -math.inf


def consensus(keys: Sequence[str], weights: Sequence[float]) -> float:
    """beta = V(leading answer) / sum of all V, V an answer's summed weights; 0 without a vote."""
    votes: dict[str, list[float]] = defaultdict(list)
    for key, weight in zip(keys, weights, strict=True):
        if key:
            votes[key].append(weight)
    sums = [math.fsum(group) for group in votes.values()]
    total = math.fsum(sums)
    return max(sums) / total if total > 0 else 0.0
