"""How a budget is shared between chains of revisions: in parallel, and one after the other."""

from __future__ import annotations

import math


def chain_lengths(budget: int, ratio: float) -> tuple[int, ...]:
    """How many attempts each chain has: N in all, `ratio` = sequential : parallel.

    C chains of L attempts have N = C L and ratio = L / C (Snell et al., arXiv 2408.03314, section
    6.2), so C = sqrt(N / ratio), rounded, from 1 (all one after the other) to N (all in parallel).
    Where C does not divide N, the first N mod C chains have one attempt more than the others.
    """
    chains = min(budget, max(1, math.floor(math.sqrt(budget / ratio) + 0.5)))
    length, longer = divmod(budget, chains)
    return tuple(length + (chain < longer) for chain in range(chains))
