"""Choosing one completion out of many.

Completions vote by their key, the canonical form of their answer. A completion without an answer
(key "") and one that did not end (truncated) have no vote. Ties go to the more frequent answer,
then to what was seen first: the completions come in the order of their places in the tree, which
does not depend on which of them was written faster. Without scores every rule is the majority's.
The index returned is the group's best completion, or its first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType


def naive(keys: Sequence[str], scores: Sequence[float]) -> int | None:
    """The completion with the highest score (Best-of-N as in Lightman et al., 2023).

    `keys[i]` and `scores[i]` belong to completion i. Returns its index, or None when no
    completion has an answer. Ties: most frequent key, then lowest index.
    """
    groups = _by_key(keys)
    voters = [i for i, key in enumerate(keys) if key]
    return min(voters, key=lambda i: (-scores[i], -len(groups[keys[i]]), i), default=None)


def weighted(keys: Sequence[str], scores: Sequence[float]) -> int | None:
    """The answer whose completions' scores sum highest (weighted Best-of-N, Li et al., 2023).

    Returns the index of that answer's best completion. Ties between answers: the one with the
    better best completion, then the more frequent, then the one whose best was seen first.
    """
    groups = _by_key(keys)
    best = {key: min(group, key=lambda i: (-scores[i], i)) for key, group in groups.items()}
    # fsum, so that the sum does not depend on the order of the completions.
    sums = {key: math.fsum(scores[i] for i in group) for key, group in groups.items()}
    winner = min(
        groups,
        key=lambda key: (-sums[key], -scores[best[key]], -len(groups[key]), best[key]),
        default=None,
    )
    return None if winner is None else best[winner]


def majority(keys: Sequence[str]) -> int | None:
    """The most frequent answer (self-consistency, Wang et al., arXiv 2203.11171).

    Returns the index of its first completion. It looks at no score, so ties go to the answer that
    was seen first.
    """
    groups = _by_key(keys)
    winner = min(groups, key=lambda k: (-len(groups[k]), groups[k][0]), default=None)
    return None if winner is None else groups[winner][0]


def hierarchical(
    keys: Sequence[str], scores: Sequence[float], chains: Sequence[int | None]
) -> int | None:
    """First within each chain, then across chains (Snell et al., arXiv 2408.03314, figure 5).

    Both times by `weighted`. With a_i and s_i the answer and the score of completion i, chain c
    puts up i(c), the best completion of the answer a that maximises the sum of s_i over i in c
    with a_i = a. The winner maximises the sum of s_i(c) over the chains c with a_i(c) = a; a chain
    weighs as much there as what it puts up, however long it is.

    A completion whose chain is None is a chain of its own; if all are, this is `weighted`, as it
    is for a single chain. Returns the index of the answer's best completion among those put up.
    """
    members: dict[object, list[int]] = defaultdict(list)
    for i, chain in enumerate(chains):
        members[(i,) if chain is None else chain].append(i)

    def lead(group: Sequence[int]) -> list[int]:
        """Which of these wins, if any."""
        winner = weighted([keys[i] for i in group], [scores[i] for i in group])
        return [] if winner is None else [group[winner]]

    put_up = sorted(i for group in members.values() for i in lead(group))
    return next(iter(lead(put_up)), None)


Rule = Callable[[Sequence[str], Sequence[float]], int | None]
"""From keys and scores to the index of the chosen completion."""

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "naive": naive,
        "weighted": weighted,
        "majority": lambda keys, _: majority(keys),
    }
)
"""The field's rules."""

_NO_RULES: Mapping[str, Rule] = MappingProxyType({})


def elect(
    keys: Sequence[str], weights: Sequence[float | None], own: Mapping[str, Rule] = _NO_RULES
) -> dict[str, int | None]:
    """What each of the field's rules chooses, and the strategy's `own`, which may replace one.

    A completion whose weight is None has no vote under any rule.
    """
    voting = [key if w is not None else "" for key, w in zip(keys, weights, strict=True)]
    weighing = [0.0 if w is None else w for w in weights]
    return {name: rule(voting, weighing) for name, rule in {**RULES, **own}.items()}


def _by_key(keys: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        if key:
            groups[key].append(i)
    return groups
