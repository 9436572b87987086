"""The problem sets of the tiny suite, from seeds."""

from __future__ import annotations

import json
import random

from sal.tiny import paths
from sal.tiny.task import LEVELS, TinyProblem, generate


def write_problems() -> None:
    """The problem sets: 100 held-out problems a level to test on, 20 a level to train on.

    The levels take turns, so that the first problems of a set stand for all of it.
    """
    for split, count in (("test", 100), ("train", 20)):
        rng = random.Random(split)
        by_level = [_distinct(rng, level, count, split == "test") for level in LEVELS]
        rows = [
            {"id": p.id, "question": p.question, "answer": str(p.answer), "level": p.level}
            for turn in zip(*by_level, strict=True)
            for p in turn
        ]
        path = paths.PROBLEMS[split]
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _distinct(rng: random.Random, level: int, count: int, test: bool) -> list[TinyProblem]:
    made: dict[str, TinyProblem] = {}
    while len(made) < count:
        problem = generate(rng, level, test=test)
        made[problem.id] = problem
    return list(made.values())
