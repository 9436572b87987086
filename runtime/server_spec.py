"""One SGLang server as it is to be started: its command, and what stands behind it."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from dataclasses import dataclass
from typing import Literal

from sal.runtime import cpu_sampling
from sal.runtime.generation_config import with_model_defaults
from sal.runtime.server_flags import (
    CPU_THREADS,
    DETERMINISTIC,
    LORA_PATHS,
    Flags,
    PlanError,
    parse_flags,
    words,
)

Role = Literal["policy", "prm"]


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
        return self.env.get(cpu_sampling.SWITCH) == "1" or DETERMINISTIC in self.argv

    @property
    def adapter(self) -> str | None:
        """The LoRA adapter that every request must name: without its name the base answers."""
        given = parse_flags([shlex.join(self.overrides)]).get(LORA_PATHS)
        return given[0].partition("=")[0] if given else None


def server_spec(
    role: Role,
    model: str,
    device: Literal["cpu", "cuda"],
    flags: Flags,
    env: dict[str, str],
    reasons: list[str],
    overrides: Flags,
    *,
    after: Role | None = None,
    cores: tuple[int, ...] = (),
) -> ServerSpec:
    """The plan's `flags` with the user's `overrides`, which win. Raises `PlanError`."""
    own = {"--model-path": (model,), **flags, "--log-level": ("warning",)}
    merged = {**own, **overrides}
    port = merged.pop("--port", ("0",))
    if len(port) != 1 or not port[0].isdigit():
        raise PlanError(f"--port takes a number, not {' '.join(port)!r}")
    merged.pop(CPU_THREADS, None)
    if device == "cpu":
        merged.pop(DETERMINISTIC, None)
    merged.pop("--host", None)  # servers of ours listen on this machine only
    given = words(overrides)
    if given:
        reasons = [*reasons, f"you asked for {shlex.join(given)}"]
    argv = (sys.executable, "-m", "sglang.launch_server", *words(merged))
    spec = ServerSpec(
        role, model, device, argv, env, tuple(reasons), int(port[0]), given, after, cores
    )
    return with_model_defaults(spec, download=False)
