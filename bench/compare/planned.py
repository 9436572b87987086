"""The runs of a comparison, each in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from sal.runs.execute import finished
from sal.runs.folder import RunFolder
from sal.runs.problems import TINY
from sal.runs.registry import find_strategy
from sal.runs.results import ResultRow, Summary
from sal.runs.settings import Prepared, Settings, prepare


@dataclass(frozen=True, slots=True)
class Planned:
    """One run of the comparison and the folder that it lives in."""

    prepared: Prepared
    path: Path

    @property
    def name(self) -> str:
        return f"{self.prepared.recipe.strategy}, N = {self.prepared.budget}"

    @property
    def work(self) -> int:
        """Completions that it may sample."""
        return self.prepared.budget * len(self.prepared.problems.questions)

    def done(self) -> Summary | None:
        """Its summary if nothing is owed; reads the journal, and makes the folder."""
        with RunFolder(self.path, self.prepared.recipe, resume=True) as folder:
            return finished(self.prepared, folder)

    def rows(self) -> Iterator[ResultRow]:
        with open(self.path / "results.jsonl", encoding="utf-8") as lines:
            for line in lines:
                yield ResultRow.from_json(json.loads(line))


def plan_runs(
    strategies: Sequence[str], budgets: Sequence[int], problems: int, folder: Path
) -> list[Planned]:
    """Small budgets first, so that the time left is known early; no N, no second run.

    Raises `RunError` for a strategy that is not there, or refuses a budget.
    """
    planned: dict[Path, Planned] = {}
    for budget in budgets:
        for name in strategies:
            takes_n = any(
                f.name == "budget" for f in fields(find_strategy(name).program.params_class)
            )
            params = {"budget": budget} if takes_n else {}
            settings = Settings(strategy=name, params=params, dataset=TINY, limit=problems)
            path = folder / (f"{name}-{budget}" if takes_n else name)
            planned.setdefault(path, Planned(prepare(settings, gpu=False), path))
    return list(planned.values())
