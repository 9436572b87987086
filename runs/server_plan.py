"""The servers that recipes need."""

from __future__ import annotations

from collections.abc import Sequence

from sal.runs.endpoints import check_family, model_location
from sal.runs.errors import RunError
from sal.runs.estimate import RECORDED, TINY_SOLUTION
from sal.runs.problems import TINY
from sal.runs.recipe import Recipe
from sal.runtime.hardware import Hardware
from sal.runtime.model_files import NoModelFiles
from sal.runtime.plan import Load, Plan, PlanError, make_plan

SHARED = ("policy", "prm", "policy_args", "prm_args", "deterministic")


def plan_servers(recipes: Sequence[Recipe], hardware: Hardware) -> Plan:
    """One plan for all of `recipes`, of which some may do without a PRM.

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
    try:
        return make_plan(
            hardware,
            model_location(whole.policy, "policy"),
            model_location(whole.prm, "prm"),
            policy_args=whole.policy_args,
            prm_args=whole.prm_args,
            deterministic=whole.deterministic,
            load=load_of(recipes),
        )
    except (PlanError, NoModelFiles) as error:
        raise RunError(str(error)) from error


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
