"""Runs on disk for the tests of reports, with answers as they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runs_examples import recipe

from sal.runs.folder import RunFolder
from sal.runs.results import CompletionRow, ResultRow, failed_row
from sal.runtime.usage import Usage
from sal.strategies.voting import elect

MODELS = {
    "policy": {"parameters": 1000, "attention": 0},
    "prm": {"parameters": 2000, "attention": 0},
}
NO_PRM = frozenset({"majority", "greedy"})


@dataclass(frozen=True)
class Asked:
    """A problem and what was found: answers with their scores; "~" before one says truncated."""

    id: str
    answer: str
    found: Sequence[tuple[str, float]]
    question: str = "What is it?"
    error: str = ""


def result(asked: Asked, strategy: str) -> ResultRow:
    policy = Usage(100, 60, 10 * len(asked.found), len(asked.found), 1000)
    prm = Usage() if strategy in NO_PRM else Usage(50, 20, 0, len(asked.found), 500)
    if asked.error:
        return failed_row(asked.id, asked.question, asked.answer, asked.error, policy=policy)
    completions = tuple(
        CompletionRow(
            text=f"\\boxed{{{answer.lstrip('~')}}}",
            steps=(f"\\boxed{{{answer.lstrip('~')}}}",),
            scores=(score,),
            tokens=10,
            finish="length" if answer.startswith("~") else "eot",
            key="" if answer.startswith("~") else answer,
            verdict="match" if answer.lstrip("~") == asked.answer else "mismatch",
            weight=None if answer.startswith("~") else score,
        )
        for answer, score in asked.found
    )
    chosen = elect([c.key for c in completions], [c.weight for c in completions])
    correct = {
        rule: index is not None and completions[index].right for rule, index in chosen.items()
    }
    return ResultRow(
        id=asked.id,
        question=asked.question,
        answer=asked.answer,
        completions=completions,
        rule="majority" if strategy in NO_PRM else "weighted",
        chosen=chosen,
        correct=correct | {"pass": any(c.right for c in completions)},
        policy=policy,
        prm=prm,
        seconds=0.5,
    )


def write_run(
    path: Path, strategy: str, budget: int, problems: Sequence[Asked], owed: int = 0, **keys: Any
) -> Path:
    """A run's folder with its journal and traces."""
    params = {"budget": budget, **keys.pop("params", {})}
    of = recipe(strategy=strategy, params=params, **keys)
    with RunFolder(path, of, resume=False) as folder:
        folder.journal.append(
            {"type": "session", "problems": len(problems) + owed, "models": MODELS}
        )
        for number, asked in enumerate(problems):
            row = result(asked, strategy)
            nodes = [
                {"id": [i], "text": c.text, "tokens": 10, "finish": c.finish, "scores": [0.5]}
                for i, c in enumerate(row.completions)
            ]
            folder.write_trace(number, row.id, {"id": row.id, "nodes": nodes})
            folder.journal.append(
                {"type": "problem", "number": number, "at": 2.0, "row": row.as_json()}
            )
    return path
