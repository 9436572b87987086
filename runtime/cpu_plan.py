"""The servers of a machine without a GPU: SGLang's CPU engine, its flags and its environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path

from sal.runtime import cpu_attention, cpu_matmul, cpu_sampling
from sal.runtime.cpu_choice import CpuChoice, choose, rooms
from sal.runtime.hardware import Hardware, all_but_one
from sal.runtime.load import Load, against
from sal.runtime.model_size import GIB, ModelSize
from sal.runtime.served_size import served_context
from sal.runtime.server_flags import (
    CPU_THREADS,
    DETERMINISTIC,
    LORA_PATHS,
    PIPELINE,
    REPLICAS,
    TENSOR_PARALLEL,
    Flags,
    PlanError,
    count,
    said,
)
from sal.runtime.server_spec import Role, ServerSpec, server_spec

STAND_IN = Path(__file__).resolve().parent / "stand_in"

_REQUESTS = "256"


def on_cpu(
    models: Mapping[Role, str],
    overrides: Mapping[Role, Flags],
    hardware: Hardware,
    size_of: Callable[[str], ModelSize],
    load: Load = Load(),
    replicas: Mapping[Role, int] = {},
) -> dict[Role, ServerSpec]:
    """A server for each model, or for each of its `replicas` one like it; they share cores and
    memory. Raises `PlanError`."""
    servers: dict[Role, ServerSpec] = {}
    sizes = {role: size_of(model) for role, model in models.items()}
    all_of_them = [role for role in models for _ in range(replicas.get(role, 1))]
    memory = dict(
        zip(all_of_them, rooms([sizes[role] for role in all_of_them], hardware), strict=True)
    )
    for role, model in models.items():
        flags = overrides[role]
        _check(role, flags)
        cores = hardware.cores
        if role == "prm" and len(models) == 2:
            cores = all_but_one(cores)
        size = sizes[role]
        choice = choose(
            size,
            hardware,
            len(all_of_them),
            room=memory[role],
            exact=DETERMINISTIC in flags,
            dtype=said(flags, "--dtype"),
        )
        tokens = count(flags, ("--max-total-tokens",)) or choice.tokens
        room = against(load, tokens, served_context(size, flags))
        if size.quantised:
            room.append(f"quantised ({size.quantised}), which is not known to work without a GPU")
        servers[role] = _server(role, model, flags, hardware, cores, choice, room)
    return servers


def _check(role: Role, flags: Flags) -> None:
    """Refuse what only a GPU does."""
    if LORA_PATHS in flags:
        raise PlanError(
            f"--{role}: a LoRA adapter needs a GPU, for SGLang's layers of one hold CUDA's memory: "
            "merge it into its base (peft's merge_and_unload) and give the merged folder"
        )
    for names in (TENSOR_PARALLEL, REPLICAS, PIPELINE):
        if (count(flags, names) or 1) > 1:
            raise PlanError(f"{names[0]} shares a model out among GPUs, and there is none here")


def _server(
    role: Role,
    model: str,
    overrides: Flags,
    hardware: Hardware,
    cores: tuple[int, ...],
    choice: CpuChoice,
    room: list[str],
) -> ServerSpec:
    threads = count(overrides, (CPU_THREADS,)) or choice.threads
    exact = DETERMINISTIC in overrides
    dtype = said(overrides, "--dtype") or choice.dtype
    tokens = said(overrides, "--max-total-tokens") or str(choice.tokens)
    flags: Flags = {
        "--device": ("cpu",),
        "--dtype": (choice.dtype,),
        "--max-total-tokens": (str(choice.tokens),),
        "--max-running-requests": (_REQUESTS,),
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
        *room,
        seeded,
    ]
    if choice.lacks > 0:
        reasons.append(
            f"about {choice.lacks / GIB:.1f} GiB more memory than this machine has for it: try a "
            "smaller model, a machine with a GPU, or the URL of a server elsewhere"
        )
    if len(cores) < len(hardware.cores):
        reasons.append("leaves one core to the policy")
    return server_spec(role, model, "cpu", flags, env, reasons, overrides, cores=cores)


def _brings_rust_server() -> bool:
    """Whether the sglang that is installed has its server in Rust: not every platform's has."""
    extensions = Path(str(distribution("sglang").locate_file("sglang/srt/rust_extensions")))
    return any(extensions.glob("_server.*.so"))
