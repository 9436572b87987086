"""How long solutions are: counts of recorded ones, from which a benchmark draws its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

RECORDED = Path(__file__).with_name("lengths.json")

Counts = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Lengths:
    """How often each length was seen: tokens of a step with its separator, steps of a solution,
    tokens of a question. Raises ValueError for counts from which nothing can be drawn."""

    step_tokens: Counts
    steps: Counts
    question_tokens: Counts

    def __post_init__(self) -> None:
        for name in ("step_tokens", "steps", "question_tokens"):
            counts = getattr(self, name)
            if not counts or min(counts) < 1 or min(counts.values()) < 1:
                raise ValueError(f"{name} must count lengths of at least 1")

    @property
    def tokens_a_solution(self) -> float:
        """The mean, were lengths and numbers of steps independent (as they are when drawn)."""
        return mean(self.step_tokens) * mean(self.steps)

    def shrunk(self, divisor: int) -> Lengths:
        """Steps and questions of a `divisor`-th of their tokens; as many steps."""
        return Lengths(
            _mapped(self.step_tokens, lambda n: max(2, round(n / divisor))),
            self.steps,
            _mapped(self.question_tokens, lambda n: max(1, round(n / divisor))),
        )

    def capped(self, most: int) -> Lengths:
        """Longer steps count as steps of `most` tokens."""
        return Lengths(
            _mapped(self.step_tokens, lambda n: min(n, most)), self.steps, self.question_tokens
        )

    def ending(self) -> list[float]:
        """`ending()[k - 1]`: the share of the solutions with at least k steps that end with k."""
        left, shares = sum(self.steps.values()), []
        for k in range(1, max(self.steps) + 1):
            ends = self.steps.get(k, 0)
            shares.append(ends / left)
            left -= ends
        return shares


def load(path: Path = RECORDED) -> Lengths:
    """The table that `python -m bench.record_lengths` made."""
    table = json.loads(path.read_text())
    return Lengths(
        *(
            {int(length): count for length, count in table[name].items()}
            for name in ("step_tokens", "steps", "question_tokens")
        )
    )


def mean(counts: Counts) -> float:
    """The mean length."""
    return sum(n * count for n, count in counts.items()) / sum(counts.values())


def _mapped(counts: Counts, change: Callable[[int], int]) -> dict[int, int]:
    mapped: Counter[int] = Counter()
    for n, count in counts.items():
        mapped[change(n)] += count
    return dict(sorted(mapped.items()))
