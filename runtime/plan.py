"""Which servers to start, on what, with which flags: decided from the hardware and the two models.

A model given as a URL gets no server of ours. Everything decided here can be overridden by a flag
passed through to SGLang (`--policy-arg`, `--prm-arg`); each decision carries its reason.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Literal

from sal.runtime import cpu_attention, cpu_matmul, cpu_sampling
from sal.runtime.access import AccessError, check_url
from sal.runtime.cpu_choice import CpuChoice, choose
from sal.runtime.generation_config import with_model_defaults
from sal.runtime.hardware import Gpu, Hardware, all_but_one
from sal.runtime.model_files import canonical, is_url
from sal.runtime.model_size import GIB, ModelSize, head_size, model_size

Role = Literal["policy", "prm"]
Flags = dict[str, tuple[str, ...]]

STAND_IN = Path(__file__).resolve().parent / "stand_in"

_CPU_REQUESTS = "256"
_CPU_THREADS = "--cpu-threads"  # no flag of SGLang's, which takes torch's own variable
_DETERMINISTIC = "--enable-deterministic-inference"
_KEEP_RADIX_CACHE = ("fa3", "fa4", "triton")  # attention of that mode (SGLang 0.5.23)
_FLASHINFER_HEADS = (None, 64, 128, 256, 512)  # numbers a head (its utils.cuh); None: not known
_RESERVE = int(3 * GIB)  # per server, at the least: CUDA context, graphs, activations
_RESERVE_SHARE = 10  # and at the least a tenth: 3 GiB each were too little on an H200


class PlanError(ValueError):
    """The models cannot be served on this machine; the message says what would help."""


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One SGLang server: `argv` is the whole command but for the port (0: a free one at start)."""

    role: Role
    model: str
    device: Literal["cpu", "cuda"]
    argv: tuple[str, ...]
    env: dict[str, str]
    reasons: tuple[str, ...]
    port: int = 0
    overrides: tuple[str, ...] = ()
    after: Role | None = None
    """Start only when that server is ready: it measures the memory that the other one left."""
    cores: tuple[int, ...] = ()
    """Where it may run; empty: wherever the process that starts it may."""

    def command(self, port: int) -> list[str]:
        """The command line that serves on `port`."""
        return [*self.argv, "--host", "127.0.0.1", "--port", str(port)]

    @property
    def digest(self) -> str:
        """Equal for servers that may stand in for each other: same model, same user's flags.

        The plan's own choices are left out: they differ with what else ran at the time.
        """
        text = json.dumps([self.model, self.device, list(self.overrides)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def seeded(self) -> bool:
        """Whether a request's "sampling_seed" decides what is sampled, whatever runs beside it."""
        return self.env.get(cpu_sampling.SWITCH) == "1" or _DETERMINISTIC in self.argv


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
    size_of: Callable[[str], ModelSize] = model_size,
) -> Plan:
    """Decide how to serve `policy` and `prm`: each a folder, a Hub name, a URL, or None.

    `policy_args` and `prm_args` hold SGLang flags ("--flag value") that win over the plan's own;
    on a CPU "--cpu-threads N" is one of them. `deterministic`: on a GPU, SGLang's own mode; on a
    CPU texts repeat without it, and with it their probabilities do too, to the last bit.
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
        else:
            models[role] = _checked(canonical(model))
            overrides[role] = parse_flags(args)
            if "--api-key" in overrides[role]:
                raise PlanError(
                    f"--{role}-arg --api-key: a server of sal's needs no key, for it listens on "
                    "this machine alone; a key there would stand in the process list"
                )
            if hardware.gpus and _CPU_THREADS in overrides[role]:
                raise PlanError(f"{_CPU_THREADS} is for models on a CPU, and there is a GPU here")
            if deterministic or _DETERMINISTIC in overrides[role]:
                overrides[role] = {**_deterministic(hardware.gpus), **overrides[role]}
    if not models:
        return Plan({}, urls)
    if not hardware.gpus:
        cores: dict[Role, tuple[int, ...]] = dict.fromkeys(models, hardware.cores)
        if len(models) == 2:
            cores["prm"] = all_but_one(hardware.cores)
        servers = {
            role: _on_cpu(
                role,
                models[role],
                overrides[role],
                hardware,
                cores[role],
                choose(
                    size_of(models[role]),
                    hardware,
                    len(models),
                    exact=_DETERMINISTIC in overrides[role],
                ),
            )
            for role in models
        }
        return Plan(servers, urls)

    shares = _assign(hardware.gpus, overrides)
    if len(models) == 2 and shares["policy"] == shares["prm"]:
        return Plan(_share_one(shares["policy"][0], models, overrides, size_of), urls)
    servers = {
        role: _on_gpus(role, models[role], shares[role], overrides[role], {}, []) for role in models
    }
    idle = len(hardware.gpus) - sum(len(gpus) for gpus in shares.values())
    notes = (f"{idle} GPU(s) stay idle: there are no replicas yet",) if idle else ()
    return Plan(servers, urls, notes)


def _checked(model: str) -> str:
    """Say at once what SGLang would say after half a minute."""
    folder = Path(model)
    hub_name = model.count("/") <= 1 and not model.startswith((".", "/", "~"))
    if not folder.is_dir() and not hub_name:
        raise PlanError(f"there is no model folder {model}")
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise PlanError(f"{model} is no model folder: it has no config.json")
    return model


def parse_flags(args: Sequence[str]) -> Flags:
    """Read `["--flag value", "--other"]` into `{"--flag": ("value",), "--other": ()}`."""
    flags: Flags = {}
    name = ""
    for word in (word for arg in args for word in shlex.split(arg)):
        if word.startswith("--"):
            name, has_value, value = word.partition("=")
            flags[name] = (value,) if has_value else ()
        elif name:
            flags[name] += (word,)
        else:
            raise PlanError(f"{word!r} is not an SGLang flag: write it as '--flag value'")
    return flags


def _on_cpu(
    role: Role,
    model: str,
    overrides: Flags,
    hardware: Hardware,
    cores: tuple[int, ...],
    choice: CpuChoice,
) -> ServerSpec:
    threads = _cpu_threads(overrides, choice.threads)
    exact = _DETERMINISTIC in overrides
    dtype = " ".join(overrides.get("--dtype", (choice.dtype,)))
    tokens = " ".join(overrides.get("--max-total-tokens", (str(choice.tokens),)))
    flags: Flags = {
        "--device": ("cpu",),
        "--dtype": (choice.dtype,),
        "--max-total-tokens": (str(choice.tokens),),
        "--max-running-requests": (_CPU_REQUESTS,),
        "--schedule-policy": ("lpm",),
        "--disable-overlap-schedule": (),  # no device to overlap with: 12-19% more tokens/s
        # New requests wait for two steps of those that run: fewer, fuller prefill passes.
        "--prefill-decode-interval": ("2",),
        "--prefill-decode-interval-min-bs": ("32",),
        "--sleep-on-idle": (),
    }
    env = {
        "SGLANG_USE_CPU_ENGINE": "1",
        cpu_sampling.SWITCH: "1",
        **(
            {cpu_attention.SWITCH: "exact", cpu_matmul.SWITCH: "1"}
            if exact
            else {cpu_attention.SWITCH: "1"}
        ),
        "PYTHONPATH": str(STAND_IN),
        # Memory that a forward pass gives back is used by the next one, not faulted in again.
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        # HTTP, tokens and text in threads of the scheduler's: two processes less on the cores.
        **({"SGLANG_RUST_SERVER": "1"} if _brings_rust_server() else {}),
    }
    seeded = (
        "deterministic: a seed's text and its probabilities are the same to the last bit, whatever "
        "runs beside it; 10 to 16% slower"
        if exact
        else "sampling is seeded: a seed's text is the same, whatever runs beside it"
        if dtype == "float32"
        else "sampling is seeded"
    )
    reasons = [
        f"no GPU: SGLang's CPU engine, {dtype}, {threads} torch thread{'s' if threads > 1 else ''}",
        f"KV cache of {tokens} tokens, longest shared prefix first",
        seeded,
    ]
    if choice.lacks > 0:
        reasons.append(
            f"about {choice.lacks / GIB:.1f} GiB more memory than this machine has for it: try a "
            "smaller model, a machine with a GPU, or the URL of a server elsewhere"
        )
    if len(cores) < len(hardware.cores):
        reasons.append("leaves one core to the policy")
    return _spec(role, model, "cpu", flags, env, reasons, overrides, cores=cores)


def _cpu_threads(overrides: Flags, chosen: int) -> int:
    """torch's threads: as `chosen`, unless the user says."""
    given = overrides.get(_CPU_THREADS, (str(chosen),))
    if len(given) != 1 or not given[0].isdigit() or int(given[0]) < 1:
        raise PlanError(f"{_CPU_THREADS} takes a number from 1, not {' '.join(given)!r}")
    return int(given[0])


def _deterministic(gpus: tuple[Gpu, ...]) -> Flags:
    """SGLang's deterministic mode, with an attention that keeps the radix cache (FlashAttention 3
    on Hopper, Triton elsewhere; flashinfer's would switch it off). On a CPU it is our plugins'."""
    if not gpus:
        return {_DETERMINISTIC: ()}
    hopper = all(re.search(r"\bGH?\d|\bH\d", gpu.name) for gpu in gpus)
    return {_DETERMINISTIC: (), "--attention-backend": ("fa3" if hopper else "triton",)}


def _attention(model: str) -> str:
    """Flashinfer's, or Triton's for heads of a size that flashinfer has no kernel for."""
    return "flashinfer" if head_size(model) in _FLASHINFER_HEADS else "triton"


def _brings_rust_server() -> bool:
    """Whether the sglang that is installed has its server in Rust: not every platform's has."""
    extensions = Path(str(distribution("sglang").locate_file("sglang/srt/rust_extensions")))
    return any(extensions.glob("_server.*.so"))


def _on_gpus(
    role: Role,
    model: str,
    gpus: tuple[Gpu, ...],
    overrides: Flags,
    memory: Flags,
    reasons: list[str],
    after: Role | None = None,
) -> ServerSpec:
    flags: Flags = {
        "--attention-backend": (_attention(model),),
        "--schedule-policy": ("lpm",),
        **memory,
    }
    devices = ",".join(str(gpu.index) for gpu in gpus)
    where = " and ".join(f"GPU {gpu.index} ({gpu.name})" for gpu in gpus)
    backend = " ".join(overrides.get("--attention-backend", flags["--attention-backend"]))
    reasons = [f"on {where}", *reasons, f"{backend} attention, longest shared prefix first"]
    if _DETERMINISTIC in overrides:
        cache = "keeps" if backend in _KEEP_RADIX_CACHE else "loses"
        reasons.append(
            f"deterministic: {cache} the radix cache; takes about 34% longer (SGLang's figure); "
            "requests without a seed share one"
        )
    return _spec(
        role, model, "cuda", flags, {"CUDA_VISIBLE_DEVICES": devices}, reasons, overrides, after
    )


def _spec(
    role: Role,
    model: str,
    device: Literal["cpu", "cuda"],
    flags: Flags,
    env: dict[str, str],
    reasons: list[str],
    overrides: Flags,
    after: Role | None = None,
    cores: tuple[int, ...] = (),
) -> ServerSpec:
    own = {"--model-path": (model,), **flags, "--log-level": ("warning",)}
    merged = {**own, **overrides}
    port = merged.pop("--port", ("0",))
    if len(port) != 1 or not port[0].isdigit():
        raise PlanError(f"--port takes a number, not {' '.join(port)!r}")
    merged.pop(_CPU_THREADS, None)
    if device == "cpu":
        merged.pop(_DETERMINISTIC, None)
    merged.pop("--host", None)  # servers of ours listen on this machine only
    words = tuple(word for name, values in merged.items() for word in (name, *values))
    given = tuple(word for name, values in overrides.items() for word in (name, *values))
    if given:
        reasons = [*reasons, f"you asked for {shlex.join(given)}"]
    argv = (sys.executable, "-m", "sglang.launch_server", *words)
    spec = ServerSpec(
        role, model, device, argv, env, tuple(reasons), int(port[0]), given, after, cores
    )
    return with_model_defaults(spec, download=False)


def _assign(gpus: tuple[Gpu, ...], overrides: dict[Role, Flags]) -> dict[Role, tuple[Gpu, ...]]:
    """The GPUs of each role: as many as its tensor parallelism asks for; one GPU is shared."""
    wanted = {role: _tensor_parallel(flags) for role, flags in overrides.items()}
    if sum(wanted.values()) > len(gpus):
        if any(count > 1 for count in wanted.values()):
            raise PlanError(
                f"tensor parallelism asks for {sum(wanted.values())} GPUs, {len(gpus)} here"
            )
        return dict.fromkeys(wanted, gpus[:1])
    shares: dict[Role, tuple[Gpu, ...]] = {}
    for role, count in wanted.items():
        shares[role], gpus = gpus[:count], gpus[count:]
    return shares


def _tensor_parallel(flags: Flags) -> int:
    for name in ("--tp", "--tp-size", "--tensor-parallel-size"):
        if name in flags and len(flags[name]) == 1 and flags[name][0].isdigit():
            return int(flags[name][0])
    return 1


def _share_one(
    gpu: Gpu,
    models: dict[Role, str],
    overrides: dict[Role, Flags],
    size_of: Callable[[str], ModelSize],
) -> dict[Role, ServerSpec]:
    """Both servers on one GPU.

    Every kept step sits in both caches, so the KV memory is split by what one token costs in each.
    SGLang reads `--mem-fraction-static` as a share of the memory that is free when the server
    starts; so the PRM starts second, and its share is of what the policy leaves.
    """
    policy, prm = size_of(models["policy"]), size_of(models["prm"])
    free = gpu.free_bytes
    reserve = max(_RESERVE, free // _RESERVE_SHARE)
    kv = free - policy.weight_bytes - prm.weight_bytes - 2 * reserve
    if kv < 0.5 * GIB:
        need = (free - kv) / GIB + 0.5
        raise PlanError(
            f"the two models need about {need:.0f} GiB and GPU {gpu.index} has "
            f"{free / GIB:.0f} GiB free: take smaller models, or give one as a URL"
        )
    kv_policy = (
        kv * policy.kv_bytes_per_token // (policy.kv_bytes_per_token + prm.kv_bytes_per_token)
    )
    static_policy = policy.weight_bytes + kv_policy
    static_prm = prm.weight_bytes + kv - kv_policy
    left = free - static_policy - reserve
    tokens = kv_policy // policy.kv_bytes_per_token
    common = f"shares the GPU: room for about {tokens:,} cached tokens in each server"
    servers: dict[Role, ServerSpec] = {}
    for role, size, fraction in (
        ("policy", policy, static_policy / free),
        ("prm", prm, static_prm / left),
    ):
        name: Role = "policy" if role == "policy" else "prm"
        servers[name] = _on_gpus(
            name,
            models[name],
            (gpu,),
            overrides[name],
            {"--mem-fraction-static": (f"{fraction:.3f}",)},
            [size.reason, common],
            after="policy" if name == "prm" else None,
        )
    return servers
