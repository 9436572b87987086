"""The strategies that a recipe can name; registering one is one line.

Another package adds one by an entry point of the group "sal.strategies", whose value is its
program. It is loaded when it is named and not before, so that what is wrong with it concerns
nobody else. The names of this package's own strategies are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property, reduce
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from sal.runs.errors import RunError

if TYPE_CHECKING:
    from sal.programs.strategy import Program


@dataclass(frozen=True)
class Strategy:
    """A program and a line about it; "module:name" is not imported before it is asked for."""

    target: str
    summary: str

    @cached_property
    def program(self) -> Program[Any]:
        """What runs: `program.run(problem, params=..., ...)`."""
        module, _, name = self.target.partition(":")
        found: Any = import_module(module)
        program: Program[Any] = reduce(getattr, name.split("."), found)
        return program

    def params(self, given: Mapping[str, Any]) -> Any:
        """The strategy's frozen parameters, with its own defaults for all that is not given.

        Raises `RunError` for a name that the strategy does not have, or a value that it refuses.
        """
        cls = self.program.params_class
        known = [f.name for f in fields(cls)]
        for name in given:
            if name not in known:
                flag = "--" + name.replace("_", "-")
                raise RunError(f"{self.program.name}: does not take {flag}")
        try:
            return cls(**given)
        except ValueError as error:
            raise RunError(str(error)) from error


GROUP = "sal.strategies"
"""The entry points of other packages' strategies."""

STRATEGIES: dict[str, Strategy] = {
    name: Strategy(f"sal.programs.{module}:{module}", summary)
    for name, module, summary in (
        ("greedy", "greedy", "one solution, no search"),
        ("majority", "majority", "N solutions, no PRM: a vote"),
        ("best-of-n", "best_of_n", "N solutions, scored by the PRM"),
        ("beam", "beam", "keep the N/M best of N beams"),
        ("lookahead", "lookahead", "beam that ranks a step by a rollout of k more"),
        ("dvts", "dvts", "N/M independent subtrees"),
        ("particle", "particle", "N particles, resampled by score"),
        ("mcts", "mcts", "PUCT over steps, N leaves"),
        ("ab-mcts", "ab_mcts", "wider or deeper by Thompson sampling"),
        ("rebase", "rebase", "N solutions, balanced by their rewards"),
        ("ets", "ets", "rebase that prunes what shares no prefix"),
        ("revise", "revise", "chains of solutions that revise each other"),
        (
            "adaptive-best-of-n",
            "adaptive_best_of_n",
            "Best-of-N that stops when the answer is settled",
        ),
        ("adaptive-dvts", "adaptive_dvts", "DVTS that stops when the answer is settled"),
        (
            "deepconf",
            "deepconf",
            "votes weighed by the policy's confidence; weak traces are given up",
        ),
        ("auto", "auto", "a probe, then what a fitted rule has for problems like this one"),
    )
}
"""Those of this package."""

LABELLERS: dict[str, Strategy] = {
    "step-rollouts": Strategy(
        "sal.programs.step_rollouts:step_rollouts", "rollouts from every step, for its label"
    )
}
"""Programs that are told the right answers: a run of theirs makes labels, and is no search."""


def summaries() -> dict[str, str]:
    """A line on every strategy by its name; nothing of another package is imported for it."""
    own = {name: strategy.summary for name, strategy in STRATEGIES.items()}
    others = {
        name: "from " + ", ".join(sorted({_package(point) for point in points}))
        for name, points in sorted(_plugins().items())
    }
    return own | others


def find_strategy(name: str) -> Strategy:
    """The strategy of that name, this package's or another's, or the labeller.

    Raises `RunError` when there is none, when two packages have one, or when it cannot be loaded.
    """
    if own := STRATEGIES.get(name) or LABELLERS.get(name):
        return own
    points = _plugins().get(name, [])
    if not points:
        raise RunError(f"{name!r} is not one of {', '.join(summaries())}")
    if len(points) > 1:
        packages = " and ".join(sorted(map(_package, points)))
        raise RunError(f"strategy {name!r} is in more than one package: {packages}")
    return _load(points[0])


def _plugins() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        same = found.setdefault(point.name, [])
        if all((p.value, _package(p)) != (point.value, _package(point)) for p in same):
            same.append(point)  # a distribution on the path twice is one
    return {name: points for name, points in found.items() if name not in {*STRATEGIES, *LABELLERS}}


def _load(point: EntryPoint) -> Strategy:
    from sal.programs.strategy import Program

    where = f"strategy {point.name!r} of {_package(point)}"
    try:
        program = point.load()
    except Exception as error:  # whatever another package does when it is imported
        reason = " ".join(str(error).split())
        raise RunError(f"{where} cannot be loaded: {type(error).__name__}: {reason}") from error
    if not isinstance(program, Program):
        kind = type(program).__name__
        raise RunError(f"{where}: {point.value} is a {kind}, not a program made by @strategy")
    return Strategy(point.value, f"from {_package(point)}")


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module
