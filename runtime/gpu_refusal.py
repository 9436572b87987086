"""What is said of models that fit on no GPU of a machine: why, and what would fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sal.runtime.gpu_memory import LEAST_KV, reserve, room
from sal.runtime.hardware import Gpu
from sal.runtime.model_size import GIB, ModelSize
from sal.runtime.server_spec import Role

Sizes = Mapping[Role, ModelSize]
Fit = Callable[[Sequence[Gpu], Sizes], bool]
"""Whether models could be put on GPUs."""


def too_large(gpus: Sequence[Gpu], sizes: Sizes, fit: Fit) -> str:
    """One sentence: the figures, and then smaller weights, more GPUs, or a server elsewhere."""
    best = max(gpus, key=lambda gpu: gpu.free_bytes)
    need = (best.free_bytes - room([best], *sizes.values()) + LEAST_KV) / GIB
    which = "the two models need" if len(sizes) == 2 else f"the {next(iter(sizes))} needs"
    parts = ", ".join(f"{role}: {size.reason}" for role, size in sizes.items())
    where = f"GPU {best.index} has {best.free_bytes / GIB:.0f} GiB free"
    if len(gpus) > 1:
        where = f"{where}, the most of the {len(gpus)} here"
    ways = ["take smaller models" if len(sizes) == 2 else _smaller(best)]
    ways += [way for way in (_quantised(gpus, sizes, fit), _more(best, sizes, fit)) if way]
    ways.append("give one as a URL" if len(sizes) == 2 else "give the URL of a server elsewhere")
    return f"{which} about {need:.0f} GiB and {where} ({parts}): {', or '.join(ways)}"


def _smaller(gpu: Gpu) -> str:
    """The size of model that one GPU holds in 16 bits."""
    billions = max(0.0, (gpu.free_bytes - reserve(gpu) - LEAST_KV) / 2e9)
    return f"take a smaller one (up to about {billions:.0f}B in 16 bits)"


def _quantised(gpus: Sequence[Gpu], sizes: Sizes, fit: Fit) -> str:
    """The least quantisation with which they fit here; "" where none does."""
    for each, what in ((1.0, "8-bit"), (0.5, "4-bit")):
        smaller = {
            role: replace(size, weight_bytes=int(size.parameters * min(each, size.bytes_each)))
            for role, size in sizes.items()
        }
        if fit(gpus, smaller):
            return f"{what} weights (a quantised checkpoint)"
    return ""


def _more(gpu: Gpu, sizes: Sizes, fit: Fit) -> str:
    """How many such GPUs hold them; "" where 16 do not."""
    for count in (2, 4, 8, 16):
        if fit([replace(gpu, index=i) for i in range(count)], sizes):
            return f"{count} such GPUs"
    return ""
