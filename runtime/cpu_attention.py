"""Attention for SGLang's CPU engine in a few large operations: a plugin for the servers of `sal`.

`torch_native`, the backend that SGLang has for a CPU without AMX, attends one request after the
other, in Python, and computes a whole prompt again to extend it by a few tokens. With a small
model that is half of the engine's time. Here requests of like lengths share one call, and only new
tokens are queries. SGLang loads it through the entry point "sglang.srt.plugins"; it changes
nothing in a server that `SWITCH` does not ask.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

SWITCH = "SAL_CPU_ATTENTION"
"""The environment variable that asks for it: "1", or "exact" (`cpu_attention_exact.py`)."""

BACKEND = "sglang.srt.layers.attention.torch_native_backend"

MOST_KEYS = 2_048
"""Keys that are gathered at a time: about 1 MB for a small model, which stays in a core's cache."""


def register() -> None:
    """Replace `torch_native` where this server asks for it."""
    asked = os.environ.get(SWITCH)
    if asked not in ("1", "exact"):
        return
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    if asked == "exact":
        from sal.runtime import cpu_attention_exact

        made = batched(cpu_attention_exact.padded, cpu_attention_exact.BLOCK)
    else:
        made = batched(padded)
    HookRegistry.register(f"{BACKEND}.TorchNativeAttnBackend", made, HookType.REPLACE)


@dataclass(frozen=True, slots=True)
class Group:
    """Some requests of a batch, padded to the longest of them.

    `queries` (requests, new tokens) are rows of the batch's queries and `keys` (requests, tokens)
    slots of the cache; `seen` (requests, 1, new tokens, tokens) says which key a query attends to,
    `real` (requests, new tokens) which query is no padding.
    """

    queries: Any
    keys: Any
    seen: Any
    real: Any


def grouped(new: list[int], total: list[int]) -> Iterator[list[int]]:
    """Numbers of requests that go together: their counts of new tokens and of all tokens differ by
    less than a factor of two, and they have no more than `MOST_KEYS` keys where they are several.
    """
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, (fresh, length) in enumerate(zip(new, total, strict=True)):
        alike[fresh.bit_length(), length.bit_length()].append(i)
    for (_, bits), members in alike.items():
        most = max(1, MOST_KEYS >> bits)
        for start in range(0, len(members), most):
            yield members[start : start + most]


def padded(slots: Any, new: list[int], total: list[int]) -> list[Group]:
    """A batch as groups: request i has `total[i]` tokens, the last `new[i]` of them new.

    `slots` (requests, any length) are the cache's slots of each request's tokens, in order.
    """
    import torch

    fresh, length = torch.tensor(new), torch.tensor(total)
    first = fresh.cumsum(0) - fresh
    made = []
    for members in grouped(new, total):
        rows = torch.tensor(members)
        count, size = fresh[rows].unsqueeze(1), length[rows].unsqueeze(1)
        query = torch.arange(int(count.max())).unsqueeze(0)
        key = torch.arange(int(size.max()))
        position = size - count + query
        made.append(
            Group(
                queries=first[rows].unsqueeze(1) + query.minimum(count - 1),
                keys=slots[rows, : len(key)],
                seen=(key <= position.unsqueeze(2)).unsqueeze(1),
                real=query < count,
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


def batched(pad: Callable[[Any, list[int], list[int]], list[Group]], block: int = 1) -> type:
    """The backend's class; made here, because SGLang is imported in its servers alone.

    `pad` makes groups of a batch; it is given slots up to a multiple of `block`.
    """
    from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend

    class BatchedAttention(TorchNativeAttnBackend):  # type: ignore[misc]  # sglang has no types
        """Same results as its base class, which it leaves cross attention and windows to."""

        def init_forward_metadata(self, forward_batch: Any) -> None:
            super().init_forward_metadata(forward_batch)
            total = forward_batch.seq_lens.tolist()
            extends = forward_batch.forward_mode.is_extend()
            new = forward_batch.extend_seq_lens.tolist() if extends else [1] * len(total)
            most = -(-max(total, default=0) // block) * block
            slots = self.req_to_token_pool.req_to_token[forward_batch.req_pool_indices, :most]
            self.forward_metadata = pad(slots, new, total)

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
