"""Which candidates are kept, and how often each is expanded."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def best(values: Sequence[float | None]) -> int | None:
    """Index of the greatest value, the lowest among equals; None counts as no candidate."""
    able = [(value, -i) for i, value in enumerate(values) if value is not None]
    return -max(able)[1] if able else None


def firsts(texts: Sequence[str]) -> list[int]:
    """Indices of the texts that none before them equals, in order."""
    first: dict[str, int] = {}
    for i, text in enumerate(texts):
        first.setdefault(text, i)
    return list(first.values())


def survivors(scores: Sequence[float], left: int, width: int) -> list[int]:
    """Indices of the candidates to keep, best first: the top ceil(left / width).

    `scores` are the aggregated scores of the unfinished candidates; `left` is the budget N less
    the completions that are done; `width` is M. Ties go to the lower index, which is a place in
    the tree and not a time of arrival. (Snell et al., arXiv 2408.03314, section 5.2: keep N/M.)
    """
    keep = -(-left // width)
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:keep]


def with_one_end(
    parents: Sequence[Hashable], texts: Sequence[str], finished: Sequence[bool]
) -> list[int]:
    """Indices of the samples that rStar-Math's code makes children of (rstar_deepthink/llms).

    Equal texts below one parent are one child. Where some are finished, the first of these is the
    only child.
    """
    kept: list[int] = []
    for parent in dict.fromkeys(parents):
        siblings = [i for i, other in enumerate(parents) if other == parent]
        distinct = [siblings[i] for i in firsts([texts[i] for i in siblings])]
        kept += [i for i in distinct if finished[i]][:1] or distinct
    return kept


def widths(left: int, kept: int) -> list[int]:
    """Children for each of `kept` beams, best first, so that they sum to exactly `left`.

    With left = N and kept = N/M every beam gets M; a remainder goes to the better beams, one
    each. No beam kept means no children.
    """
    if not kept:
        return []
    each, more = divmod(left, kept)
    return [each + (i < more) for i in range(kept)]
