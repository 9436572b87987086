"""Seeded sampling on SGLang's CPU engine: a plugin for CPU servers of `sal`.

SGLang 0.5.23 reads "sampling_seed" in its deterministic mode alone, whose kernels are a GPU's. With
this, the token at a position depends on the request's seed, that position in the sequence (the
prompt included) and the probabilities: not on the requests beside it. So a completion asked for in
two requests of one seed is the completion asked for in one. A request without a seed gets one drawn
for it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

SWITCH = "SAL_CPU_SAMPLING"
"""The environment variable that asks for it: "1"."""

_AT_ONCE = 1 << 16
"""Numbers drawn at a time: what they need stays in a core's cache."""

Words = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]


def register() -> None:
    """Sample by seeds where this server asks for it."""
    if os.environ.get(SWITCH) != "1":
        return
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    HookRegistry.register(
        "sglang.srt.sampling.sampling_batch_info.SamplingBatchInfo.from_schedule_batch",
        with_seeds,
        HookType.AFTER,
    )
    HookRegistry.register(
        "sglang.srt.layers.sampler.Sampler._sample_from_probs", from_probs, HookType.AROUND
    )


def with_seeds(info: Any, _: type, batch: Any, *__: Any, **___: Any) -> Any:
    """Behind `SamplingBatchInfo.from_schedule_batch`: the seeds of the batch's requests."""
    import torch

    given = (request.sampling_params.sampling_seed for request in batch.reqs)
    info.sampling_seed = torch.tensor(
        [random.getrandbits(62) if seed is None else seed for seed in given], dtype=torch.int64
    )
    # Else a greedy request takes the highest logit in a batch of its like and the highest
    # probability in another, and two logits that differ in a bit may be one probability.
    info.is_all_greedy = False
    return info


def from_probs(
    original: Callable[..., Any],
    self: Any,
    probs: Any,
    info: Any,
    positions: Any,
    simple: bool,
) -> Any:
    """In place of `Sampler._sample_from_probs`: ids (requests,), and no mask of what was possible.

    `probs` (requests, vocabulary). SGLang's own goes on where a request asks for that mask.
    """
    import torch

    if info.sampling_seed is None or info.sampling_mask_batch_indices is not None:
        return original(self, probs, info, positions, simple)
    weights = probs if simple else filtered(probs, info.top_ks, info.top_ps, info.min_ps)
    tokens = drawn(weights.numpy(), info.sampling_seed.numpy(), positions.numpy())
    return torch.from_numpy(tokens), None


def filtered(probs: Any, top_ks: Any, top_ps: Any, min_ps: Any) -> Any:
    """`probs` with 0 for what a request's top-k, top-p and min-p leave out, each by SGLang's rule:
    the first k; those before which no more than p was seen; those of min-p times the highest.
    """
    import torch

    kept = probs.clone()
    greedy = top_ks == 1
    best = probs[greedy].argmax(dim=1, keepdim=True)
    kept[greedy] = torch.zeros_like(probs[greedy]).scatter_(1, best, 1.0)
    filters = ~greedy & ((top_ks < probs.shape[1]) | (top_ps < 1) | (min_ps > 0))
    for row in filters.nonzero().flatten().tolist():
        ordered, ids = probs[row].sort(descending=True, stable=True)
        before = ordered.cumsum(0) - ordered
        out = (before > top_ps[row]) | (ordered < ordered[0] * min_ps[row])
        out[int(top_ks[row]) :] = True
        kept[row, ids[out]] = 0
    return kept


def drawn(
    weights: npt.NDArray[np.float32], seeds: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    """A column for each row of `weights` (rows, columns), each with its weight's probability.

    An exponential race: the smallest of noise / weight wins. The noise is a column's own, so where
    weights differ in their last bits the winner almost always stays; an inverse of the cumulated
    weights would move all columns behind a difference.
    """
    rows, columns = weights.shape
    keys = _mixed(seeds.astype(np.uint64) ^ _mixed(positions.astype(np.uint64)))
    found = np.empty(rows, np.int32)
    step = max(1, _AT_ONCE // columns)
    with np.errstate(divide="ignore"):
        for start in range(0, rows, step):
            part = slice(start, start + step)
            found[part] = (_noise(keys[part], columns) / weights[part]).argmin(axis=1)
    return found


def _noise(keys: npt.NDArray[np.uint64], columns: int) -> Floats:
    """Exponential noise (keys, columns) from a hash of 64-bit key and column."""
    low, high = keys.astype(np.uint32), (keys >> np.uint64(32)).astype(np.uint32)
    words = _columns(columns) ^ low[:, None]
    for shift, factor, add in ((16, 0x21F0AAAD, high[:, None]), (15, 0xD35A2D97, np.uint32(0))):
        words ^= words >> np.uint32(shift)
        words *= np.uint32(factor)
        words += add
    words ^= words >> np.uint32(15)
    uniform = words.astype(np.float64)
    uniform += 0.5
    uniform *= -(2.0**-32)
    uniform += 1.0  # exact, and never 0 or 1
    np.log(uniform, out=uniform)
    return np.negative(uniform, out=uniform)


@lru_cache(maxsize=8)
def _columns(columns: int) -> Words:
    return np.arange(columns, dtype=np.uint32) * np.uint32(0x9E3779B1)  # odd: no two are equal


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea and Flood 2014): every bit of the result depends on all of it."""
    z = numbers + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
