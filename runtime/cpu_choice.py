"""How a model is served on a CPU: its data type, torch's threads, and room for its KV cache.

The figures are in docs/performance.md, "Any model on a CPU".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sal.runtime.hardware import Hardware
from sal.runtime.model_size import GIB, ModelSize

SMALL = 50_000_000
"""Parameters up to which a model is small: one thread in float32 is its fastest."""

TOKENS = 131072
"""Of the KV cache, where memory allows: more makes its allocation take tens of seconds."""

FEWEST_TOKENS = 8192
"""Below which a search of a few long solutions has no room."""

_FOR_MODELS = 0.8
"""Of the machine's memory; the rest is the client's and the system's."""

_SERVER = int(GIB)
"""A server's own memory, beside weights and cache."""


Kind = Literal["float32", "bfloat16", "float16"]
_BYTES: dict[Kind, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
_ASKED: dict[str, Kind] = {
    "float32": "float32",
    "float": "float32",
    "bfloat16": "bfloat16",
    "float16": "float16",
    "half": "float16",
}
"""What `--dtype` may say; of `auto` SGLang makes 16 bits."""


@dataclass(frozen=True, slots=True)
class CpuChoice:
    """`tokens` is the size of the KV cache; `lacks` bytes of memory will be missing."""

    dtype: Kind
    threads: int
    tokens: int
    lacks: int = 0


def choose(
    size: ModelSize,
    hardware: Hardware,
    servers: int,
    *,
    room: int | None = None,
    exact: bool = False,
    dtype: str | None = None,
) -> CpuChoice:
    """For one of `servers` models, which share this machine; `exact` for bits that repeat.

    `room` are the bytes for its weights and its cache (an equal part), `dtype` the user's word.
    """
    large = size.parameters > SMALL and not exact
    threads = max(1, len(hardware.cores) // servers) if large else 1
    kinds: list[Kind] = ["float32"] if exact else ["float32", "bfloat16"]
    if large and hardware.bf16:
        kinds.reverse()
    if dtype is not None:
        kinds = [_ASKED.get(dtype, "float16")]
    if room is None:
        (room, *_) = rooms([size] * servers, hardware)
    for kind in kinds:
        left = room - _BYTES[kind] * size.parameters
        tokens = min(TOKENS, left // _kv_bytes(size, kind))
        if tokens >= FEWEST_TOKENS:
            return CpuChoice(kind, threads, tokens)
    least = min(kinds, key=_BYTES.__getitem__)
    return CpuChoice(least, threads, FEWEST_TOKENS, _needs(size, least) - room)


def rooms(sizes: Sequence[ModelSize], hardware: Hardware) -> list[int]:
    """Bytes for weights and cache of models side by side: the least that each needs in 16 bits, and
    of the rest as much as holds the same number of tokens. Each lacks in proportion, where it does.
    """
    total = int(hardware.memory_bytes * _FOR_MODELS) - len(sizes) * _SERVER
    least = [_needs(size, "bfloat16") for size in sizes]
    rest = total - sum(least)
    if rest < 0:
        return [total * need // sum(least) for need in least]
    token = sum(size.kv_bytes_per_token for size in sizes)
    return [
        need + rest * size.kv_bytes_per_token // token
        for size, need in zip(sizes, least, strict=True)
    ]


def _needs(size: ModelSize, kind: Kind) -> int:
    return _BYTES[kind] * size.parameters + FEWEST_TOKENS * _kv_bytes(size, kind)


def _kv_bytes(size: ModelSize, kind: Kind) -> int:
    """A token of the cache, whose numbers are those of the weights."""
    return size.kv_bytes_per_token * _BYTES[kind] // 2
