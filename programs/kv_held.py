"""How much KV cache a search needs at a time: what ETS saves (Hooper et al., arXiv 2502.13575)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from sal.programs.trace import Node


def kv_peak(nodes: Sequence[Node]) -> int | None:
    """The most tokens that the search had to hold at one moment for nothing to be computed twice.

    `nodes` stand in the order in which they ended. A node is held with all of its tokens from when
    it was asked for until it and the last node below it have ended; what is below it looks at it
    all that time. So a prefix that candidates share counts once, a candidate that is still written
    counts as long as it will be, and one that was dropped counts to its end. Where all candidates
    of a depth are written at once, as in beam search or REBASE, this is the largest size over
    depths of the tree that leads to them, which is what the authors of ETS count. The prompt, which
    every search holds once, is not in it.

    None where the tokens of a node are not known, or when it was asked for.
    """
    last: dict[tuple[int, ...], int] = {}  # when the last one at or below a path ended
    for end, node in enumerate(nodes):
        for depth in range(1, len(node.id) + 1):
            last[node.id[:depth]] = end
    change = [0] * (len(nodes) + 1)  # of what is held, once so many nodes have ended
    for node in nodes:
        if node.tokens is None or node.begun is None:
            return None
        change[node.begun] += node.tokens
        change[last[node.id] + 1] -= node.tokens
    return max(accumulate(change))
