"""What a report keeps of one run: its cost, and a few columns for each of its problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sal.runs.at_n import sizes_up_to, values_at
from sal.runs.found import FoundRun
from sal.runs.recipe import Recipe
from sal.runs.results import RULES, ResultRow
from sal.runs.summary import Summary

CHOSEN = "chosen"
"""The strategy's own rule, whichever it is; beside `sal.runs.results.RULES`."""

INDEPENDENT = frozenset({"best-of-n", "majority"})
"""Strategies whose samples show what fewer of them would have come to."""

MOST = 20_000
"""Problems of a run that a report shows one by one; a page with more would not open."""

LONGEST = 4000
"""Characters of a question that a page holds; of an answer a twentieth."""

ProblemKey = tuple[str, str]
"""A problem's id and question: two data sets may give the same id to different problems."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A list each, in the order of the run's rows; `right` by rule.

    `chosen` are answers, `fooled` tells that the highest-scored completion is wrong though a right
    one is there, `correct` and `truncated` count completions, `tokens` were generated.
    """

    problems: list[ProblemKey]
    answers: list[str]
    chosen: list[str]
    right: dict[str, list[bool]]
    fooled: list[bool]
    completions: list[int]
    correct: list[int]
    truncated: list[int]
    tokens: list[int | None]
    seconds: list[float]
    error: list[str]


@dataclass(frozen=True, slots=True)
class RunData:
    """A run without its completions. `summary` is of all its rows, `columns` of those that are
    `shown`. `samples[rule][n]` has a value for each of these (see `values_at`), and is empty where
    fewer samples tell nothing."""

    path: Path
    recipe: Recipe
    policy: str
    prm: str | None
    summary: Summary
    columns: Columns
    samples: Mapping[str, Mapping[int, Sequence[float]]]

    @property
    def cost(self) -> dict[str, float | None]:
        """Means over problems: tokens generated, FLOPs of both models, seconds of searching."""
        s = self.summary
        tokens = s.policy.completion_tokens
        asked = [s.flops["policy"], s.flops["prm"] if s.prm.requests else 0.0]
        known = [part for part in asked if part is not None]
        totals = {
            "tokens": None if tokens is None else float(tokens),
            "flops": sum(known) if len(known) == len(asked) else None,
            "seconds": s.seconds,
        }
        return {
            name: None if total is None or not s.problems else total / s.problems
            for name, total in totals.items()
        }

    @property
    def tokens(self) -> dict[str, int | None]:
        """Of all problems: what the policy wrote and read, and what the PRM read."""
        policy, prm = self.summary.policy, self.summary.prm
        return {
            "generated": policy.completion_tokens,
            "prefilled": _less(policy.prompt_tokens, policy.cached_tokens),
            "cached": policy.cached_tokens,
            "prm_prefilled": _less(prm.prompt_tokens, prm.cached_tokens),
            "prm_cached": prm.cached_tokens,
        }


def run_data(found: FoundRun) -> RunData:
    """What a report keeps of `found`."""
    recipe, rows, summary = found.recipe, shown(found), found.summary()
    budget = found.budget
    sampled = recipe.strategy in INDEPENDENT and not summary.capped
    samples: Mapping[str, Mapping[int, Sequence[float]]] = {}
    if sampled:
        samples = values_at(rows, budget, sizes_up_to(budget))
    if recipe.strategy == "majority":  # no PRM looked at its samples
        samples = {rule: samples[rule] for rule in ("pass", "majority") if rule in samples}
    return RunData(
        path=found.path,
        recipe=recipe,
        policy=_model(recipe, "policy", recipe.policy),
        prm=None if recipe.prm is None else _model(recipe, "prm", recipe.prm),
        summary=summary,
        columns=columns(rows),
        samples=samples,
    )


def shown(found: FoundRun) -> Sequence[ResultRow]:
    """The rows of a run that a report shows one by one: all, or `MOST` from all over."""
    rows, total = found.rows, len(found.rows)
    return rows if total <= MOST else [rows[i * total // MOST] for i in range(MOST)]


def problem_key(row: ResultRow) -> ProblemKey:
    """By which a report knows a problem again."""
    return row.id, _cut(row.question, LONGEST)


def columns(rows: Sequence[ResultRow]) -> Columns:
    """The rows, each on its own in every list."""
    return Columns(
        problems=[problem_key(row) for row in rows],
        answers=[_cut(row.answer, LONGEST // 20) for row in rows],
        chosen=[_cut(_chosen(row), LONGEST // 20) for row in rows],
        right={
            CHOSEN: [row.right for row in rows],
            **{rule: [row.correct.get(rule, False) for row in rows] for rule in RULES},
        },
        fooled=[_fooled(row) for row in rows],
        completions=[len(row.completions) for row in rows],
        correct=[sum(c.right for c in row.completions) for row in rows],
        truncated=[sum(c.finish == "length" for c in row.completions) for row in rows],
        tokens=[row.policy.completion_tokens for row in rows],
        seconds=[row.seconds for row in rows],
        error=[_cut(row.error, LONGEST // 20) for row in rows],
    )


def _chosen(row: ResultRow) -> str:
    index = row.chosen.get(row.rule)
    return "" if index is None else row.completions[index].key


def _fooled(row: ResultRow) -> bool:
    """Whether the PRM liked a wrong completion best, and a right one was there."""
    naive, any_right = row.correct.get("naive", False), row.correct.get("pass", False)
    return row.prm.requests > 0 and any_right and not naive


def _less(all: int | None, some: int | None) -> int | None:
    return None if all is None or some is None else all - some


def _model(recipe: Recipe, role: str, name: str) -> str:
    """What a URL serves, where it said so."""
    return recipe.served.get(role, {}).get("model_path", name)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"
