"""How long MATH-500 at n = 256 would take on this machine, from a few problems of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from rich.table import Table

from bench.ours import Searched

PROBLEMS = 500
BUDGET = 256
PUBLISHED = {"best-of-n": "3", "beam": "60+", "dvts": "60+"}
"""Hours on one H100, as told by the authors of huggingface/search-and-learn."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A search of some problems: seconds from the first to the last, and what it cost.

    `written` are the tokens that the policy generated, `judged` those that the PRM prefilled.
    """

    problems: int
    budget: int
    completions: int
    seconds: float
    written: int
    judged: int

    @classmethod
    def of(cls, searched: Searched, problems: int, budget: int) -> Measured:
        policy, prm = searched.summary["usage"]["policy"], searched.summary["usage"]["prm"]
        return cls(
            problems,
            budget,
            searched.completions,
            searched.seconds,
            policy["completion_tokens"],
            prm["prompt_tokens"] - prm["cached_tokens"],
        )

    @property
    def hours(self) -> float:
        """For all problems at the full budget.

        Time grows with the completions (as the growth figures show). The last problem's end, where
        the engines run empty, is counted as if it came back as often.
        """
        return self.seconds / self.problems * BUDGET / self.budget * PROBLEMS / 3600

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "hours": round(self.hours, 3)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Measured:
        """What `as_json` gave."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})


def table(measured: Mapping[str, Measured], machine: str, *, real: bool) -> Table:
    """Hours a strategy, beside the first implementation's. `real`: on a GPU, in the real shapes."""
    title = f"MATH-500 at n = {BUDGET}, projected for {machine}"
    if not real:
        title += " with tiny shapes: says nothing of a GPU"
    made = Table(
        "strategy", "measured", "s a problem", "tokens/s", "PRM tokens/s", "hours", title=title
    )
    made.add_column("first implementation, h")
    for strategy, m in measured.items():
        made.add_row(
            strategy,
            f"{m.problems} x n = {m.budget}",
            f"{m.seconds / m.problems:.3g}",
            f"{m.written / m.seconds:,.0f}",
            f"{m.judged / m.seconds:,.0f}",
            f"{m.hours:.3g}",
            PUBLISHED.get(strategy, ""),
        )
    made.caption = (
        "Random weights; lengths drawn from recorded solutions (bench/lengths.json). The first "
        "implementation's hours are published ones, on one H100 with the real models."
    )
    return made
