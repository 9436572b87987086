"""Attention for SGLang's CPU engine whose results depend on a request's text alone.

As `cpu_attention.py`, in larger pieces of work: what a token finds does not change in its last bit
with the requests beside it, nor with how much of the text was cached. With `cpu_matmul.py` and
`cpu_sampling.py` a server on a CPU repeats itself exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sal.runtime.cpu_attention import MOST_KEYS, Group
from sal.runtime.cpu_matmul import rows_to_compute

BLOCK = 32
"""A query sees keys up to the next multiple of this, the later ones masked. So the order in which
floats are added follows from the query's position, and from nothing else."""


class Piece(NamedTuple):
    """`tokens` new ones of `request`, from position `start` on; all see the same block of keys.

    `row` is the first one's row in the batch's queries.
    """

    request: int
    row: int
    start: int
    tokens: int


def pieces(new: list[int], total: list[int]) -> Iterator[Piece]:
    """The last `new[i]` of the `total[i]` tokens of request i, cut at the multiples of `BLOCK`."""
    row = 0
    for request, (fresh, length) in enumerate(zip(new, total, strict=True)):
        start = length - fresh
        while start < length:
            count = min(BLOCK - start % BLOCK, length - start)
            yield Piece(request, row, start, count)
            start, row = start + count, row + count


def grouped(cut: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces that go together: they see as many keys, their counts of queries differ by less than a
    factor of two, and they have no more than `MOST_KEYS` keys where they are several.
    """
    alike: dict[tuple[int, int], list[Piece]] = defaultdict(list)
    for piece in cut:
        alike[piece.start // BLOCK, piece.tokens.bit_length()].append(piece)
    for (block, _), members in alike.items():
        most = max(1, MOST_KEYS // ((block + 1) * BLOCK))
        for start in range(0, len(members), most):
            yield members[start : start + most]


def padded(slots: Any, new: list[int], total: list[int]) -> list[Group]:
    """A batch as groups: request i has `total[i]` tokens, the last `new[i]` of them new.

    `slots` (requests, any length) are the cache's slots of each request's tokens, in order, and
    behind them any slots, up to a multiple of `BLOCK` or to the longest request that can be.
    """
    import torch

    made = []
    for members in grouped(pieces(new, total)):
        request, row, start, count = torch.tensor(members).T.unsqueeze(-1)
        most = rows_to_compute(int(count.max()))
        query = torch.arange(most).minimum(count - 1)
        keys = slots[request.flatten(), : (members[0].start // BLOCK + 1) * BLOCK]
        seen = torch.arange(keys.shape[1]) <= (start + query).unsqueeze(2)
        made.append(
            Group(
                queries=row + query,
                keys=keys,
                seen=seen.unsqueeze(1),
                real=torch.arange(most) < count,
            )
        )
    return made
