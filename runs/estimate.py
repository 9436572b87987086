"""What a run will need, before it is searched: from how long solutions are, or from a probe.

A search that spends N writes N solutions, each of its steps once: what differs between strategies
is how many requests these are. What one saves by stopping early, or because equal steps have been
scored already, is known only by searching.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sal.runs.results import ResultRow
from sal.runtime.usage import Usage


@dataclass(frozen=True, slots=True)
class Solution:
    """What a completion is taken to be, and how many letters a token has."""

    tokens: float
    steps: float
    letters: float


RECORDED = Solution(344, 7.4, 4)
"""The means of recorded solutions to MATH problems (bench/lengths.json)."""

TINY_SOLUTION = Solution(60, 5, 1.6)
"""The means of the tiny policy on its problems."""


@dataclass(frozen=True, slots=True)
class Need:
    """What is asked of one endpoint; `prefilled` are prompt tokens that no cache holds."""

    requests: float = 0.0
    prefilled: float = 0.0
    generated: float = 0.0

    def times(self, factor: float) -> Need:
        return Need(self.requests * factor, self.prefilled * factor, self.generated * factor)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of a whole run. `kv_tokens` is what the search of a problem holds, its prompt too.

    `basis` says what it rests on; `seconds` are known from a probe alone.
    """

    policy: Need
    prm: Need | None
    kv_tokens: float
    basis: str
    seconds: float | None = None


def assumed(
    params: Any, problems: int, question_tokens: float, solution: Solution, *, prm: bool
) -> Estimate:
    """From a strategy's parameters alone, if every completion is like `solution`."""
    budget = float(getattr(params, "budget", 1))
    tokens = min(solution.tokens, params.max_tokens)
    most = getattr(params, "max_steps", 1)  # without steps a solution is one request
    rollouts = _rollouts(params, solution.steps)
    steps = solution.steps if rollouts else min(solution.steps, most)
    ahead = min(getattr(params, "lookahead", 0), steps - 1)
    requests = budget * (steps * (2 if ahead > 0 else 1) + rollouts)
    # a rollout begins anywhere in a solution, and writes half of one on average
    written = budget * tokens * (1 + rollouts / 2)
    generated = written + budget * tokens * max(ahead, 0)
    # the last token of a prompt is always read again
    policy = Need(requests, question_tokens + requests, generated)
    judged = Need(requests, question_tokens + requests + generated)
    return Estimate(
        policy.times(problems),
        judged.times(problems) if prm else None,
        question_tokens + written,
        f"if a solution has {solution.tokens:.0f} tokens in {solution.steps:g} steps, and a "
        f"question with its prompt {question_tokens:.0f}"
        f"{', and no problem is left out' if rollouts else ''}",
    )


def _rollouts(params: Any, steps: float) -> float:
    """Those behind the steps of one solution (`sal.programs.step_rollouts`); 0 for a search."""
    tried = math.log2(steps) if getattr(params, "first_error", False) else steps - 1
    return float(getattr(params, "rollouts", 0) * tried)


@dataclass(frozen=True, slots=True)
class Probe:
    """A few problems searched with a budget of `budget`: the rows of those that ended in time.

    `generated` are the tokens that the policy wrote in these `seconds`, for all `begun` problems.
    """

    budget: int
    begun: int
    rows: Sequence[ResultRow]
    generated: int
    seconds: float


def from_probe(probe: Probe, budget: int, problems: int, question_tokens: float) -> Estimate | None:
    """What the probe's problems needed, for `problems` at a budget of `budget`.

    None when no problem of the probe ended, or an endpoint does not count its tokens.
    """
    rows = [row for row in probe.rows if not row.error]
    if not rows:
        return None
    policy = _need(sum((row.policy for row in rows), Usage()))
    prm = _need(sum((row.prm for row in rows), Usage()))
    if policy is None or prm is None or not policy.generated:
        return None
    larger = budget / probe.budget
    scale = larger * problems / len(rows)
    # of a problem the prompt is read once, whatever N is
    prompts = question_tokens * (problems - len(rows) * scale)
    policy = policy.times(scale)
    policy = replace(policy, prefilled=max(policy.requests, policy.prefilled + prompts))
    held = max(row.kv_peak or 0 for row in rows)
    searched = f"{len(rows)} problem{'s' * (len(rows) > 1)}"
    if len(rows) < probe.begun:
        searched += f" of {probe.begun}, those that ended in time,"
    scaled = f" with N = {probe.budget}" if larger > 1 else ""
    return Estimate(
        policy,
        prm.times(scale) if prm.requests else None,
        question_tokens + held * larger,
        f"from {searched} searched now{scaled}, in {probe.seconds:.1f} s",
        seconds=policy.generated * probe.seconds / probe.generated if probe.generated else None,
    )


def _need(usage: Usage) -> Need | None:
    if usage.uncached_tokens is None or usage.completion_tokens is None:
        return None
    generated = usage.completion_tokens
    return Need(usage.requests, usage.uncached_tokens - generated, generated)
