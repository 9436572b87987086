"""What `sal doctor` looks at. Imports neither sglang nor torch, so that it answers at once."""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from sal.runtime.client import Engine
from sal.runtime.hardware import Hardware, detect
from sal.runtime.launch import answers
from sal.runtime.made_models import waiting
from sal.runtime.model_files import NoModelFiles
from sal.runtime.model_size import GIB
from sal.runtime.plan import PlanError, Role, make_plan
from sal.runtime.warm_servers import WarmServers

_PACKAGES = ("sglang", "torch", "transformers")
_CPU_SERVER_GIB = 2.5  # resident memory of one server on the CPU engine


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `mend` says what to do; with `fatal`, no run is possible before it is done."""

    what: str
    found: str
    mend: str = ""
    fatal: bool = False


def checkup(policy: str | None, prm: str | None, warm_servers: WarmServers) -> list[Check]:
    """Look at everything that a run with these models needs."""
    hardware = detect()
    return [
        *_software(),
        *_hardware(hardware),
        *_kernels(hardware),
        *_plan(hardware, policy, prm),
        *_warm(warm_servers),
    ]


def _software() -> Iterator[Check]:
    yield Check("python", f"{platform.python_version()} ({sys.executable})")
    for package in _PACKAGES:
        try:
            yield Check(package, version(package))
        except PackageNotFoundError:
            yield Check(package, "not installed", f"pip install {package}", fatal=True)


def _hardware(hardware: Hardware) -> Iterator[Check]:
    for gpu in hardware.gpus:
        yield Check(
            f"GPU {gpu.index}",
            f"{gpu.name}, {gpu.free_bytes / GIB:.1f} of {gpu.total_bytes / GIB:.1f} GiB free",
        )
    if not hardware.gpus:
        yield Check("GPU", "none (nvidia-smi lists none): the CPU engine serves small models")
    memory = hardware.memory_bytes / GIB
    short = not hardware.gpus and memory < 2 * _CPU_SERVER_GIB
    yield Check(
        "CPU",
        f"{len(hardware.cores)} cores, {memory:.0f} GiB memory",
        f"two servers on the CPU take about {2 * _CPU_SERVER_GIB:.0f} GiB" if short else "",
    )


def _kernels(hardware: Hardware) -> Iterator[Check]:
    installed = importlib.util.find_spec("sgl_kernel") is not None
    if not hardware.gpus:
        yield Check("sgl_kernel", "the stand-in, on the server's path only")
    elif not installed:
        yield Check("sgl_kernel", "not installed", "pip install sglang-kernel", fatal=True)
    elif not _loads("libcuda.so.1"):
        yield Check(
            "sgl_kernel", "libcuda.so.1 does not load", "install the NVIDIA driver", fatal=True
        )
    else:
        yield Check("sgl_kernel", "installed, and the CUDA driver loads")


def _plan(hardware: Hardware, policy: str | None, prm: str | None) -> Iterator[Check]:
    if policy is None and prm is None:
        yield Check("plan", "no models", "name them with --policy and --prm", fatal=True)
        return
    try:
        to_make = [waiting(model) for model in (policy, prm) if model is not None]
        if any(to_make):
            found = "; ".join(dict.fromkeys(filter(None, to_make)))
            yield Check("plan", found, "sal up does it, and so does the first run")
            return
        plan = make_plan(hardware, policy, prm)
    except (PlanError, NoModelFiles) as error:
        yield Check("plan", "impossible", str(error), fatal=True)
        return
    for role, url in plan.urls.items():
        yield Check(f"plan: {role}", url)
        yield from _replicas(role, url)
    for role, spec in plan.servers.items():
        yield Check(f"plan: {role}", "; ".join([spec.model, *spec.reasons]))


def _warm(warm_servers: WarmServers) -> Iterator[Check]:
    entries = warm_servers.entries()
    for warm in entries:
        state = "ready" if warm.answers() else "loading"
        behind = f", {len(warm.workers)} replicas" if warm.workers else ""
        yield Check(
            f"warm: {warm.role}", f"{warm.model} at {warm.url}, pid {warm.pid}{behind}, {state}"
        )
        if warm.workers:
            yield from _replicas(warm.role, warm.url)
    if not entries:
        yield Check("warm servers", "none (`sal up` starts them)")


def _replicas(role: Role, url: str) -> Iterator[Check]:
    """Those behind a gateway; nothing of what is no gateway, or does not answer."""
    with Engine(url) as engine:
        for worker in engine.workers():
            if answers(worker):
                yield Check(f"replica: {role}", f"{worker}, ready")
            else:
                mend = "the others get its requests until it is there again, or another is"
                yield Check(f"replica: {role}", f"{worker}, does not answer", mend)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
