"""What a source came to: its rows, and what was left out of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

from sal.learn.rows import StepLabels

Row = TypeVar("Row")


@dataclass(slots=True)
class Gathered(Generic[Row]):
    """Rows, and how many of what was `dropped`, by what they were."""

    rows: list[Row] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, other: Self) -> None:
        self.rows += other.rows
        self.dropped += other.dropped


@dataclass(slots=True)
class Labelled(Gathered[StepLabels]):
    """Labelled solutions."""

    @property
    def rollouts(self) -> int:
        """How many are counted in the rows, each step for itself."""
        return sum(sum(row.rollouts) for row in self.rows)

    @property
    def steps(self) -> int:
        return sum(len(row.steps) for row in self.rows)
