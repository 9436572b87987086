"""The strategies that a recipe can name; registering one is one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
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

    def params(self, given: Mapping[str, Any]) -> Any:
        """The strategy's frozen parameters, with its own defaults for all that is not given.

        Raises `RunError` for a name that the strategy does not have, or a value that it refuses.
        """
        cls: Any = getattr(import_module(self.module), self.params_name)
        known = [f.name for f in fields(cls)]
        for name in given:
            if name not in known:
                flag = "--" + name.replace("_", "-")
                raise RunError(f"{self.program_name}: does not take {flag}")
        try:
            return cls(**given)
        except ValueError as error:
            raise RunError(str(error)) from error


STRATEGIES: dict[str, Strategy] = {
    "greedy": Strategy(
        "sal.programs.greedy", "greedy", "GreedyParams", "one solution, no search", False
    ),
    "best-of-n": Strategy(
        "sal.programs.best_of_n", "best_of_n", "BestOfNParams", "N solutions, scored by the PRM"
    ),
    "beam": Strategy("sal.programs.beam", "beam", "BeamParams", "keep the N/M best of N beams"),
    "dvts": Strategy("sal.programs.dvts", "dvts", "DvtsParams", "N/M independent subtrees"),
    "particle": Strategy(
        "sal.programs.particle", "particle", "ParticleParams", "N particles, resampled by score"
    ),
    "mcts": Strategy("sal.programs.mcts", "mcts", "MctsParams", "PUCT over steps, N leaves"),
    "ab-mcts": Strategy(
        "sal.programs.ab_mcts", "ab_mcts", "AbMctsParams", "wider or deeper by Thompson sampling"
    ),
}
