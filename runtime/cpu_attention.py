"""Attention for SGLang's CPU engine in a few large operations: a plugin for the servers of `sal`.

`torch_native`, the backend that SGLang has for a CPU without AMX, attends one request after the
other, in Python, and computes a whole prompt again to extend it by a few tokens. With a small
model that is half of the engine's time. Here requests of like lengths share one call, and only new
tokens are queries. What a token finds depends on its request's text alone, to the last bit: not on
the requests beside it, nor on how much of the text was cached (`cpu_matmul.py`). SGLang loads it
through the entry point "sglang.srt.plugins"; it changes nothing in a server that `SWITCH` does not
ask.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from sal.runtime.cpu_matmul import rows_to_compute

SWITCH = "SAL_CPU_ATTENTION"
"""The environment variable that asks for it: "1"."""

BACKEND = "sglang.srt.layers.attention.torch_native_backend"

MOST_KEYS = 2_048
"""Keys that are gathered at a time: about 1 MB for a small model, which stays in a core's cache."""

BLOCK = 32
"""A query sees keys up to the next multiple of this, the later ones masked. So the order in which
floats are added follows from the query's position, and from nothing else."""


def register() -> None:
    """Replace `torch_native` where this server asks for it."""
    if os.environ.get(SWITCH) != "1":
        return
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    HookRegistry.register(f"{BACKEND}.TorchNativeAttnBackend", batched(), HookType.REPLACE)


class Piece(NamedTuple):
    """`tokens` new ones of `request`, from position `start` on; all see the same block of keys.

    `row` is the first one's row in the batch's queries.
    """

    request: int
    row: int
    start: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Group:
    """Some pieces of a batch, padded to the longest of them.

    `queries` (pieces, new tokens) are rows of the batch's queries and `keys` (pieces, tokens)
    slots of the cache; `seen` (pieces, 1, new tokens, tokens) says which key a query attends to,
    `real` (pieces, new tokens) which query is no padding.
    """

    queries: Any
    keys: Any
    seen: Any
    real: Any


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


def attend(group: Group, query: Any, output: Any, k_cache: Any, v_cache: Any, **how: Any) -> None:
    """Write a group's rows of `output` (tokens, heads, size); causal attention over the cache."""
    from torch.nn.functional import scaled_dot_product_attention

    def gathered(rows: Any, numbers: Any) -> Any:
        # `rows[numbers]` does the same five times slower
        flat = rows.reshape(len(rows), -1).index_select(0, numbers.flatten())
        return flat.view(*numbers.shape, *rows.shape[1:]).to(query.dtype).transpose(1, 2)

    found = scaled_dot_product_attention(
        gathered(query, group.queries),
        gathered(k_cache, group.keys),
        gathered(v_cache, group.keys),
        attn_mask=group.seen,
        **how,
    ).transpose(1, 2)
    output[group.queries[group.real]] = found[group.real]


def batched() -> type:
    """The backend's class; made here, because SGLang is imported in its servers alone."""
    from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend

    class BatchedAttention(TorchNativeAttnBackend):  # type: ignore[misc]  # sglang has no types
        """Same results as its base class, which it leaves cross attention and windows to."""

        def init_forward_metadata(self, forward_batch: Any) -> None:
            super().init_forward_metadata(forward_batch)
            total = forward_batch.seq_lens.tolist()
            extends = forward_batch.forward_mode.is_extend()
            new = forward_batch.extend_seq_lens.tolist() if extends else [1] * len(total)
            most = -(-max(total, default=0) // BLOCK) * BLOCK
            slots = self.req_to_token_pool.req_to_token[forward_batch.req_pool_indices, :most]
            self.forward_metadata = padded(slots, new, total)

        def _run_sdpa_forward_decode(self, *tensors: Any, **how: Any) -> Any:
            if not self._run(*tensors, **how):
                super()._run_sdpa_forward_decode(*tensors, **how)
            return tensors[1]

        def _run_sdpa_forward_extend(self, *tensors: Any, **how: Any) -> Any:
            if not how["causal"] or not self._run(*tensors, **how):
                super()._run_sdpa_forward_extend(*tensors, **how)
            return tensors[1]

        def _run(self, *tensors: Any, **how: Any) -> bool:
            query, output, k_cache, v_cache, *_, encoder_lens = tensors
            if encoder_lens is not None or how["sliding_window_size"] is not None:
                return False
            for group in self.forward_metadata:
                attend(
                    group,
                    query,
                    output,
                    k_cache,
                    v_cache,
                    scale=how["scaling"],
                    enable_gqa=how["enable_gqa"],
                )
            return True

    return BatchedAttention
