"""Which leaf of a tree to try next: PUCT, as in rStar-Math.

Guan et al., "rStar-Math: Small LLMs can master math reasoning with self-evolved deep thinking"
(arXiv 2501.04519), section 3.2: a child is chosen by Q(s) + c sqrt(ln N(parent) / N(s)), where
Q(s) = q(s) / N(s). Rewards are in [-1, 1], and the root has no visit of its own, as in their code.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Path = tuple[int, ...]


@dataclass(slots=True)
class Visits:
    """N(s), how often a node was visited, and q(s), what these visits were worth in sum.

    A node's own score is its first visit, so that Q starts with the PRM's word; the root has none.
    """

    count: int
    worth: float


def puct(node: Visits, parent_count: int, c: float) -> float:
    """Q(s) + c sqrt(ln N(parent) / N(s)); below a parent without a visit, Q(s) alone."""
    return node.worth / node.count + c * math.sqrt(math.log(max(parent_count, 1)) / node.count)


def signed(reward: float) -> float:
    """From [0, 1] to [-1, 1]: what is as likely right as wrong is worth nothing."""
    return 2 * reward - 1


class PuctTree:
    """Visits of every node, and which leaves can still be expanded. Starts with the root alone."""

    def __init__(self) -> None:
        self._visits: dict[Path, Visits] = {(): Visits(0, 0.0)}
        self._children: dict[Path, list[Path]] = {}
        self._leaves: set[Path] = {()}

    def add(self, node: Path, score: float, *, open: bool) -> None:
        """A new node of a score in [-1, 1] under one that is there; `open` if steps can follow."""
        self._visits[node] = Visits(1, score)
        self._children.setdefault(node[:-1], []).append(node)
        self._leaves.discard(node[:-1])
        if open:
            self._leaves.add(node)

    def close(self, leaf: Path) -> None:
        """A leaf that could not be expanded."""
        self._leaves.discard(leaf)

    def back_up(self, node: Path, worth: float) -> None:
        """The end of a rollout at `node`, told to all its ancestors."""
        for depth in range(len(node)):
            visits = self._visits[node[:depth]]
            visits.count += 1
            visits.worth += worth

    def select(self, most: int, c: float) -> list[Path]:
        """Up to `most` different leaves, each found from the root by the greatest PUCT.

        A choice counts as a visit worth -1 for those after it (the virtual loss of Chaslot et al.,
        2008), and as none for later calls. Parts of the tree without a leaf to
        expand are passed over. Ties go to the child that was born first.
        """
        free = set(self._leaves)
        lost: Counter[Path] = Counter()
        chosen: list[Path] = []
        while free and len(chosen) < most:
            node: Path = ()
            while node not in free:
                lost[node] += 1
                # What leads to a free leaf
                ways = {leaf[: len(node) + 1] for leaf in free if leaf[: len(node)] == node}
                node = self._best([n for n in self._children[node] if n in ways], lost, c)
            lost[node] += 1
            free.discard(node)
            chosen.append(node)
        return chosen

    def _best(self, siblings: Sequence[Path], lost: Counter[Path], c: float) -> Path:
        """The sibling of greatest PUCT; the parent's present visit is already among the lost."""
        parent = siblings[0][:-1]
        above = self._visits[parent].count + lost[parent] - 1

        def merit(node: Path) -> float:
            visits = self._visits[node]
            return puct(Visits(visits.count + lost[node], visits.worth - lost[node]), above, c)

        return max(siblings, key=lambda node: (merit(node), -node[-1]))
