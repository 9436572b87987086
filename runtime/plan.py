"""Which servers to start, on what, with which flags: decided from the hardware and the two models.

A model given as a URL gets no server of ours. Everything decided here can be overridden by a flag
passed through to SGLang (`--policy-arg`, `--prm-arg`); each decision carries its reason.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sal.runtime.access import AccessError, check_url
from sal.runtime.cpu_plan import STAND_IN, on_cpu
from sal.runtime.gpu_plan import deterministic as deterministic_flags
from sal.runtime.gpu_plan import on_gpus
from sal.runtime.hardware import Hardware
from sal.runtime.load import Load
from sal.runtime.lora import adapter_config, with_adapter
from sal.runtime.model_files import canonical, is_url, on_the_hub
from sal.runtime.model_size import ModelSize, model_size
from sal.runtime.server_flags import DETERMINISTIC, Flags, PlanError, parse_flags
from sal.runtime.server_spec import Role, ServerSpec

__all__ = [
    "STAND_IN",
    "Load",
    "Plan",
    "PlanError",
    "Role",
    "ServerSpec",
    "make_plan",
    "parse_flags",
]


@dataclass(frozen=True, slots=True)
class Plan:
    """The servers to start and the endpoints that are already there, by role."""

    servers: dict[Role, ServerSpec] = field(default_factory=dict)
    urls: dict[Role, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def seeded(self) -> bool | None:
        """Whether the policy samples by seeds; None for an endpoint that is not ours."""
        policy = self.servers.get("policy")
        return policy.seeded if policy else None

    def lines(self) -> list[str]:
        """The plan as short lines for people."""
        lines = [f"{role}: {url} (yours)" for role, url in self.urls.items()]
        for role, spec in self.servers.items():
            lines.append(f"{role}: {spec.model} on {spec.device}")
            lines += [f"  {reason}" for reason in spec.reasons]
            env = " ".join(f"{key}={value}" for key, value in spec.env.items())
            lines.append(f"  {env} {shlex.join(spec.command(spec.port))}".replace("  ", "  $ ", 1))
        return lines + [f"note: {note}" for note in self.notes]


def make_plan(
    hardware: Hardware,
    policy: str | None,
    prm: str | None,
    *,
    policy_args: Sequence[str] = (),
    prm_args: Sequence[str] = (),
    deterministic: bool = False,
    load: Load = Load(),
    size_of: Callable[[str], ModelSize] = model_size,
    replicas: Mapping[Role, int] = {},
) -> Plan:
    """Decide how to serve `policy` and `prm`: each a folder, a Hub name, a URL, or None.

    A folder may be a LoRA adapter's: its base is served, with it. `policy_args` and `prm_args` hold
    SGLang flags ("--flag value") that win over the plan's own; on a CPU "--cpu-threads N" is one of
    them. `deterministic`: on a GPU, SGLang's own mode; on a CPU texts repeat without it, and with
    it their probabilities do too, to the last bit. `load` is what the run asks of the caches.
    `replicas` of a model are to share the machine: on GPUs as one server's, on a CPU as servers.
    Raises `PlanError` when the models cannot fit or an override is not a flag.
    """
    asked: list[tuple[Role, str | None, Sequence[str]]] = [
        ("policy", policy, policy_args),
        ("prm", prm, prm_args),
    ]
    urls: dict[Role, str] = {}
    models: dict[Role, str] = {}
    overrides: dict[Role, Flags] = {}
    for role, model, args in asked:
        if model is None:
            continue
        if is_url(model):
            try:
                check_url(model)
            except AccessError as error:
                raise PlanError(f"--{role} {error}") from None
            urls[role] = model.rstrip("/")
            continue
        flags = parse_flags(args)
        if role in replicas and hardware.gpus:
            flags = {"--dp-size": (str(replicas[role]),), **flags}
        if "--api-key" in flags:
            raise PlanError(
                f"--{role}-arg --api-key: a server of sal's needs no key, for it listens on "
                "this machine alone; a key there would stand in the process list"
            )
        base, flags = with_adapter(_checked(canonical(model)), flags)
        models[role] = _checked(base)
        if deterministic or DETERMINISTIC in flags:
            flags = {**deterministic_flags(hardware.gpus), **flags}
        overrides[role] = flags
    if not models:
        return Plan({}, urls)
    if not hardware.gpus:
        return Plan(on_cpu(models, overrides, hardware, size_of, load, replicas), urls)
    servers, notes = on_gpus(models, overrides, hardware, size_of, load)
    return Plan(servers, urls, notes)


def _checked(model: str) -> str:
    """Say at once what SGLang would say after half a minute."""
    folder = Path(model)
    if not folder.is_dir() and not on_the_hub(model):
        raise PlanError(f"there is no model folder {model}")
    whole = (folder / "config.json").is_file() or adapter_config(model) is not None
    if folder.is_dir() and not whole:
        raise PlanError(f"{model} is no model folder: it has no config.json")
    return model
