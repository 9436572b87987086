"""With an exact judge of every step as the verifier, every guided search must be far ahead.

A method that does not beat the majority then is wrong somewhere: it asks too late, looks at the
wrong score, or loses what it found. Real tiny policy, hard tiny problems; each method searches
only as many of them as it takes to be sure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from test_strategies_registry import small

from sal.programs.params import StepwiseParams
from sal.programs.problem import Problem
from sal.runs.registry import STRATEGIES, Strategy
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.tiny.oracle import step_labels
from sal.tiny.paths import PROBLEMS
from sal.tiny.task import FAMILIES
from sal.verifiers.interface import Scored

pytestmark = pytest.mark.servers

BUDGET = 8
BATCH = 24
"""Problems between two looks at whether it is clear."""

AHEAD = 0.05
"""Of all problems, how many more must be solved than by majority, three standard errors off."""

WIDE = {"ab-mcts"}
"""At a small N most of its leaves are new samples, as its paper wants: it is its choice among them
that must be good."""

GUIDED = [name for name, strategy in STRATEGIES.items() if strategy.program.needs_prm]


class Oracle:
    """1 for a step that is right behind right steps, else 0."""

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        labels = step_labels(question, [*prefix, *steps])
        return Scored(tuple(map(float, labels[len(prefix) :])))


@dataclass(frozen=True)
class Found:
    """Whether the answer chosen is right, and what share of all completions."""

    solved: float
    share: float


Searches = Callable[[str, int], list[Found]]
"""What a strategy finds on the `i`-th batch of problems."""


@pytest.fixture(scope="module")
def batches() -> list[list[dict[str, Any]]]:
    rows = map(json.loads, PROBLEMS["test"].read_text().splitlines())
    hard = [row for row in rows if row["level"] >= 4]
    # First those with the letters of the careless student, whom the majority follows.
    hard.sort(key=lambda row: row["question"].removeprefix("Let ")[0] not in FAMILIES[1])
    return [hard[i : i + BATCH] for i in range(0, len(hard) - BATCH + 1, BATCH)]


@pytest.fixture(scope="module")
def searches(policy_server: str, batches: list[list[dict[str, Any]]]) -> Iterator[Searches]:
    known: dict[tuple[str, int], list[Found]] = {}
    with Engine(policy_server) as engine, ThreadPoolExecutor(BATCH) as pool:
        backend = PooledBackend(engine)

        def one(name: str, row: dict[str, Any]) -> Found:
            strategy = STRATEGIES[name]
            result = strategy.program.run(
                Problem(row["question"], row["id"]),
                params=small(strategy, BUDGET),
                verifier=Oracle(),
                backend=backend,
            )["result"]
            assert result.errors == ()
            right = [c.finish == "eot" and c.key == row["answer"] for c in result.completions]
            chosen = result.chosen["weighted"]
            return Found(chosen is not None and right[chosen], sum(right) / len(right))

        def found(name: str, i: int) -> list[Found]:
            if (name, i) not in known:
                known[name, i] = list(pool.map(lambda row: one(name, row), batches[i]))
            return known[name, i]

        yield found


def far_above(differences: Sequence[float], margin: float) -> bool:
    """Whether their mean is above `margin` by three standard errors."""
    n = len(differences)
    mean = math.fsum(differences) / n
    error = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n - 1) / n)
    return mean - 3 * error > margin


@pytest.mark.parametrize("name", GUIDED)
def test_it_is_far_ahead_of_majority(
    name: str, searches: Searches, batches: list[list[dict[str, Any]]]
) -> None:
    strategy: Strategy = STRATEGIES[name]
    # Whoever decides between steps also ends up with more that is right, however it votes.
    stepwise = issubclass(strategy.program.params_class, StepwiseParams) and name not in WIDE
    solved: list[float] = []
    share: list[float] = []
    for i in range(len(batches)):
        for ours, plain in zip(searches(name, i), searches("majority", i), strict=True):
            solved.append(ours.solved - plain.solved)
            share.append(ours.share - plain.share)
        if far_above(solved, AHEAD) and (not stepwise or far_above(share, 0.0)):
            return
    n = len(solved)
    pytest.fail(
        f"{name} over majority on {n} problems: {sum(solved) / n:+.2f} of the problems solved, "
        f"{sum(share) / n:+.2f} of the completions right"
    )
