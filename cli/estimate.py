"""What `--dry-run` prints: the plan, what the run will need, and its recipe."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from sal.cli.display.words import count, duration
from sal.runs.admission import Admission
from sal.runs.endpoints import model_location, prm_spec
from sal.runs.estimate import RECORDED, TINY_SOLUTION, Estimate, Need, assumed, from_probe
from sal.runs.probe import probe, running
from sal.runs.problems import TINY
from sal.runs.recipe import Recipe
from sal.runs.settings import Prepared
from sal.runtime.access import Access
from sal.runtime.model_size import in_words, model_size
from sal.runtime.plan import Plan, Role
from sal.verifiers.contract import Family


def show_plan(
    plan: Plan,
    prepared: Prepared,
    path: Path,
    *,
    access: Mapping[Role, Access],
    as_json: bool,
) -> None:
    """Print it; servers that are up are asked for a few problems."""
    estimate = estimate_of(prepared, plan, access)
    memory = _memory(estimate, prepared, plan)
    recipe = yaml.safe_load(prepared.recipe.dump())
    if as_json:
        content = {
            "plan": plan.lines(),
            "estimate": {**asdict(estimate), **memory},
            "recipe": recipe,
            "folder": str(path),
        }
        print(json.dumps(content, indent=2, ensure_ascii=False))
        return
    print("# plan (nothing was started)")
    print("\n".join(plan.lines()))
    skipped = prepared.problems.skipped
    passed_over = f", skipped {skipped}" if skipped.rows else ""
    number = len(prepared.problems.questions)
    print(f"\n# {number} problem{'' if number == 1 else 's'}{passed_over}")
    for reason in skipped.reasons:
        print(f"#   {reason}")
    print("\n".join(_lines(estimate, memory)))
    print(f"\n# recipe, for {path}")
    print(prepared.recipe.dump(), end="")


def estimate_of(prepared: Prepared, plan: Plan, access: Mapping[Role, Access]) -> Estimate:
    """From a probe where the servers are up, else from how long solutions are."""
    recipe, questions = prepared.recipe, prepared.problems.questions
    solution = TINY_SOLUTION if recipe.policy == TINY else RECORDED
    # a policy without a chat template, as the tiny one is, takes no system prompt
    prompt = "" if recipe.policy == TINY else recipe.system_prompt or ""
    letters = len(prompt) + sum(len(q.text) for q in questions) / len(questions)
    asked = letters / solution.letters
    family = _prm_family(recipe, plan, access)
    ours = family is None or family.endpoint == Family.endpoint  # others may cost money
    urls = running(plan, recipe.prm) if ours else None
    probed = urls is not None and not prepared.strategy.program.labels  # needs the answers
    seen = probe(prepared, urls or {}, access, ours=plan.servers) if probed else None
    found = from_probe(seen, prepared.budget, len(questions), asked) if seen else None
    judged = prepared.strategy.program.prm != "never asked" and "prm" in (*plan.servers, *plan.urls)
    told = judged and (family is None or not family.writes)
    return found or assumed(prepared.params, len(questions), asked, solution, prm=told)


def _prm_family(recipe: Recipe, plan: Plan, access: Mapping[Role, Access]) -> Family | None:
    """That of the run's PRM; None without a server of one, and where it cannot be told."""
    if "prm" not in (*plan.servers, *plan.urls):
        return None
    with suppress(ValueError, OSError):  # the run itself will say what is wrong
        if (spec := prm_spec(recipe.prm, recipe.prm_family, access)) is not None:
            return spec.family
    return None


def _memory(estimate: Estimate, prepared: Prepared, plan: Plan) -> dict[str, Any]:
    """KV cache of the problems that are searched at a time, in bytes by endpoint."""
    spec = plan.servers.get("policy")
    capacity = _number_after("--max-running-requests", spec.argv) if spec else None
    at_once = Admission(prepared.budget, capacity).problems
    at_once = min(at_once, len(prepared.problems.questions))
    tokens = estimate.kv_tokens * at_once
    models: dict[Role, str | None] = {"policy": prepared.recipe.policy, "prm": prepared.recipe.prm}
    sizes: dict[str, float] = {}
    for role, name in models.items():
        model = model_location(name, role)
        served = role in plan.servers
        if model is None or not served or (role == "prm" and estimate.prm is None):
            continue
        spec = plan.servers.get(role)
        doubled = 2 if spec and "float32" in spec.argv else 1
        sizes[role] = tokens * model_size(model).kv_bytes_per_token * doubled
    return {"problems_at_once": at_once, "kv_bytes": sizes}


def _number_after(flag: str, argv: tuple[str, ...]) -> int | None:
    where = argv.index(flag) + 1 if flag in argv else len(argv)
    return int(argv[where]) if where < len(argv) and argv[where].isdigit() else None


def _lines(estimate: Estimate, memory: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n# estimate, {estimate.basis}"
    needs = {"policy": estimate.policy} | ({"PRM": estimate.prm} if estimate.prm else {})
    for name, need in needs.items():
        # equal steps are scored once, which only a search tells
        most = "at most " if name == "PRM" and estimate.seconds is None else ""
        yield f"{name}: {most}{_asked(need)}"
    sizes = " and ".join(
        f"{in_words(size)} in the {'PRM' if role == 'prm' else role}'s server"
        for role, size in memory["kv_bytes"].items()
    )
    at_once = memory["problems_at_once"]
    yield (
        f"KV cache: about {count(estimate.kv_tokens)} tokens a problem; "
        f"with {at_once} at a time{f' {sizes}' if sizes else ''}"
    )
    if estimate.seconds is None:
        yield "time: known from a probe, where the servers are up (sal up, or URLs)"
    else:
        yield f"time: about {duration(estimate.seconds)}"


def _asked(need: Need) -> str:
    generated = f", {count(need.generated)} generated" if need.generated else ""
    return f"{count(need.requests)} requests, {count(need.prefilled)} tokens prefilled{generated}"
