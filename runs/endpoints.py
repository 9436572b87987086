"""The two servers as a run uses them: a backend, a verifier, prompts, and how they end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sal.programs.problem import Problem
from sal.runs.errors import RunError, ServersLost
from sal.runs.problems import Question
from sal.runs.prompts import Prompts
from sal.runs.recipe import Recipe
from sal.runs.registry import find_strategy
from sal.runtime.access import OPEN, Access
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import EndpointError, Misread, Missing, Overloaded, Unreachable
from sal.runtime.made_models import is_made, make
from sal.runtime.model_cost import ModelCost, model_cost
from sal.runtime.model_files import is_url, local_files, local_folder
from sal.runtime.plan import Role
from sal.runtime.retries import Retrying
from sal.runtime.session import Servers, reachable
from sal.verifiers.contract import Family, Prm, Serving
from sal.verifiers.family import (
    PrmSpec,
    UnknownFamily,
    choose,
    describe,
    load_verifier,
    look_up,
    named_family,
    read_config,
    served_model,
)
from sal.verifiers.interface import Traits, Verifier


def model_location(name: str | None, role: Role) -> str | None:
    """The name of an embedded model as its folder; any other name or URL as it is.

    A model that is to be made (`runtime.made_models`) is made now: commands `make_ready` before,
    and show how it goes. Raises `NoModelFiles`.
    """
    if name is None:
        return None
    if is_made(name):
        return str(make(name))
    from sal.tiny.paths import NAMES

    return str(NAMES[role].get(name, name))


_FIRST_LIMIT_S = 15.0
"""Before anything is shown."""

_TRIED = {"text": "1 + 1 =", "sampling_params": {"max_new_tokens": 2, "temperature": 0}}


def check_urls(
    urls: Mapping[Role, str],
    access: Mapping[Role, Access] | None = None,
    *,
    write: bool = True,
    prm_family: str | None = None,
) -> dict[Role, dict[str, Any]]:
    """What the user's endpoints say of their models.

    Each is asked all that a run asks: with `write`, also for a few tokens, or for what the PRM's
    family reads. What may pass, such as a full queue, is left to the run, which waits for it and
    says so. Raises `RunError` for an endpoint that is not there, or is no SGLang server (or what
    else the PRM's family wants).
    """
    infos: dict[Role, dict[str, Any]] = {}
    for role, url in urls.items():
        if not reachable(url):
            raise RunError(f"--{role} {url}: nothing takes connections there")
        with Engine(url, (access or {}).get(role, OPEN), deadline_s=_FIRST_LIMIT_S) as engine:
            wanted = Family.endpoint
            try:
                if role == "prm" and prm_family is not None:
                    wanted = named_family(prm_family)[0].endpoint
                infos[role] = engine.info() if role == "policy" else describe(engine, prm_family)
                if wanted == Family.endpoint:
                    engine.server_info()
                if write:
                    with suppress(Unreachable, Overloaded):
                        if role == "policy":
                            engine.generate(_TRIED)
                        elif family := _family_of(infos[role], prm_family):
                            family.probe(engine)
            except ValueError as error:
                raise RunError(" ".join(str(error).split())) from error
            except EndpointError as error:
                other = isinstance(error, Missing | Misread)
                kind = f"not {wanted}" if other else "cannot be used"
                said = " ".join(str(error).split())
                raise RunError(f"--{role} {url}: {kind}: {said}") from error
    return infos


def _family_of(info: Mapping[str, Any], said: str | None) -> Family | None:
    """Of what an endpoint serves; None where the run will be told that it is not known."""
    try:
        return look_up(served_model(info), said).family
    except (ValueError, KeyError, OSError):
        return None


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
                return look_up(served_model(describe(engine, family)), family)
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
    try:
        if recipe.prm_family is not None:
            check_fit(recipe, _said_family(recipe.prm_family))
        here = None if recipe.prm is None or is_url(recipe.prm) else recipe.prm
        if (spec := prm_spec(here, recipe.prm_family)) is not None:
            check_fit(recipe, spec.family)
    except (ValueError, OSError) as error:
        raise RunError(" ".join(str(error).split())) from error


def _said_family(said: str) -> Family:
    try:
        return named_family(said)[0]
    except ValueError as error:
        raise RunError(f"--prm-family {said}: {error}") from error


def check_fit(recipe: Recipe, verifier: Any) -> None:
    """Raise `RunError` where a strategy cannot go by a verifier, or by one of a family."""
    if not find_strategy(recipe.strategy).program.fits(verifier):
        raise RunError(
            f"the PRM scores whole solutions (an outcome reward model), and {recipe.strategy} goes "
            "by the scores of steps: best-of-n does not"
        )
    if Traits.of(verifier).outcome and recipe.params.get("aggregate") == "prod":
        raise RunError("--aggregate prod: an outcome reward model has one score, and no product")


def prm_serving(prm: str | None, family: str | None = None, *, make: bool = True) -> Serving:
    """What a server of ours is started with for a PRM; one of an unknown format, as it is.

    With `make`, what the family needs of the model's files is made. Raises `RunError` for a PRM
    that cannot be served here.
    """
    model = model_location(prm, "prm")
    if model is None or is_url(model):
        return Serving(model)
    try:
        spec = prm_spec(prm, family)
        if spec is None:
            return Serving(model)
        config = read_config(model)
        return spec.family.serve(Prm(model, config, spec.options, make=make))
    except UnknownFamily:
        return Serving(model)
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
        for engine in self._engines.values():
            engine.find_replicas()
        self.backend = PooledBackend(servers.policy, context=servers.policy.context())
        self._prompts = Prompts(recipe)
        self.notes += self._prompts.check(self.backend.tokenizer)
        if self.backend.tokenizer is None:
            self.notes.append(
                f"policy: no tokenizer of {self.backend.get_model_name()} here or on the Hub: "
                "questions go out as plain text, without a chat template"
            )
        self.capacity = servers.policy.capacity()
        self.verifier: Verifier | None = None
        self.models: dict[str, ModelCost | None] = {"policy": _cost(self.backend.get_model_name())}
        self._prm_family = recipe.prm_family
        if servers.prm is not None or recipe.prm is not None:
            try:
                if servers.prm is not None:
                    info = describe(servers.prm, recipe.prm_family)
                    self.models["prm"] = _cost(str(info.get("model_path", "")))
                named = recipe.prm if servers.prm is None else None
                self.verifier = load_verifier(servers.prm, named, recipe.prm_family)
                check_fit(recipe, self.verifier)
            except (ValueError, OSError) as error:
                raise RunError(" ".join(str(error).split())) from error
            self._note_window(recipe.params.get("max_tokens"))

    def _note_window(self, longest: int | None) -> None:
        window = Traits.of(self.verifier).window
        if window and longest and longest > window:
            self.notes.append(
                f"PRM: it reads {window:,} tokens, and a solution may have {longest:,}: steps "
                "beyond its window get an error and no score"
            )

    def problem(self, question: Question) -> Problem:
        """As the policy is asked it.

        Raises `Rejected` for one that the PRM cannot read even without a solution.
        """
        Traits.of(self.verifier).check_question(question.text)
        return self._prompts.problem(question, self.backend.tokenizer)

    def check(self) -> None:
        """A server of ours was restarted once before this; one of the user's is asked now."""
        if self._servers.failed:
            raise ServersLost(self._servers.failed)
        for name, engine in self._engines.items():
            try:
                _ = describe(engine, self._prm_family) if name == "PRM" else engine.info()
            except EndpointError as error:
                raise ServersLost(f"{engine.url} no longer answers: {error}") from error

    def retrying(self) -> dict[str, Retrying]:
        """What is being tried again now, by endpoint."""
        seen = {name: engine.retrying for name, engine in self._engines.items()}
        return {name: retrying for name, retrying in seen.items() if retrying is not None}

    def abort(self) -> None:
        for engine in self._engines.values():
            engine.close()
        self.close()

    def close(self) -> None:
        """End what the verifier holds on to beside the two servers."""
        Traits.of(self.verifier).close()


def _cost(model: str) -> ModelCost | None:
    return model_cost(local_files(model)) if model else None
