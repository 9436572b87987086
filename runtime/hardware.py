"""What this machine has, found without importing torch."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_QUERY = "index,uuid,name,memory.total,memory.free"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device; `index` is what CUDA_VISIBLE_DEVICES takes. Sizes in bytes."""

    index: int
    name: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """The GPUs this process may use, its cores' numbers, and the machine's memory in bytes.

    `bf16`: whether the CPU has instructions for products of bfloat16.
    """

    gpus: tuple[Gpu, ...]
    cores: tuple[int, ...]
    memory_bytes: int
    bf16: bool = False


def detect() -> Hardware:
    """Look at this machine. Without a working `nvidia-smi` there are no GPUs."""
    return Hardware(
        visible(parse_gpus(_nvidia_smi()), os.environ.get("CUDA_VISIBLE_DEVICES")),
        usable_cores(),
        int(psutil.virtual_memory().total),
        multiplies_bf16(_cpu_info()),
    )


def parse_gpus(table: str) -> list[tuple[str, Gpu]]:
    """The rows of `nvidia-smi --query-gpu`, each with the device's UUID."""
    gpus = []
    for row in csv.reader(table.splitlines(), skipinitialspace=True):
        try:
            index, uuid, name, total, free = row
            gpus.append((uuid, Gpu(int(index), name, int(total) * _MIB, int(free) * _MIB)))
        except ValueError:  # a device in error answers "[N/A]" or a sentence
            continue
    return gpus


def visible(gpus: Sequence[tuple[str, Gpu]], wanted: str | None) -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order, up to an unknown one (as CUDA)."""
    if wanted is None:
        return tuple(gpu for _, gpu in gpus)
    chosen: list[Gpu] = []
    for name in (part.strip() for part in wanted.split(",")):
        match = [
            gpu for uuid, gpu in gpus if name and (name == str(gpu.index) or uuid.startswith(name))
        ]
        if len(match) != 1:
            break
        chosen += match
    return tuple(chosen)


def _nvidia_smi() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    try:
        done = subprocess.run(
            [tool, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def usable_cores() -> tuple[int, ...]:
    """The numbers of the cores that this thread may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def all_but_one(cores: Sequence[int]) -> tuple[int, ...]:
    """`cores` without the first; a single one stays."""
    return tuple(cores[1:] or cores)


def multiplies_bf16(cpu_info: str) -> bool:
    """Whether Linux' /proc/cpuinfo names AMX's, AVX-512's or Arm's instructions for bfloat16."""
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", cpu_info, re.MULTILINE)
    return bool(flags and {"amx_bf16", "avx512_bf16", "bf16"} & set(flags[1].split()))


def cpu_name() -> str:
    """What the processor calls itself; "unknown" where that cannot be read."""
    found = re.search(r"^model name\s*:\s*(.+)$", _cpu_info(), flags=re.M)
    return found[1].strip() if found else "unknown"


def _cpu_info() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
