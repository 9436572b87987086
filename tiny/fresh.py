"""Problems that are not among those of `problems/`: of the test split, or of the training split.

    python -m sal.tiny.fresh --count 240 --seed 20240806 > fit.jsonl
    python -m sal.tiny.fresh --count 4000 --seed 1 --split train > train.jsonl

For fits, trainings and step labels whose outcome is judged on `problems/test.jsonl`. Those of the
test split were never seen by the models either.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence

from sal.tiny.paths import PROBLEMS
from sal.tiny.task import LEVELS, TinyProblem, generate


def fresh_problems(count: int, seed: int, *, test: bool = True) -> Iterator[TinyProblem]:
    """`count` different ones of a split, the levels in turn."""
    random_numbers = random.Random(seed)
    seen = {question for path in PROBLEMS.values() for question in _questions(path.read_text())}
    for number in range(count):
        level = LEVELS[number % len(LEVELS)]
        problem = generate(random_numbers, level, test=test)
        while problem.question in seen:
            problem = generate(random_numbers, level, test=test)
        seen.add(problem.question)
        yield problem


def _questions(lines: str) -> list[str]:
    return [json.loads(line)["question"] for line in lines.splitlines()]


def main(arguments: Sequence[str]) -> None:
    """Print them as the rows of `problems/`."""
    parser = argparse.ArgumentParser("sal.tiny.fresh", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--split", choices=tuple(PROBLEMS), default="test")
    said = parser.parse_args(arguments)
    for p in fresh_problems(said.count, said.seed, test=said.split == "test"):
        row = {"id": p.id, "question": p.question, "answer": str(p.answer), "level": p.level}
        print(json.dumps(row))


if __name__ == "__main__":
    main(sys.argv[1:])
