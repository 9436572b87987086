"""The servers of a machine with GPUs: where each runs, with which flags and how much memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sal.runtime.gpu_memory import reserve, room, tokens_in
from sal.runtime.gpu_shares import Share, share_out
from sal.runtime.hardware import Gpu, Hardware
from sal.runtime.load import Load, against
from sal.runtime.model_size import GIB, ModelSize, head_size
from sal.runtime.served_size import served_size
from sal.runtime.server_flags import (
    CPU_THREADS,
    DETERMINISTIC,
    LORA_PATHS,
    PIPELINE,
    REPLICAS,
    TENSOR_PARALLEL,
    Flags,
    PlanError,
    said,
)
from sal.runtime.server_spec import Role, ServerSpec, server_spec

_KEEP_RADIX_CACHE = ("fa3", "fa4", "triton")  # attention of that mode (SGLang 0.5.23)
_FLASHINFER_HEADS = (None, 64, 128, 256, 512)  # numbers a head (its utils.cuh); None: not known


def on_gpus(
    models: Mapping[Role, str],
    overrides: Mapping[Role, Flags],
    hardware: Hardware,
    size_of: Callable[[str], ModelSize],
    load: Load = Load(),
) -> tuple[dict[Role, ServerSpec], tuple[str, ...]]:
    """A server for each model, and notes on what is left. Raises `PlanError`."""
    sizes: dict[Role, ModelSize] = {}
    for role, model in models.items():
        if CPU_THREADS in overrides[role]:
            raise PlanError(f"{CPU_THREADS} is for models on a CPU, and there is a GPU here")
        sizes[role] = served_size(size_of(model), overrides[role])
    shares = share_out(hardware.gpus, sizes, overrides, load)
    fractions = _fractions(shares, sizes)
    servers = {
        role: _server(role, model, overrides[role], sizes[role], shares[role], fractions, load)
        for role, model in models.items()
    }
    return servers, tuple(_idle(hardware.gpus, shares, sizes))


def deterministic(gpus: tuple[Gpu, ...]) -> Flags:
    """SGLang's deterministic mode, with an attention that keeps the radix cache (FlashAttention 3
    on Hopper, Triton elsewhere; flashinfer's would switch it off). On a CPU it is our plugins'."""
    if not gpus:
        return {DETERMINISTIC: ()}
    hopper = all(re.search(r"\bGH?\d|\bH\d", gpu.name) for gpu in gpus)
    return {DETERMINISTIC: (), "--attention-backend": ("fa3" if hopper else "triton",)}


def _fractions(
    shares: Mapping[Role, Share], sizes: Mapping[Role, ModelSize]
) -> dict[Role, tuple[float, int]]:
    """Of models that share GPUs: the part of the free memory that each takes, and cached tokens.

    Every kept step sits in both caches, so the KV memory is split by what one token costs in each.
    SGLang reads `--mem-fraction-static` as a share of the memory that is free when the server
    starts; so the PRM starts second, and its share is of what the policy leaves.
    """
    policy, prm = sizes.get("policy"), sizes.get("prm")
    if policy is None or prm is None or not shares["policy"].shared:
        return {}
    gpus = shares["policy"].gpus
    kv = room(gpus, policy, prm)
    least = min(gpus, key=lambda gpu: gpu.free_bytes)
    free = len(gpus) * least.free_bytes
    tokens = tokens_in(kv, policy, prm)
    static_policy = policy.weight_bytes + tokens * policy.kv_bytes_per_token
    static_prm = prm.weight_bytes + tokens * prm.kv_bytes_per_token
    left = free - static_policy - len(gpus) * reserve(least)
    return {"policy": (static_policy / free, tokens), "prm": (static_prm / left, tokens)}


def _server(
    role: Role,
    model: str,
    overrides: Flags,
    size: ModelSize,
    share: Share,
    fractions: Mapping[Role, tuple[float, int]],
    load: Load,
) -> ServerSpec:
    flags: Flags = {
        "--attention-backend": (_attention(model),),
        "--schedule-policy": ("lpm",),
    }
    where = " and ".join(f"GPU {gpu.index} ({gpu.name})" for gpu in share.gpus)
    reasons = [f"on {where}", size.reason]
    if role in fractions:
        fraction, tokens = fractions[role]
        flags["--mem-fraction-static"] = (f"{fraction:.3f}",)
        what = "shares the GPU" if len(share.gpus) == 1 else "shares the GPUs"
        reasons.append(f"{what}: room for about {tokens:,} cached tokens in each server")
    else:
        tokens = tokens_in(room(share.gpus[: share.cut], size), size)
        if size.known:
            each = " a replica" if share.replicas > 1 else ""
            reasons.append(f"room for about {tokens:,} cached tokens{each}")
    reasons += _cuts(share, size, overrides, flags)
    if size.known:
        reasons += against(load, tokens, size.context)
    backend = said(overrides, "--attention-backend") or flags["--attention-backend"][0]
    reasons.append(f"{backend} attention, longest shared prefix first")
    if LORA_PATHS in overrides:
        reasons.append("with a LoRA adapter, which every request names")
    if DETERMINISTIC in overrides:
        cache = "keeps" if backend in _KEEP_RADIX_CACHE else "loses"
        reasons.append(
            f"deterministic: {cache} the radix cache; takes about 34% longer (SGLang's figure); "
            "requests without a seed share one"
        )
    devices = ",".join(str(gpu.index) for gpu in share.gpus)
    after: Role | None = "policy" if role == "prm" and fractions else None
    env = {"CUDA_VISIBLE_DEVICES": devices}
    return server_spec(role, model, "cuda", flags, env, reasons, overrides, after=after)


def _cuts(share: Share, size: ModelSize, overrides: Flags, flags: Flags) -> list[str]:
    """Tensor parallelism and replicas: the flags, put into `flags`, and why."""
    reasons = []
    fixed = any(name in overrides for name in (*TENSOR_PARALLEL, *PIPELINE))
    if share.cut > 1 and not fixed:
        flags[TENSOR_PARALLEL[0]] = (str(share.cut),)
        reasons.append(
            f"cut among {share.cut} GPUs (tensor parallelism), about "
            f"{size.weight_bytes / share.cut / GIB:.1f} GiB of its weights on each"
        )
    if share.replicas > 1:
        if not any(name in overrides for name in REPLICAS):
            flags[REPLICAS[0]] = (str(share.replicas),)
        reasons.append(
            f"{share.replicas} replicas behind one port: all requests of a problem go to the same"
        )
    return reasons


def _idle(
    gpus: tuple[Gpu, ...], shares: Mapping[Role, Share], sizes: Mapping[Role, ModelSize]
) -> list[str]:
    """What stays unused, and why."""
    taken = {gpu.index for share in shares.values() for gpu in share.gpus}
    idle = [gpu for gpu in gpus if gpu.index not in taken]
    if not idle:
        return []
    names = ", ".join(f"{gpu.index} ({gpu.name})" for gpu in idle)
    if any(share.shared for share in shares.values()):
        why = "too small for the model that could go there, so both are on one"
    elif any(not size.generates for size in sizes.values()):
        why = "a PRM with a head has no replicas, for its requests cannot name one"
    else:
        why = "replicas need as many GPUs of the same kind and the same free memory"
    return [
        f"GPU {names} stays idle: {why}" if len(idle) == 1 else f"GPUs {names} stay idle: {why}"
    ]


def _attention(model: str) -> str:
    """Flashinfer's, or Triton's for heads of a size that flashinfer has no kernel for."""
    return "flashinfer" if head_size(model) in _FLASHINFER_HEADS else "triton"
