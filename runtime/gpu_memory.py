"""What fits on GPUs: weights, a reserve, and what is left for the KV cache."""

from __future__ import annotations

from collections.abc import Sequence

from sal.runtime.hardware import Gpu
from sal.runtime.model_size import GIB, ModelSize

LEAST_KV = int(0.5 * GIB)
"""With less than this a search has no room."""

_RESERVE = int(3 * GIB)  # per server, at the least: CUDA context, graphs, activations
_RESERVE_SHARE = 10  # and at the least a tenth: 3 GiB each were too little on an H200


def reserve(gpu: Gpu) -> int:
    """Bytes that a server takes on a GPU beside weights and cache."""
    return max(_RESERVE, gpu.free_bytes // _RESERVE_SHARE)


def room(gpus: Sequence[Gpu], *sizes: ModelSize) -> int:
    """Bytes left for KV on `gpus`, among which these models are cut; negative where they lack.

    Each of the GPUs has as much of everything as the others, so that the fullest decides.
    """
    least = min(gpus, key=lambda gpu: gpu.free_bytes)
    weights = sum(size.weight_bytes for size in sizes)
    return len(gpus) * (least.free_bytes - len(sizes) * reserve(least)) - weights


def tokens_in(kv: int, *sizes: ModelSize) -> int:
    """How many tokens `kv` bytes hold, each of them in the caches of all these models."""
    return max(0, kv) // max(1, sum(size.kv_bytes_per_token for size in sizes))
