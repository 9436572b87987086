"""Runs whose solutions are made up, for the tests of distillation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from runs_examples import recipe, row, written_run

from sal.runs.results import CompletionRow, ResultRow


def solution(*steps: str, right: bool = True, **more: Any) -> CompletionRow:
    told: dict[str, Any] = {
        "text": "\n\n".join(steps),
        "steps": steps,
        "scores": (),
        "tokens": 3,
        "finish": "eot",
        "key": "1" if right else "2",
        "verdict": "match" if right else "mismatch",
    }
    return CompletionRow(**(told | more))


def problem(id: str, question: str, *completions: CompletionRow) -> ResultRow:
    return replace(row(id), question=question, completions=completions)


def sums(path: Path, count: int = 12, **changes: Any) -> Path:
    """A run that found a right and a wrong way, which begin alike, to each of its sums."""
    rows = []
    for n in range(count):
        first = f"b={n}+1={n + 1}"
        good = solution(first, f"c={n + 1}*2={2 * n + 2}", f"\\boxed{{{2 * n + 2}}}")
        bad = solution(first, f"c={n + 1}*2={2 * n + 3}", f"\\boxed{{{2 * n + 3}}}", right=False)
        question = f"Let a={n}, b=a+1, c=b*2. Find c."
        rows.append(problem(f"s{n}", question, good, bad, good))
    return written_run(path, recipe(strategy="best-of-n", prm=None, **changes), rows)
