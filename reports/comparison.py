"""Many methods on the same problems: what each cost, and which differences are significant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sal.reports.statistics import frontier, holm, mcnemar, paired_difference
from sal.runs.results import ResultRow
from sal.runs.summary import Estimate, Summary

LEVEL = 0.05
"""A difference is significant when its adjusted p-value is below."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One method at one budget. `correct` is by problem id; all else are means over problems.

    Where a method was searched with several seeds, `correct` is their share that is right.

    `generated` are the policy's new tokens, `prefilled` those it read without its cache, `judged`
    those that went through the PRM. `flops` are those of both models (docs/costs.md), None
    where they are unknown. `unspent` counts completions.
    """

    method: str
    budget: int
    correct: Mapping[str, float]
    generated: float
    prefilled: float
    judged: float
    flops: float | None
    unspent: float
    failed: int

    @classmethod
    def of(cls, method: str, rule: str, summary: Summary, rows: Iterable[ResultRow]) -> Arm:
        """A run as `rule` decides it."""
        n = summary.problems
        flops = summary.flops
        policy, prm = summary.policy, summary.prm
        parts = [flops["policy"], flops["prm"] if prm.requests else 0.0]
        known = [part for part in parts if part is not None]
        return cls(
            method=method,
            budget=summary.budget,
            correct={row.id: row.correct.get(rule, False) for row in rows},
            generated=_known(policy.completion_tokens) / n,
            prefilled=(_known(policy.uncached_tokens) - _known(policy.completion_tokens)) / n,
            judged=_known(prm.uncached_tokens) / n,
            flops=sum(known) / n if len(known) == len(parts) else None,
            unspent=summary.unspent / n,
            failed=summary.failed,
        )

    @classmethod
    def pooled(cls, arms: Sequence[Arm]) -> Arm:
        """One arm of the same method and budget with several seeds, on the same problems.

        Failed problems are added up, all else are means. Raises ValueError for other problems.
        """
        first, n = arms[0], len(arms)
        if len({frozenset(arm.correct) for arm in arms}) > 1:
            raise ValueError("the seeds of an arm must have the same problems")
        flops = [arm.flops for arm in arms if arm.flops is not None]
        return cls(
            method=first.method,
            budget=first.budget,
            correct={id: sum(arm.correct[id] for arm in arms) / n for id in first.correct},
            generated=sum(arm.generated for arm in arms) / n,
            prefilled=sum(arm.prefilled for arm in arms) / n,
            judged=sum(arm.judged for arm in arms) / n,
            flops=sum(flops) / n if len(flops) == n else None,
            unspent=sum(arm.unspent for arm in arms) / n,
            failed=sum(arm.failed for arm in arms),
        )

    @property
    def accuracy(self) -> Estimate:
        return Estimate.of([float(right) for right in self.correct.values()])


def _known(tokens: int | None) -> float:
    """NaN for what an endpoint did not tell."""
    return math.nan if tokens is None else tokens


@dataclass(frozen=True, slots=True)
class Contrast:
    """A method against another at the same budget; `p` is adjusted for all that are made."""

    method: str
    reference: str
    budget: int
    difference: Estimate
    p: float

    @property
    def verdict(self) -> str:
        if self.p >= LEVEL:
            return "no significant difference"
        return "better" if self.difference.mean > 0 else "worse"


class Comparison:
    """`arms` on the same problems, each method against each of `references` at equal budgets.

    Raises ValueError when two arms have different problems, for then nothing is paired.
    """

    def __init__(self, arms: Sequence[Arm], references: Sequence[str]) -> None:
        if len({frozenset(arm.correct) for arm in arms}) > 1:
            raise ValueError("the arms of a comparison must have the same problems")
        self.arms = tuple(arms)
        self.references = tuple(references)

    @property
    def problems(self) -> int:
        return len(self.arms[0].correct) if self.arms else 0

    @property
    def budgets(self) -> list[int]:
        return sorted({arm.budget for arm in self.arms})

    @property
    def methods(self) -> list[str]:
        """In the order of the arms."""
        return list(dict.fromkeys(arm.method for arm in self.arms))

    def arm(self, method: str, budget: int) -> Arm | None:
        return next((a for a in self.arms if (a.method, a.budget) == (method, budget)), None)

    @cached_property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Every method against every reference, once: a reference against an earlier one only."""
        pairs = [
            (arm, other)
            for i, reference in enumerate(self.references)
            for arm in self.arms
            if arm.method not in self.references[: i + 1]
            and (other := self.arm(reference, arm.budget)) is not None
        ]
        matched = [
            (list(a.correct.values()), [b.correct[id] for id in a.correct]) for a, b in pairs
        ]
        adjusted = holm([mcnemar(ours, theirs) for ours, theirs in matched])
        return tuple(
            Contrast(a.method, b.method, a.budget, paired_difference(*answers), p)
            for (a, b), answers, p in zip(pairs, matched, adjusted, strict=True)
        )

    def contrast(self, method: str, reference: str, budget: int) -> Contrast | None:
        wanted = (method, reference, budget)
        found = (c for c in self.contrasts if (c.method, c.reference, c.budget) == wanted)
        return next(found, None)

    def frontier(self, cost: Callable[[Arm], float | None]) -> list[bool]:
        """Which arms are on the Pareto frontier of accuracy against `cost`, in their order.

        None is where the cost of one is unknown.
        """
        costs = [value for arm in self.arms if (value := cost(arm)) is not None]
        if len(costs) < len(self.arms):
            return [False] * len(self.arms)
        return frontier(costs, [arm.accuracy.mean for arm in self.arms])

    def as_json(self) -> dict[str, Any]:
        """Accuracies and differences as fractions, costs as means per problem."""
        by_tokens = self.frontier(lambda arm: arm.generated)
        by_flops = self.frontier(lambda arm: arm.flops)
        return {
            "problems": self.problems,
            "arms": [
                {
                    "method": arm.method,
                    "budget": arm.budget,
                    "accuracy": arm.accuracy.as_json(),
                    "generated": arm.generated,
                    "prefilled": arm.prefilled,
                    "judged": arm.judged,
                    "flops": arm.flops,
                    "unspent": arm.unspent,
                    "failed": arm.failed,
                    "frontier": {"tokens": tokens, "flops": flops},
                }
                for arm, tokens, flops in zip(self.arms, by_tokens, by_flops, strict=True)
            ],
            "contrasts": [
                {
                    "method": c.method,
                    "reference": c.reference,
                    "budget": c.budget,
                    "difference": c.difference.as_json(),
                    "p_adjusted": c.p,
                    "verdict": c.verdict,
                }
                for c in self.contrasts
            ],
        }
