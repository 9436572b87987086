"""The order in which examples are learned: the same one wherever a training is taken up again.

`Trainer` draws the order of an epoch when the epoch begins, and another one when a training goes on
in the midst of it. So all epochs are laid out here, one behind the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_BATCHES = 50
"""So many are sorted together, as by transformers' group_by_length; fewer of a small set."""


def in_order(lengths: Sequence[int], batch: int, epochs: float, seed: int) -> list[int]:
    """Indices of the examples for all epochs, of which the last may be a part of one.

    Each epoch is shuffled anew. Of `batch` examples, those of a step, the lengths are alike, so
    that little is padded.
    """
    rng = np.random.default_rng(seed)
    size = batch * max(1, min(len(lengths) // (4 * batch), _BATCHES))
    found: list[int] = []
    total = math.ceil(len(lengths) * epochs)
    while len(found) < total:
        shuffled = rng.permutation(len(lengths)).tolist()
        for start in range(0, len(shuffled), size):
            found += sorted(shuffled[start : start + size], key=lambda i: -lengths[i])
    return found[:total]
