"""The strategies that a recipe can name; registering one is one line.

Another package adds one by an entry point of the group "sal.strategies", whose value is a
`Strategy`. It is loaded when it is named and not before, so that what is wrong with it concerns
nobody else. The names of this package's own strategies are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from sal.runs.errors import RunError


@dataclass(frozen=True, slots=True)
class Strategy:
    """A search program and its parameters; nothing is imported before it is asked for."""

    module: str
    program_name: str
    params_name: str
    summary: str
    needs_prm: bool = True

    @property
    def program(self) -> Any:
        """The SGLang function: `program.run(problem=..., params=..., ...)`."""
        return getattr(import_module(self.module), self.program_name)

    @property
    def params_class(self) -> Any:
        """The frozen dataclass of its parameters."""
        return getattr(import_module(self.module), self.params_name)

    def params(self, given: Mapping[str, Any]) -> Any:
        """The strategy's frozen parameters, with its own defaults for all that is not given.

        Raises `RunError` for a name that the strategy does not have, or a value that it refuses.
        """
        cls = self.params_class
        known = [f.name for f in fields(cls)]
        for name in given:
            if name not in known:
                flag = "--" + name.replace("_", "-")
                raise RunError(f"{self.program_name}: does not take {flag}")
        try:
            return cls(**given)
        except ValueError as error:
            raise RunError(str(error)) from error


GROUP = "sal.strategies"
"""The entry points of other packages' strategies."""

STRATEGIES: dict[str, Strategy] = {
    "greedy": Strategy(
        "sal.programs.greedy", "greedy", "GreedyParams", "one solution, no search", False
    ),
    "majority": Strategy(
        "sal.programs.majority", "majority", "MajorityParams", "N solutions, no PRM: a vote", False
    ),
    "best-of-n": Strategy(
        "sal.programs.best_of_n", "best_of_n", "BestOfNParams", "N solutions, scored by the PRM"
    ),
    "beam": Strategy("sal.programs.beam", "beam", "BeamParams", "keep the N/M best of N beams"),
    "lookahead": Strategy(
        "sal.programs.lookahead",
        "lookahead",
        "LookaheadParams",
        "beam that ranks a step by a rollout of k more",
    ),
    "dvts": Strategy("sal.programs.dvts", "dvts", "DvtsParams", "N/M independent subtrees"),
    "particle": Strategy(
        "sal.programs.particle", "particle", "ParticleParams", "N particles, resampled by score"
    ),
    "mcts": Strategy("sal.programs.mcts", "mcts", "MctsParams", "PUCT over steps, N leaves"),
    "ab-mcts": Strategy(
        "sal.programs.ab_mcts", "ab_mcts", "AbMctsParams", "wider or deeper by Thompson sampling"
    ),
    "rebase": Strategy(
        "sal.programs.rebase", "rebase", "RebaseParams", "N solutions, balanced by their rewards"
    ),
    "ets": Strategy(
        "sal.programs.ets", "ets", "EtsParams", "rebase that prunes what shares no prefix"
    ),
    "revise": Strategy(
        "sal.programs.revise",
        "revise",
        "ReviseParams",
        "chains of solutions that revise each other",
    ),
    "adaptive-best-of-n": Strategy(
        "sal.programs.adaptive_best_of_n",
        "adaptive_best_of_n",
        "AdaptiveBestOfNParams",
        "Best-of-N that stops when the answer is settled",
    ),
    "adaptive-dvts": Strategy(
        "sal.programs.adaptive_dvts",
        "adaptive_dvts",
        "AdaptiveDvtsParams",
        "DVTS that stops when the answer is settled",
    ),
    "deepconf": Strategy(
        "sal.programs.deepconf",
        "deepconf",
        "DeepConfParams",
        "votes weighed by the policy's confidence; weak traces are given up",
        False,
    ),
}
"""Those of this package."""


def summaries() -> dict[str, str]:
    """A line on every strategy by its name; nothing of another package is imported for it."""
    own = {name: strategy.summary for name, strategy in STRATEGIES.items()}
    others = {
        name: "from " + ", ".join(sorted({_package(point) for point in points}))
        for name, points in sorted(_plugins().items())
    }
    return own | others


def find_strategy(name: str) -> Strategy:
    """The strategy of that name, this package's or another's.

    Raises `RunError` when there is none, when two packages have one, or when it cannot be loaded.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
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
    return {name: points for name, points in found.items() if name not in STRATEGIES}


def _load(point: EntryPoint) -> Strategy:
    where = f"strategy {point.name!r} of {_package(point)}"
    try:
        strategy = point.load()
        if not isinstance(strategy, Strategy):
            kind = type(strategy).__name__
            raise RunError(f"{where}: {point.value} is a {kind}, not a sal.runs.registry.Strategy")
        _ = strategy.program, strategy.params_class
    except RunError:
        raise
    except Exception as error:  # whatever another package does when it is imported
        reason = " ".join(str(error).split())
        raise RunError(f"{where} cannot be loaded: {type(error).__name__}: {reason}") from error
    return strategy


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module
