"""The student whose solutions the policy imitates: right in method, with habits."""

from __future__ import annotations

import random
from collections.abc import Sequence

from sal.tiny.task import FAMILIES, LIMIT, Definition, Terms, TinyProblem, rewritings, show

CARELESSNESS = dict(zip(FAMILIES, (0.3, 0.65), strict=True))
"""How often a habit is given way to, by the letters of the question."""


MENDS = 0.35
"""How often a revision does without the habit that the attempt before it gave way to."""

RELAPSES = 0.05
"""How often a revision gives way to a habit where the attempt before it was right."""


def carelessness(problem: TinyProblem) -> float:
    return next(r for letters, r in CARELESSNESS.items() if problem.definitions[0].name in letters)


def demonstrate(rng: random.Random, problem: TinyProblem, rate: float | None = None) -> list[str]:
    """The steps of one solution; `rate` replaces the question's own carelessness (0: all right)."""
    rate = carelessness(problem) if rate is None else rate
    return _solve(rng, problem, [rate] * len(problem.definitions))[0]


def revise(rng: random.Random, problem: TinyProblem, count: int) -> list[list[str]]:
    """`count` solutions in a row, each written after a look at the one before it.

    A mistaken step is done again without its habit, or with it, as `MENDS` says; a right one may
    become a mistake, as `RELAPSES` says.
    """
    attempts = []
    rates = [carelessness(problem)] * len(problem.definitions)
    for _ in range(count):
        steps, mistaken = _solve(rng, problem, rates)
        attempts.append(steps)
        rates = [
            float(rng.random() >= MENDS) if wrong else float(rng.random() < RELAPSES)
            for wrong in mistaken
        ]
    return attempts


def _solve(
    rng: random.Random, problem: TinyProblem, rates: Sequence[float]
) -> tuple[list[str], list[bool]]:
    """The steps of a solution that is as careless as `rates` say of each definition, and in which
    definitions it gave way to a habit."""
    values: dict[str, int] = {}
    steps, mistaken = [], []
    for definition, rate in zip(problem.definitions, rates, strict=True):
        text, values[definition.name], wrong = rewrite(rng, definition, values, rate)
        mistaken.append(wrong)
        if definition.operators:
            steps.append(text)
    return [*steps, f"\\boxed{{{values[definition.name]}}}"], mistaken


def rewrite(
    rng: random.Random, definition: Definition, values: dict[str, int], rate: float
) -> tuple[str, int, bool]:
    """One step's text, the value that it ends in, and whether it gave way to a habit."""
    terms = definition.substitute(values)
    text = f"{definition.name}={show(terms)}"
    mistaken = False
    while terms[1]:
        right, habit = rewritings(terms)
        tempted = habit is not None and rng.random() < rate
        mistaken |= tempted
        terms = habit if habit is not None and tempted else right
        text += f"={show(terms)}"
    return text, terms[0][0], mistaken


def slip(rng: random.Random, problem: TinyProblem, rate: float, slips: float) -> list[str]:
    """A solution as `demonstrate` writes it, with slips that no habit explains.

    Each number or operator that is written may be another with probability `slips` / 4, and each
    step may be garbled, left out, repeated or broken off with probability `slips` / 4.
    """
    values: dict[str, int] = {}
    steps: list[str] = []
    for definition in problem.definitions:
        terms = definition.substitute(values)
        terms = _miswrite(rng, terms, values, slips)
        text = f"{definition.name}={show(terms)}"
        while terms[1]:
            right, habit = rewritings(terms)
            terms = habit if habit is not None and rng.random() < rate else right
            terms = _miswrite(rng, terms, values, slips)
            text += f"={show(terms)}"
        values[definition.name] = terms[0][0]
        if definition.operators:
            steps += _mangle(rng, text, steps, slips)
    boxed = values[definition.name]
    if rng.random() < slips / 4:
        boxed = rng.choice((*values.values(), _other(rng, boxed)))
    return [*steps, *_mangle(rng, f"\\boxed{{{boxed}}}", steps, slips / 2)]


def _miswrite(rng: random.Random, terms: Terms, values: dict[str, int], slips: float) -> Terms:
    """Terms with, now and then, one operand or operator that is another."""
    if rng.random() >= slips / 4 or not values:
        return terms
    operands, operators = terms
    if operators and rng.random() < 0.3:
        i = rng.randrange(len(operators))
        return operands, operators[:i] + rng.choice("+-*") + operators[i + 1 :]
    i = rng.randrange(len(operands))
    wrong = rng.choice(tuple(values.values())) if rng.random() < 0.3 else _other(rng, operands[i])
    return (*operands[:i], wrong, *operands[i + 1 :]), operators


def _other(rng: random.Random, number: int) -> int:
    """A number that could be written for this one by mistake."""
    digits = str(abs(number))
    return rng.choice(
        (
            number + rng.choice((-1, 1)),
            number + rng.choice((-1, 1)),
            number + rng.choice((-2, 2, -3, 3, -4, 4)),
            number + rng.choice((-10, 10)),
            -number,
            int(digits[::-1]),
            rng.randint(-LIMIT, LIMIT),
        )
    )


def _mangle(rng: random.Random, text: str, steps: list[str], slips: float) -> list[str]:
    """The steps that are written in place of one."""
    if rng.random() >= slips / 4:
        return [text]
    kind = rng.randrange(6)
    if kind == 0:
        return []
    if kind == 1:
        return [steps[-1] if steps else text, text]
    if kind == 2 and len(text) > 3:
        return [text[: rng.randint(1, len(text) - 1)]]
    at = rng.randrange(len(text))
    if kind == 3:
        return [text[:at] + rng.choice("0123456789+-*=()abcpqr") + text[at + 1 :]]
    if kind == 4:
        return [text[:at] + text[at + 1 :]]
    return [text[:at] + rng.choice("0123456789+-=()") + text[at:]]
