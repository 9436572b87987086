"""PRMs with heads on servers of their own, planned as a run plans them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import CPU_ONLY
from prm_conformance import Reference
from prm_heads import FAMILIES, KINDS, OUTCOMES, reference

from sal.runs.endpoints import prm_serving
from sal.runtime.client import Engine
from sal.runtime.launch import Server, start_all, stop_all
from sal.runtime.needed_flags import with_needed_flags
from sal.runtime.plan import ServerSpec, make_plan
from sal.verifiers.contract import Prm
from sal.verifiers.family import load_verifier, look_up, read_config, served_model
from sal.verifiers.registry import find_family

CACHE = 16384
SERVED = {"universal": "qwen", "outcome": "llemma"}
"""Checkpoints that are judged on another's server, whose head is of the same shape."""

NAMES = {
    "universal": "Universal-PRM-7B",
    "reasoneval": "ReasonEval-7B",
    "llemma": "llemma-7b-prm",
    "outcome": "FsfairX-LLaMA3-RM-v0.1",
}
"""Of checkpoints that are known by them."""

GROUPS = (("classifier", "reasoneval"), ("qwen", "skywork", "llemma"))
"""Servers that are up at the same time."""


def server_of(folder: Path) -> ServerSpec:
    """As a run plans it for `--prm FOLDER`."""
    serving = prm_serving(str(folder), None)
    plan = make_plan(CPU_ONLY, None, serving.model, prm_args=[f"--max-total-tokens {CACHE}"])
    return with_needed_flags(plan, "prm", serving.args, serving.reason).servers["prm"]


class Pool:
    """Checkpoints by their kind, and their servers, a group at a time."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.made: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._up: dict[str, Server] = {}

    def folder(self, kind: str) -> Path:
        folder = self.base / NAMES.get(kind, kind)
        if kind not in self.made:
            self.made[kind] = KINDS[kind].save(folder)
        return folder

    def url(self, kind: str) -> str:
        kind = SERVED.get(kind, kind)
        if kind not in self._up:
            self.stop()
            group = next(group for group in GROUPS if kind in group)
            servers = {k: Server(server_of(self.folder(k)), self.base / k) for k in group}
            start_all(list(servers.values()))
            self._up = servers
        return self._up[kind].url

    def stop(self) -> None:
        stop_all(list(self._up.values()))
        self._up = {}

    def judged(self, name: str, engine: Engine) -> tuple[Any, Reference]:
        """A family's verifier on its checkpoint's server, and its authors' read-out."""
        kind, *_ = (FAMILIES | OUTCOMES)[name]
        folder = self.folder(kind)
        if kind in SERVED:
            model, head = self.made[SERVED[kind]]
            folded = _folded(head)
            family, config = find_family(name), read_config(str(folder))
            verifier = family.build(Prm(str(folder), config, family.options({}), engine))
            return verifier, reference(folder, name, model, folded)
        told = look_up(served_model(engine.info())).family.name  # by its overlay
        verifier = load_verifier(engine, family=None if told == name else name)
        return verifier, reference(folder, name, *self.made[kind])


def _folded(head: dict[str, Any]) -> dict[str, Any]:
    """Of a checkpoint's head what its server has."""
    if "lm_head.weight" in head:
        return {"score.weight": head["lm_head.weight"].mean(0, keepdim=True)}
    last = {f"score.2.{name}": head[f"score.2.{name}"] for name in ("weight", "bias")}
    return {**head, **{name: tensor[1:] - tensor[:1] for name, tensor in last.items()}}
