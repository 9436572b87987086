"""What a sweep's runs say together, checked: the same problems, searched by several strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sal.runs.errors import RunError
from sal.runs.found import FoundRun, find_runs
from sal.runs.registry import STRATEGIES
from sal.runs.results import ResultRow

SAMPLES = "best-of-n"
"""The strategy whose samples tell how hard a problem is."""

LIMITS = (
    *("max_tokens", "separator", "top_p", "top_k", "min_p", "stop_strings"),
    *("think_budget", "think_extensions"),
)
"""Parameters in which the strategies must not differ: what the policy is asked for is one thing."""

SAME = (
    *("policy", "prm", "prm_family", "dataset", "split", "seed", "extract"),
    *("system_prompt", "prompt_template", "thinking"),
)
"""Keys of recipes that must agree."""


class NoFit(RunError):
    """The runs do not allow a fit; the message says why."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A strategy with N completions: its results, a row per problem.

    `label` is its name, with the parameters that are not its defaults; `params` are without N.
    """

    label: str
    strategy: str
    params: Mapping[str, Any]
    n: int
    run: FoundRun

    @property
    def rows(self) -> Sequence[ResultRow]:
        return self.run.rows


@dataclass(frozen=True, slots=True)
class Sweep:
    """`samples` is the largest run of Best-of-N; `passed_over` says which runs are not used."""

    samples: Arm
    arms: tuple[Arm, ...]
    passed_over: tuple[str, ...]

    @property
    def runs(self) -> list[FoundRun]:
        """Those that are used."""
        return [arm.run for arm in (self.samples, *self.arms)]

    @property
    def problems(self) -> int:
        return len(self.samples.rows)


def read_sweep(path: Path) -> Sweep:
    """Read and check the runs below `path`; raises `NoFit`, or `FolderError` where there are none.

    Smaller runs of Best-of-N are not used, for the largest holds their samples, nor those of
    strategies that a rule cannot follow.
    """
    arms: list[Arm] = []
    passed_over: list[str] = []
    for run in find_runs(path):
        why = _unusable(run)
        if why:
            passed_over.append(f"{run.path.name}: {why}")
        else:
            arms.append(_arm(run))
    sampled = [arm for arm in arms if arm.strategy == SAMPLES]
    if not sampled:
        raise NoFit(
            f"{path}: no run of {SAMPLES}, whose samples tell how hard a problem is; add one, "
            "with at least as many samples as the largest budget"
        )
    samples = max(sampled, key=lambda arm: arm.n)
    for arm in arms:
        _check(arm, samples)
    order = list(STRATEGIES)  # of equal strategies the plainer one is preferred
    others = tuple(
        sorted(
            (arm for arm in arms if arm.strategy != SAMPLES),
            key=lambda arm: (order.index(arm.strategy), arm.label, arm.n),
        )
    )
    twice = _twice([(arm.label, arm.n) for arm in others])
    if twice:
        raise NoFit(f"{path}: two runs of {twice[0]} with N = {twice[1]}; give one")
    return Sweep(samples, others, tuple(passed_over))


def _unusable(run: FoundRun) -> str:
    name = run.recipe.strategy
    if name == "majority":
        return "its vote is taken over the samples of best-of-n"
    if name not in STRATEGIES:
        return f"{name} is another package's"
    if name == "auto" or "budget" not in run.recipe.params:
        return "a rule cannot follow it"
    if not STRATEGIES[name].program.needs_prm:
        return "it does not decide by the PRM's scores"
    return ""


def _arm(run: FoundRun) -> Arm:
    name = run.recipe.strategy
    given = {key: value for key, value in run.recipe.params.items() if key != "budget"}
    params = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items()}
    params_class = STRATEGIES[name].program.params_class
    said = [
        f"{f.name}={params[f.name]}"
        for f in fields(params_class)
        if f.name in params
        and f.default is not None  # an aggregate that is left to the PRM is settled in a recipe
        and params[f.name] != f.default
    ]
    return Arm(" ".join([name, *said]), name, params, run.budget, run)


def _check(arm: Arm, samples: Arm) -> None:
    """Raises `NoFit` unless the two searched the same problems, wholly, with the same models."""
    name, like = arm.run.path, samples.run.path
    if arm.run.owed or not arm.rows:
        raise NoFit(
            f"{name}: {arm.run.owed or 'all'} of its problems are not searched yet; finish it with "
            f"sal run --resume {name}"
        )
    if [row.id for row in arm.rows] != [row.id for row in samples.rows] or (
        arm.run.recipe.problems_digest != samples.run.recipe.problems_digest
    ):
        raise NoFit(f"{name} and {like} are of other problems")
    for key in SAME:
        if getattr(arm.run.recipe, key) != getattr(samples.run.recipe, key):
            raise NoFit(f"{name} and {like} differ in {key}")
    for key in LIMITS:
        if arm.params.get(key) != samples.params.get(key):
            raise NoFit(f"{name} and {like} differ in params.{key}")


def _twice(names: Sequence[tuple[str, int]]) -> tuple[str, int] | None:
    return next((name for name in names if names.count(name) > 1), None)
