"""The cells of a sweep: every run of its grid, prepared and named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from sal.runs.errors import RunError
from sal.runs.problems import ProblemSet
from sal.runs.recipe_schema import checked, hints
from sal.runs.registry import find_strategy
from sal.runs.settings import Prepared, Settings, prepare
from sal.runs.sweep.axes import Axes, Method
from sal.runtime.access import Access
from sal.runtime.plan import Role


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of a sweep. `name` is that of its folder.

    `method` is the name under which it is compared: the strategy's or its `as`, with those
    parameters that the sweep varies. Cells of one method differ in N, models and seed.
    """

    name: str
    method: str
    prepared: Prepared

    @property
    def policy(self) -> str:
        return self.prepared.recipe.policy

    @property
    def prm(self) -> str | None:
        """None for a strategy that decides without one: it is searched once, whatever the PRMs."""
        return self.prepared.recipe.prm

    @property
    def seed(self) -> int:
        return self.prepared.recipe.seed


def plan_cells(
    base: Settings, axes: Axes, *, gpu: bool, access: Mapping[Role, Access] | None = None
) -> list[Cell]:
    """`base` at every point of the grid, in the order in which it is searched.

    Models are the outermost, so that each pair is served once; then small budgets come first, so
    that the time left is known early. A parameter of `base`, or of an axis, goes to the strategies
    that take it; one without N, or without a PRM, is one cell whatever is varied of these.

    Raises `RunError` for a parameter that none takes, and for cells that their strategies refuse,
    by their names.
    """
    if not axes.methods and not base.strategy:
        raise RunError("a sweep has strategies: --strategies, or strategy under sweep")
    methods = axes.methods or (Method(base.strategy, base.strategy),)
    _check_parameters(base, axes, methods)
    points: dict[str, _Point] = {}
    for point in _points(base, axes, methods):
        if points.setdefault(point.name(axes), point) != point:
            raise RunError(f"two cells of this sweep would be named {point.name(axes)}")
    planned: list[Cell] = []
    refused: list[str] = []
    problems: ProblemSet | None = None
    for name, point in points.items():
        try:
            prepared = prepare(point.settings(base), gpu=gpu, access=access, problems=problems)
        except RunError as error:
            refused.append(f"{name}: {error}")
            continue
        problems = prepared.problems
        planned.append(Cell(name, point.method_name, prepared))
    if refused:
        raise RunError("\n  ".join(["these cells are refused:", *refused]))
    return planned


@dataclass(frozen=True, slots=True)
class _Point:
    """A point of the grid, without what its strategy does not take."""

    method: Method
    budget: int | None
    policy: str | None
    prm: str | None
    seed: int | None
    params: Mapping[str, Any]

    @property
    def method_name(self) -> str:
        return ", ".join([self.method.name, *(f"{k}={v}" for k, v in self.params.items())])

    def name(self, axes: Axes) -> str:
        parts: list[Any] = [self.method.name]
        if self.budget is not None:
            parts.append(self.budget)
        for key, value in self.params.items():
            if len(axes.params[key]) > 1:
                parts += [key, value]
        if len(axes.policies) > 1:
            parts.append(_short(self.policy, axes.policies))
        if len(axes.prms) > 1 and self.prm is not None:
            parts.append(_short(self.prm, axes.prms))
        if len(axes.seeds) > 1:
            parts += ["seed", self.seed]
        return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", f"{part}").strip("-") for part in parts)

    def settings(self, base: Settings) -> Settings:
        """Raises `RunError` for a parameter that cannot be what it is said to be."""
        cls = find_strategy(self.method.strategy).program.params_class
        taken, annotations = _taken(self.method), hints(cls)
        said = {name: value for name, value in base.params.items() if name in taken}
        said |= {**self.params, **self.method.params}
        if self.budget is not None:
            said["budget"] = self.budget
        params = {}
        for name, value in said.items():
            try:
                params[name] = checked(name, value, annotations.get(name, Any))
            except ValueError as error:
                raise RunError(f"{name}: {error}") from error
        return replace(
            base,
            strategy=self.method.strategy,
            params=params,
            policy=self.policy,
            prm=self.prm,
            seed=self.seed,
        )


def _points(base: Settings, axes: Axes, methods: Sequence[Method]) -> Iterator[_Point]:
    default = axes.budgets or (base.params.get("budget"),)
    budgets = sorted({b for m in methods for b in m.budgets or default}, key=lambda b: b or 0)
    names = list(axes.params)
    for policy, prm in product(axes.policies or (base.policy,), axes.prms or (base.prm,)):
        for budget, method in product(budgets, methods):
            program = find_strategy(method.strategy).program
            taken = _taken(method)
            if "budget" in taken and budget not in (method.budgets or default):
                continue
            varied = [name for name in names if name in taken and name not in method.params]
            for values in product(*(axes.params[name] for name in varied)):
                for seed in axes.seeds or (base.seed,):
                    yield _Point(
                        method,
                        _budget(budget, taken),
                        policy,
                        prm if program.needs_prm else None,
                        seed,
                        dict(zip(varied, values, strict=True)),
                    )


def _budget(budget: int | None, taken: Mapping[str, Any]) -> int | None:
    """N; the strategy's default where none is said, and None for one that takes none."""
    if "budget" not in taken:
        return None
    return taken["budget"] if budget is None else budget


def _taken(method: Method) -> dict[str, Any]:
    """The parameters of the strategy, with their defaults."""
    return {f.name: f.default for f in fields(find_strategy(method.strategy).program.params_class)}


def _check_parameters(base: Settings, axes: Axes, methods: Sequence[Method]) -> None:
    takes = {name for method in methods for name in _taken(method)}
    for name in (*base.params, *axes.params):
        if name not in takes:
            raise RunError(f"no strategy of this sweep takes --{name.replace('_', '-')}")
    said = {name: getattr(base, name) for name in ("strategy", "policy", "prm", "seed")}
    said |= {"budget": base.params.get("budget")}
    varied = {
        "strategy": axes.methods,
        "policy": axes.policies,
        "prm": axes.prms,
        "seed": axes.seeds,
        "budget": axes.budgets,
    }
    twice = [name for name, values in varied.items() if values and said[name] not in (None, "")]
    twice += [name for name in axes.params if name in base.params or name == "budget"]
    if twice:
        raise RunError(f"{twice[0]}: this sweep varies it, and one value is said beside that")


def _short(model: str | None, models: Sequence[str]) -> str:
    """The last part of a model's name, where no other of the sweep has the same."""
    last = [Path(name).name for name in models]
    own = Path(model or "").name
    return own if last.count(own) == 1 else f"{model}"
