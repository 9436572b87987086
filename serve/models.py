"""The names under which searches are asked for: `dvts`, `dvts@64`, `policy`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sal.runs.errors import RunError
from sal.runs.registry import Strategy
from sal.serve.errors import no_model, wrong
from sal.serve.limits import Limits

POLICY = "policy"
"""The policy alone, whatever it is called; its own name is one as well."""

DEFAULT = "sal"
"""The operator's strategy, whatever it is."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a model's name says; no `strategy` is the policy alone."""

    strategy: str | None
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The strategies that are served, by name, the operator's first, and the policy's own name."""

    policy: str
    strategies: Sequence[str]
    find: Callable[[str], Strategy]
    created: int = 0

    def read(self, name: Any) -> Named:
        """Raises `ApiError` for what is no model's name."""
        if not isinstance(name, str) or not name:
            raise wrong("model", "you must provide a model, by its name")
        if name in (POLICY, self.policy):
            return Named(None)
        if name == DEFAULT:
            return Named(self.strategies[0])
        strategy, at, budget = name.partition("@")
        if strategy not in self.strategies or (at and not _is_number(budget)):
            raise no_model(name)
        return Named(strategy, int(budget) if at else None)

    def listed(self, limits: Limits) -> list[dict[str, Any]]:
        """What GET /v1/models has: each strategy, alone and at budgets that it takes."""
        names = [DEFAULT, POLICY, self.policy]
        for strategy in self.strategies:
            names.append(strategy)
            names += [f"{strategy}@{n}" for n in self._budgets(strategy, limits)]
        return [self.entry(name) for name in dict.fromkeys(names)]

    def entry(self, name: str) -> dict[str, Any]:
        """A model as OpenAI describes one."""
        return {"id": name, "object": "model", "created": self.created, "owned_by": "sal"}

    def _budgets(self, strategy: str, limits: Limits) -> Iterator[int]:
        """Powers of two within the operator's limits, and the operator's own."""
        powers = {1 << i for i in range(2, limits.max_budget.bit_length())}
        for n in sorted(powers | {limits.budget, limits.max_budget}):
            if n <= limits.max_budget:
                try:
                    self.find(strategy).params({"budget": n})
                except RunError:
                    continue
                yield n


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9


def served_strategies(
    names: Sequence[str], find: Callable[[str], Strategy], first: str, *, prm: bool
) -> list[str]:
    """Those of `names` that can be asked for, `first` first: without a PRM, those that need none.

    One that needs a file of the operator's (`auto` without one, for another policy) is left to be
    named by the operator.
    """
    served = [first]
    for name in names:
        if name in (first, "auto"):
            continue
        try:
            program = find(name).program
        except RunError:  # another package's, which does not load: nobody asked for it
            continue
        if prm or not program.needs_prm:
            served.append(name)
    return served
