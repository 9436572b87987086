"""The servers that recipes need."""

from __future__ import annotations

from collections.abc import Sequence

from sal.runs.endpoints import check_family, model_location, prm_serving
from sal.runs.errors import RunError
from sal.runs.estimate import RECORDED, TINY_SOLUTION
from sal.runs.problems import TINY
from sal.runs.recipe import Recipe
from sal.runtime.hardware import Hardware
from sal.runtime.model_files import NoModelFiles, is_url
from sal.runtime.needed_flags import with_needed_flags
from sal.runtime.plan import Load, Plan, PlanError, Role, make_plan

SHARED = ("policy", "prm", "policy_args", "prm_args", "deterministic")
"""Of recipes on the same servers; their PRM families may differ if they are served alike."""


def plan_servers(recipes: Sequence[Recipe], hardware: Hardware, *, make: bool = True) -> Plan:
    """One plan for all of `recipes`, of which some may do without a PRM.

    Without `make`, nothing is fetched or written that a server of the PRM would need.

    Raises `RunError` when they name different models, or for a model that cannot be served.
    """
    judged = [recipe for recipe in recipes if recipe.prm is not None]
    whole = (judged or recipes)[0]
    for recipe in recipes:
        check_family(recipe)
        other = [
            name
            for name in SHARED
            if getattr(recipe, name) != getattr(whole, name)
            and not (name == "prm" and recipe.prm is None)
        ]
        if other:
            raise RunError(f"runs on the same servers, but these differ: {', '.join(other)}")
    said = {whole.prm_family, *(recipe.prm_family for recipe in judged)}
    serving, *others = {prm_serving(whole.prm, family, make=make) for family in said}
    if others:
        raise RunError("runs on the same servers, but these differ: prm_family")
    try:
        plan = make_plan(
            hardware,
            model_location(whole.policy, "policy"),
            serving.model,
            policy_args=whole.policy_args,
            prm_args=whole.prm_args,
            deterministic=whole.deterministic,
            load=load_of(recipes),
        )
    except (PlanError, NoModelFiles) as error:
        raise RunError(str(error)) from error
    return with_needed_flags(plan, "prm", serving.args, serving.reason)


def given_plan(recipes: Sequence[Recipe]) -> Plan:
    """The endpoints that are given as URLs, where servers are started on other machines."""
    models: dict[Role, str | None] = {"policy": recipes[0].policy}
    models["prm"] = next((recipe.prm for recipe in recipes if recipe.prm is not None), None)
    return Plan(urls={role: model for role, model in models.items() if model and is_url(model)})


def load_of(recipes: Sequence[Recipe]) -> Load:
    """What the largest search among `recipes` asks of the caches.

    N solutions of the mean length of recorded ones, or of the tiny policy's.
    """
    loads = [Load()]
    for recipe in recipes:
        most = recipe.params.get("max_tokens")
        if most is not None:
            mean = (TINY_SOLUTION if recipe.policy == TINY else RECORDED).tokens
            loads.append(Load(int(recipe.params.get("budget", 1) * min(most, mean)), most))
    return Load(max(load.problem for load in loads), max(load.solution for load in loads))
