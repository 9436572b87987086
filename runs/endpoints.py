"""The two servers as a run uses them: a backend, a verifier, prompts, and how they end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sal.programs.problem import Problem
from sal.runs.errors import RunError, ServersLost
from sal.runs.problems import TINY, Question
from sal.runs.prompts import Prompts
from sal.runs.recipe import Recipe
from sal.runtime.access import OPEN, Access
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine, Retrying
from sal.runtime.endpoint_errors import EndpointError, Misread, Missing, Overloaded, Unreachable
from sal.runtime.made_models import is_made, make
from sal.runtime.model_cost import ModelCost, model_cost
from sal.runtime.model_files import is_url, local_files, local_folder
from sal.runtime.plan import Role
from sal.runtime.session import Servers, reachable
from sal.verifiers.family import (
    FAMILIES,
    PrmSpec,
    UnknownFamily,
    choose,
    load_verifier,
    look_up,
    served_model,
)


def model_location(name: str | None, role: Role) -> str | None:
    """`tiny` as the folder of the embedded model; any other name or URL as it is.

    A model that is to be made (`runtime.made_models`) is made now: commands `make_ready` before,
    and show how it goes. Raises `NoModelFiles`.
    """
    if name is not None and is_made(name):
        return str(make(name))
    if name != TINY:
        return name
    from sal.tiny.paths import POLICY, PRM

    return str(POLICY if role == "policy" else PRM)


_FIRST_LIMIT_S = 15.0
"""Before anything is shown."""

_TRIED: Mapping[Role, dict[str, Any]] = {
    "policy": {"text": "1 + 1 =", "sampling_params": {"max_new_tokens": 2, "temperature": 0}},
    "prm": {
        "input_ids": [1, 2, 3],
        "sampling_params": {"max_new_tokens": 0, "temperature": 0},
        "return_logprob": True,
        "token_ids_logprob": [0, 1],
    },
}


def check_urls(
    urls: Mapping[Role, str], access: Mapping[Role, Access] | None = None, *, write: bool = True
) -> dict[Role, dict[str, Any]]:
    """What the user's endpoints say of their models.

    Each is asked all that a run asks: with `write`, also for a few tokens. What may pass, such as
    a full queue, is left to the run, which waits for it and says so. Raises `RunError` for an
    endpoint that is not there, or is no SGLang server.
    """
    infos: dict[Role, dict[str, Any]] = {}
    for role, url in urls.items():
        if not reachable(url):
            raise RunError(f"--{role} {url}: nothing takes connections there")
        with Engine(url, (access or {}).get(role, OPEN), deadline_s=_FIRST_LIMIT_S) as engine:
            try:
                infos[role] = engine.info()
                engine.server_info()
                if write:
                    with suppress(Unreachable, Overloaded):
                        engine.generate(_TRIED[role])
            except EndpointError as error:
                other = isinstance(error, Missing | Misread)
                kind = "not an SGLang server" if other else "cannot be used"
                said = " ".join(str(error).split())
                raise RunError(f"--{role} {url}: {kind}: {said}") from error
    return infos


def prm_spec(
    prm: str | None, family: str | None, access: Mapping[Role, Access] | None = None
) -> PrmSpec | None:
    """What is known of a run's PRM; None without one, and for a URL that does not answer.

    Looks on the Hub only for what neither its files here nor its name tell. Raises ValueError for
    a PRM whose format is not known or not served.
    """
    model = model_location(prm, "prm")
    if model is None:
        return None
    if is_url(model):
        if not reachable(model):
            return None
        try:
            with Engine(
                model, (access or {}).get("prm", OPEN), deadline_s=_FIRST_LIMIT_S
            ) as engine:
                return look_up(served_model(engine.info()), family)
        except (EndpointError, KeyError):
            return None
    folder = local_folder(model)
    if folder is not None:
        return choose(model, json.loads((folder / "config.json").read_text("utf-8")), family)
    try:
        return choose(model, {}, family)
    except UnknownFamily:
        return look_up(model, family)


def check_family(recipe: Recipe) -> None:
    """Raise `RunError` when it can be told here that the PRM's format is not known or not served.

    A server of the user's is asked by `RunEndpoints`.
    """
    if recipe.prm_family is not None and recipe.prm_family not in FAMILIES:
        raise RunError(f"--prm-family {recipe.prm_family}: not one of {', '.join(FAMILIES)}")
    if recipe.prm is None or is_url(recipe.prm):
        return
    try:
        prm_spec(recipe.prm, recipe.prm_family)
    except (ValueError, OSError) as error:
        raise RunError(" ".join(str(error).split())) from error


class RunEndpoints:
    """`servers`, entered, under `recipe`.

    Raises `RunError` when the PRM's family or tokenizer cannot be had, `EndpointError` when an
    endpoint does not answer.
    """

    def __init__(self, servers: Servers, recipe: Recipe) -> None:
        self._servers = servers
        self._engines: dict[str, Engine] = {"policy": servers.policy}
        if servers.prm is not None:
            self._engines["PRM"] = servers.prm
        self.notes: list[str] = []
        """What whoever follows the run should know of its endpoints."""
        self.backend = PooledBackend(servers.policy, context=servers.policy.context())
        self._prompts = Prompts(recipe)
        self.notes += self._prompts.check(self.backend.tokenizer)
        if self.backend.tokenizer is None:
            self.notes.append(
                f"policy: no tokenizer of {self.backend.get_model_name()} here or on the Hub: "
                "questions go out as plain text, without a chat template"
            )
        for engine in self._engines.values():
            engine.find_replicas()
        self.capacity = servers.policy.capacity()
        self.verifier: Any = None
        self.models: dict[str, ModelCost | None] = {"policy": _cost(self.backend.get_model_name())}
        if servers.prm is not None:
            self.models["prm"] = _cost(str(servers.prm.info().get("model_path", "")))
            try:
                self.verifier = load_verifier(servers.prm, family=recipe.prm_family)
            except (ValueError, OSError) as error:
                raise RunError(" ".join(str(error).split())) from error

    def problem(self, question: Question) -> Problem:
        """As the policy is asked it."""
        return self._prompts.problem(question, self.backend.tokenizer)

    def check(self) -> None:
        """A server of ours was restarted once before this; one of the user's is asked now."""
        if self._servers.failed:
            raise ServersLost(self._servers.failed)
        for engine in self._engines.values():
            try:
                engine.info()
            except EndpointError as error:
                raise ServersLost(f"{engine.url} no longer answers: {error}") from error

    def retrying(self) -> dict[str, Retrying]:
        """What is being tried again now, by endpoint."""
        seen = {name: engine.retrying for name, engine in self._engines.items()}
        return {name: retrying for name, retrying in seen.items() if retrying is not None}

    def abort(self) -> None:
        for engine in self._engines.values():
            engine.close()


def _cost(model: str) -> ModelCost | None:
    return model_cost(local_files(model)) if model else None
