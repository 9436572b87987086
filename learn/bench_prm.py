"""The PRM of a benchmark: served here, or where its URL says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from sal.learn.weights import weights_digest
from sal.runs.endpoints import model_location, prm_serving
from sal.runs.errors import RunError
from sal.runtime.client import Engine
from sal.runtime.hardware import detect
from sal.runtime.launch import OnStatus
from sal.runtime.model_files import NoModelFiles
from sal.runtime.needed_flags import with_needed_flags
from sal.runtime.plan import Plan, PlanError, make_plan
from sal.runtime.session import Servers
from sal.verifiers.contract import Serving
from sal.verifiers.family import load_verifier
from sal.verifiers.interface import Verifier

WORKERS = 16
"""Solutions at a time, where the server does not say how many requests it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """Which PRM, as `--prm` and `--prm-family` name it, with SGLang's flags for its server."""

    prm: str
    family: str | None = None
    prm_args: tuple[str, ...] = ()


def weights_of(settings: BenchSettings) -> str | None:
    """The digest of its weights; None where they are not here, as of a URL."""
    try:
        return weights_digest(str(model_location(settings.prm, "prm")))
    except (NoModelFiles, OSError):  # whoever serves it will say so
        return None


@contextmanager
def served_verifier(
    settings: BenchSettings, on_status: OnStatus | None = None
) -> Iterator[tuple[Verifier, int]]:
    """The PRM, served here or where its URL says, and how many solutions to score at a time.

    Raises `RunError`, `LaunchError`, `EndpointError`.
    """
    serving = prm_serving(settings.prm, settings.family)
    if serving.model is None:  # it needs no server
        yield _verifier(None, model_location(settings.prm, "prm"), settings.family), WORKERS
        return
    with Servers(_plan(serving, settings), on_status=on_status) as servers:
        engine = cast(Engine, servers.prm)
        engine.find_replicas()
        yield _verifier(engine, None, settings.family), engine.capacity() or WORKERS


def _plan(serving: Serving, settings: BenchSettings) -> Plan:
    try:
        plan = make_plan(detect(), None, serving.model, prm_args=settings.prm_args)
    except (PlanError, NoModelFiles) as error:
        raise RunError(str(error)) from error
    return with_needed_flags(plan, "prm", serving.args, serving.reason)


def _verifier(engine: Engine | None, model: str | None, family: str | None) -> Verifier:
    try:
        return load_verifier(engine, model, family)
    except (ValueError, OSError) as error:
        raise RunError(" ".join(str(error).split())) from error
