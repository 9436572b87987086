"""What a search cost, and what a part of its samples would have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from sal.runs.results import CompletionRow, ResultRow
from sal.runtime.model_cost import ModelCost
from sal.runtime.usage import Usage

Currency = Literal["completions", "tokens", "flops"]
CURRENCIES: tuple[Currency, ...] = get_args(Currency)

Array = np.ndarray[Any, np.dtype[Any]]
Models = Mapping[str, ModelCost | None]


def cost_of(row: ResultRow, budget: int, models: Models) -> Array:
    """In each of `CURRENCIES`: NaN where it is unknown.

    Tokens are those that went through a model, the policy's and the PRM's.
    """
    policy, prm = _both(row, models)
    return np.array([budget - row.unspent, policy[0] + prm[0], policy[1] + prm[1]])


class SampleCosts:
    """What some of the samples of one row of Best-of-N cost by themselves.

    The policy reads the prompt once and writes each sample: both are known. What the PRM reads of
    some samples is not, for it reads nothing twice that two samples have in common; it is taken to
    be the same part of its tokens as of the characters of all different beginnings.
    """

    def __init__(self, row: ResultRow, models: Models) -> None:
        self._row = row
        self._policy, self._prm = _both(row, models)
        self._prompt = self._policy[0] - _number(row.policy.completion_tokens)
        self._all = self._read(row.completions)

    def of(self, samples: Sequence[CompletionRow]) -> Array:
        """In each of `CURRENCIES`."""
        written = self._prompt + sum(_number(c.tokens) for c in samples)
        ours = written / self._policy[0] if self._policy[0] else 0.0
        theirs = self._read(samples) / self._all if self._all else 0.0
        tokens = written + theirs * self._prm[0]
        return np.array([len(samples), tokens, ours * self._policy[1] + theirs * self._prm[1]])

    def _read(self, samples: Sequence[CompletionRow]) -> int:
        """Characters that a PRM with an empty cache reads: of equal beginnings one."""
        beginnings = {c.steps[: i + 1] for c in samples for i in range(len(c.steps))}
        return len(self._row.question) + sum(len(steps[-1]) for steps in beginnings)


def _both(row: ResultRow, models: Models) -> tuple[tuple[float, float], tuple[float, float]]:
    """Tokens and FLOPs of policy and PRM."""

    def of(role: str, usage: Usage) -> tuple[float, float]:
        model = models.get(role)
        flops = None if model is None else model.flops(usage)
        return _number(usage.uncached_tokens), _number(flops)

    return of("policy", row.policy), of("prm", row.prm)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
