"""Which GPUs each model gets: cut among several, on several at once, or both models on the same.

One GPU is shared. Of several each model gets as few as hold it, with room for what the search of
one problem keeps. Where they differ, the larger model gets the larger one. What is left serves more
replicas. A model is cut and repeated among GPUs of one kind alone: SGLang refuses to cut it among
such as have unequal memory free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sal.runtime.gpu_memory import LEAST_KV, room
from sal.runtime.gpu_refusal import too_large
from sal.runtime.hardware import Gpu
from sal.runtime.load import Load
from sal.runtime.model_size import ModelSize
from sal.runtime.server_flags import PIPELINE, REPLICAS, TENSOR_PARALLEL, Flags, PlanError, count
from sal.runtime.server_spec import Role

_ALIKE = 0.9
"""Of SGLang: the least free memory among GPUs that share a model, as a part of the most."""


@dataclass(frozen=True, slots=True)
class Share:
    """The GPUs of one server: `replicas` of the model, each cut among `cut` of them.

    `shared` when the other model's server has the same.
    """

    gpus: tuple[Gpu, ...]
    cut: int = 1
    replicas: int = 1
    shared: bool = False


@dataclass(frozen=True, slots=True)
class _Want:
    """What the user fixed: GPUs a replica, replicas; None is the plan's to choose."""

    cut: int | None
    replicas: int | None

    @classmethod
    def of(cls, flags: Flags) -> _Want:
        cut, stages = count(flags, TENSOR_PARALLEL), count(flags, PIPELINE)
        whole = (cut or 1) * (stages or 1) if cut or stages else None
        return cls(whole, count(flags, REPLICAS))

    @property
    def gpus(self) -> int:
        return (self.cut or 1) * (self.replicas or 1)


def share_out(
    gpus: Sequence[Gpu],
    sizes: Mapping[Role, ModelSize],
    overrides: Mapping[Role, Flags],
    load: Load = Load(),
) -> dict[Role, Share]:
    """The GPUs of each model. Raises `PlanError`, which says what would fit, where nothing does."""
    wants = {role: _Want.of(overrides[role]) for role in sizes}
    asked = sum(want.gpus for want in wants.values())
    if asked > len(gpus) and any(want.gpus > 1 for want in wants.values()):
        what = "tensor parallelism" if all((w.replicas or 1) == 1 for w in wants.values()) else ""
        raise PlanError(f"{what or 'what you ask for'} asks for {asked} GPUs, {len(gpus)} here")
    for tokens in dict.fromkeys((load.problem, 0)):  # comfortably, or at all
        apart = _apart(gpus, sizes, wants, tokens)
        if apart is not None:
            return _with_replicas(gpus, apart, wants, sizes)
    together = _together(gpus, sizes, wants)
    if together is None:

        def fit(gpus: Sequence[Gpu], sizes: Mapping[Role, ModelSize]) -> bool:
            return (_apart(gpus, sizes, wants, 0) or _together(gpus, sizes, wants)) is not None

        raise PlanError(too_large(gpus, sizes, fit))
    return together


def kinds(gpus: Sequence[Gpu]) -> list[tuple[Gpu, ...]]:
    """GPUs of one kind together, those with the most free memory first."""
    groups: list[list[Gpu]] = []
    for gpu in sorted(gpus, key=lambda gpu: -gpu.free_bytes):
        for group in groups:
            first = group[0]
            same = (first.name, first.total_bytes) == (gpu.name, gpu.total_bytes)
            if same and gpu.free_bytes >= _ALIKE * first.free_bytes:
                group.append(gpu)
                break
        else:
            groups.append([gpu])
    order = {gpu.index: place for place, gpu in enumerate(gpus)}
    return [tuple(sorted(group, key=lambda gpu: order[gpu.index])) for group in groups]


def _apart(
    gpus: Sequence[Gpu],
    sizes: Mapping[Role, ModelSize],
    wants: Mapping[Role, _Want],
    tokens: int,
) -> dict[Role, Share] | None:
    """Each model on GPUs of its own, with room for `tokens`; None where there are too few."""
    roles = list(sizes)
    if len(kinds(gpus)) > 1:
        roles.sort(key=lambda role: -sizes[role].weight_bytes)
    left, shares = list(gpus), dict[Role, Share]()
    for role in roles:
        size, want = sizes[role], wants[role]
        kv = max(LEAST_KV, tokens * size.kv_bytes_per_token)
        share = next(
            (
                found
                for group in kinds(left)
                if (found := _fewest(group, size, want, kv)) is not None
            ),
            None,
        )
        if share is None:
            return None
        shares[role] = share
        left = [gpu for gpu in left if gpu not in share.gpus]
    return {role: shares[role] for role in sizes}


def _fewest(group: Sequence[Gpu], size: ModelSize, want: _Want, kv: int) -> Share | None:
    """As few GPUs of one kind as hold the model and `kv` bytes; what the user fixed is not judged.

    A power of two, among which its heads can be shared out; one for a model of unknown size.
    """
    replicas = want.replicas or 1
    if want.cut is not None:
        gpus = tuple(group[: want.gpus])
        return Share(gpus, want.cut, replicas) if len(gpus) == want.gpus else None
    cut = 1
    while cut * replicas <= len(group):
        gpus = tuple(group[: cut * replicas])
        fits = room(gpus[:cut], size) >= kv or not size.known
        if fits and (size.heads or cut) % cut == 0:
            return Share(gpus, cut, replicas)
        cut *= 2
    return None


def _together(
    gpus: Sequence[Gpu], sizes: Mapping[Role, ModelSize], wants: Mapping[Role, _Want]
) -> dict[Role, Share] | None:
    """Both models on the same GPUs, each cut among all of these."""
    fixed = any(want.cut or want.replicas for want in wants.values())
    if len(sizes) < 2:
        return None
    for group in kinds(gpus):
        cut = 1
        while cut <= (1 if fixed else len(group)):
            fits = room(group[:cut], *sizes.values()) >= LEAST_KV
            if fits and all((size.heads or cut) % cut == 0 for size in sizes.values()):
                return dict.fromkeys(sizes, Share(tuple(group[:cut]), cut, shared=True))
            cut *= 2
    return None


def _with_replicas(
    gpus: Sequence[Gpu],
    shares: dict[Role, Share],
    wants: Mapping[Role, _Want],
    sizes: Mapping[Role, ModelSize],
) -> dict[Role, Share]:
    """The GPUs that are left, to whoever has the fewest replicas and can use them.

    A head has one: what asks it cannot name a replica, and its prefixes would lie on all of them.
    """
    shares = dict(shares)
    may = [role for role in shares if wants[role].replicas is None and sizes[role].generates]
    while True:
        taken = [gpu for share in shares.values() for gpu in share.gpus]
        left = [gpu for gpu in gpus if gpu not in taken]
        for role in sorted(may, key=lambda role: shares[role].replicas):
            share = shares[role]
            more = [gpu for gpu in left if len(kinds([*share.gpus, gpu])) == 1][: share.cut]
            if len(more) == share.cut:
                grown = (*share.gpus, *more)
                shares[role] = replace(share, gpus=grown, replicas=share.replicas + 1)
                break
        else:
            return shares
