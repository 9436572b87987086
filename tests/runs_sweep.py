"""Sweeps for the compute-optimal fit: folders of runs as `sal run` leaves them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from runs_examples import recipe

from sal.runs.folder import RunFolder
from sal.runs.recipe import Recipe
from sal.runs.registry import STRATEGIES
from sal.runs.results import CompletionRow, ResultRow
from sal.runtime.model_cost import ModelCost
from sal.runtime.usage import Usage
from sal.strategies.voting import elect

MODELS = {"policy": ModelCost(1000, 4), "prm": ModelCost(2000, 8)}


def said(answer: str, score: float, finish: str = "eot", steps: int = 2) -> CompletionRow:
    """A completion of 10 tokens; right is "1"."""
    texts = (*(f"step {i} to {answer}" for i in range(steps - 1)), f"\\boxed{{{answer}}}")
    verdict = "match" if answer == "1" else "mismatch" if answer else "no_answer"
    return CompletionRow(
        "\n\n".join(texts),
        texts,
        (0.9,) * (steps - 1) + (score,),
        10,
        finish,
        answer if finish == "eot" else "",
        verdict,
        score if finish == "eot" else None,
    )


def found(id: str, *completions: CompletionRow, rule: str = "weighted", **more: Any) -> ResultRow:
    """What a search of these completions leaves: the policy read 5 tokens, the PRM 4 for each."""
    chosen = elect([c.key for c in completions], [c.weight for c in completions])
    right = [c.right for c in completions]
    correct = {r: i is not None and right[i] for r, i in chosen.items()}
    n = len(completions)
    values: dict[str, Any] = {
        "id": id,
        "question": f"question {id}",
        "answer": "1",
        "completions": tuple(completions),
        "rule": rule,
        "chosen": chosen,
        "correct": correct | {"pass": any(right)},
        "policy": Usage(5 * n, 5 * n - 5, 10 * n, n, 100 * n),
        "prm": Usage(20 * n, 16 * n, 0, n, 50 * n),
        "seconds": 1.0,
    }
    return ResultRow(**(values | more))


def write_run(
    folder: Path,
    strategy: str,
    budget: int,
    rows: list[ResultRow],
    *,
    owed: int = 0,
    models: Any = MODELS,
    change: Callable[[Recipe], Recipe] = lambda r: r,
    **params: Any,
) -> Path:
    """One run; its name is the folder's."""
    known = STRATEGIES[strategy].params({"budget": budget, **params})
    filled = asdict(known)
    if filled.get("aggregate", "last") is None:
        filled["aggregate"] = "last"
    path = folder / f"{strategy}-{budget}"
    with RunFolder(path, change(recipe(strategy=strategy, params=filled)), resume=False) as run:
        told = {role: model and asdict(model) for role, model in models.items()}
        run.journal.append({"type": "session", "problems": len(rows) + owed, "models": told})
        for number, row in enumerate(rows):
            run.journal.append(
                {"type": "problem", "number": number, "at": 1.0, "row": row.as_json()}
            )
    return path


def write_sweep(folder: Path, problems: int = 80, samples: int = 24, seed: int = 2) -> Path:
    """Every other problem is easy: nine samples of ten are right, of the others one in eight.

    The PRM nearly always knows. A beam's completion is the better of two samples.
    """
    dice = random.Random(seed)
    chances = [0.9 if i % 2 else 0.125 for i in range(problems)]

    def sample(chance: float) -> CompletionRow:
        right = dice.random() < chance
        known = dice.random() < 0.995
        score = dice.uniform(0.6, 1) if right == known else dice.uniform(0, 0.4)
        return said("1" if right else dice.choice("23456789"), score)

    def beamed(chance: float) -> CompletionRow:
        return max(sample(chance), sample(chance), key=lambda c: c.scores[-1])

    ids = [f"q{i}" for i in range(problems)]
    arms: dict[tuple[str, int], Callable[[float], CompletionRow]] = {
        ("best-of-n", samples): sample,
        **{("beam", n): beamed for n in (2, 4, 8)},
    }
    for (strategy, n), draw in arms.items():
        rows = [
            found(id, *(draw(chance) for _ in range(n)))
            for id, chance in zip(ids, chances, strict=True)
        ]
        write_run(folder, strategy, n, rows)
    return folder


def failed(row: ResultRow) -> ResultRow:
    """The same problem, on which the search failed."""
    nothing = dict.fromkeys(row.chosen)
    wrong = dict.fromkeys(row.correct, False)
    return replace(row, completions=(), chosen=nothing, correct=wrong, rule="", error="lost")
