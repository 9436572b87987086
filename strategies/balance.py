"""Sharing the children of a level among its nodes by their rewards (REBASE, arXiv 2408.00724)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def balance(rewards: Sequence[float], left: int, temperature: float) -> list[int]:
    """Children for every node, in the order given, so that they sum to `left` (0 with no node).

    W_j = Round(B softmax(R / T_b)_j) is the paper's equation 1, with B = `left`, the budget less
    the completions that are done, and T_b = `temperature`. Rounded one by one these do not sum to
    B; so, as in the authors' code, each node takes, from the best down, its share of what is left
    among those that are left, rounded up. Ties go to the lower index.
    """
    shares = [0] * len(rewards)
    order = sorted(range(len(rewards)), key=lambda j: (-rewards[j], j))
    for place, j in enumerate(order):
        # Over its own exponential: at least 1, so that nothing under- or overflows.
        rivals = math.fsum(math.exp((rewards[k] - rewards[j]) / temperature) for k in order[place:])
        shares[j] = math.ceil(left / rivals)
        left -= shares[j]
    return shares
