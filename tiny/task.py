"""Straight-line programs: the questions of the embedded task.

A question reads `Let a=7, b=a-3+2, c=b*2+a. Find c.` (compare iGSM, Ye et al. 2024, "Physics of
Language Models 2.1"). A solution rewrites one definition per step, first by substitution and then
one operation at a time, and ends with the answer:

    b=7-3+2=4+2=6
    c=6*2+7=12+7=19
    \\boxed{19}

with blank lines between the steps. Some definitions are traps: they invite a *habit*, a wrong
rewriting that a student applies now and then (`student.py`).
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

LEVELS = (1, 2, 3, 4, 5)
"""A question of level L has L + 1 definitions after its first."""

LIMIT = 60
"""No value on the way to any answer, right or by habit, is larger than this in magnitude."""

FAMILIES = ("abcdefg", "pqrstuv")
"""The letters of a question tell how careful its student is: `student.CARELESSNESS`."""

Operand = str | int
Terms = tuple[tuple[int, ...], str]
"""Operands, and the operators between them: ((7, 3, 2), "-+") is 7-3+2."""


@dataclass(frozen=True, slots=True)
class Definition:
    """`name` = operands[0] operators[0] operands[1] ...; an operand is a variable or a constant."""

    name: str
    operands: tuple[Operand, ...]
    operators: str

    def __str__(self) -> str:
        tail = "".join(f"{o}{x}" for o, x in zip(self.operators, self.operands[1:], strict=True))
        return f"{self.name}={self.operands[0]}{tail}"

    def substitute(self, values: dict[str, int]) -> Terms:
        return tuple(values[x] if isinstance(x, str) else x for x in self.operands), self.operators


@dataclass(frozen=True, slots=True)
class TinyProblem:
    """A question, its answer, its level, and the definitions that the question spells out."""

    id: str
    question: str
    answer: int
    level: int
    definitions: tuple[Definition, ...]


def show(terms: Terms) -> str:
    """Terms as text; a negative operand stands in parentheses unless it comes first."""
    values, operators = terms
    tail = (f"{o}({x})" if x < 0 else f"{o}{x}" for o, x in zip(operators, values[1:], strict=True))
    return f"{values[0]}{''.join(tail)}"


def rewritings(terms: Terms) -> tuple[Terms, Terms | None]:
    """The right next rewriting of terms with an operator left, and the habit's where one tempts.

    Products come first, then signs, then sums from the left. The habits: a sum before the product
    to its right (`7+6*2=13*2`), x-y+z read as x-(y+z) (`7-3+2=7-5`), a lost sign (`7-(-3)=7-3`).
    """
    values, operators = terms
    if "*" in operators:
        at = operators.index("*")
        return reduced(terms, at), reduced(terms, at - 1) if at else None
    for i, operator in enumerate(operators):
        if values[i + 1] < 0:
            magnitudes = (*values[: i + 1], -values[i + 1], *values[i + 2 :])
            flipped = "+" if operator == "-" else "-"
            right = magnitudes, operators[:i] + flipped + operators[i + 1 :]
            return right, (magnitudes, operators) if operator == "-" else None
    if operators == "-+":
        return reduced(terms, 0), ((values[0], values[1] + values[2]), "-")
    return reduced(terms, 0), None


def reduced(terms: Terms, at: int) -> Terms:
    """Terms with operator `at` carried out."""
    values, operators = terms
    x, y = values[at], values[at + 1]
    operator = operators[at]
    value = x * y if operator == "*" else x + y if operator == "+" else x - y
    return (*values[:at], value, *values[at + 2 :]), operators[:at] + operators[at + 1 :]


def held_out(question: str) -> bool:
    """Whether a question belongs to the test split (1 in 16); training streams leave it out."""
    return zlib.crc32(question.encode()) % 16 == 0


def generate(seed: int | random.Random, level: int, *, test: bool = False) -> TinyProblem:
    """A problem of the test split or of the training split; the splits share no question.

    Raises ValueError for a level that is not in `LEVELS`.
    """
    if level not in LEVELS:
        raise ValueError(f"level must be one of {LEVELS}, not {level}")
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    while True:
        definitions = _definitions(rng, level)
        if definitions is None:
            continue
        listed = ", ".join(map(str, definitions))
        question = f"Let {listed}. Find {definitions[-1].name}."
        if held_out(question) == test:
            break
    values: dict[str, int] = {}
    for definition in definitions:
        terms = definition.substitute(values)
        while terms[1]:
            terms = rewritings(terms)[0]
        values[definition.name] = terms[0][0]
    digest = f"tiny-{zlib.crc32(question.encode()):08x}"
    return TinyProblem(digest, question, values[definitions[-1].name], level, definitions)


def _definitions(rng: random.Random, level: int) -> tuple[Definition, ...] | None:
    """Definitions whose every outcome stays within `LIMIT`, or None for an unlucky draw."""
    letters = rng.choice(FAMILIES)
    first = rng.randint(2, 12)
    made = [Definition(letters[0], (first,), "")]
    worlds: set[tuple[int, ...]] = {(first,)}
    for name in letters[1 : level + 2]:
        for _ in range(20):
            definition = _definition(rng, name, letters[: len(made)])
            grown = _grow(worlds, letters, definition)
            if grown is not None:
                break
        else:
            return None
        made.append(definition)
        worlds = grown
    return tuple(made)


def _definition(rng: random.Random, name: str, known: str) -> Definition:
    """A random definition that uses the last known variable and perhaps an earlier one."""
    x = known[-1]
    y: Operand = rng.choice(known[:-1]) if len(known) > 1 and rng.random() < 0.7 else _k(rng)
    form = rng.choices(("plain", "precedence", "grouping", "product", "sum"), (25, 30, 25, 10, 10))[
        0
    ]
    if form == "plain":
        operands: tuple[Operand, ...] = (x, y)
        operators = rng.choice("+--")
    elif form == "precedence":
        k = rng.randint(2, 4)
        product = rng.choice(((x, k), (k, x)))
        operands, operators = (y, *product), rng.choice("+-") + "*"
    elif form == "grouping":
        operands, operators = rng.choice(((x, y, _k(rng)), (y, x, _k(rng)), (x, _k(rng), y))), "-+"
    elif form == "product":
        operands, operators = (x, rng.randint(2, 4), y), "*" + rng.choice("+-")
    else:
        operands, operators = (x, y, _k(rng)), rng.choice(("+-", "++"))
    return Definition(name, operands, operators)


def _k(rng: random.Random) -> int:
    return rng.randint(2, 9)


def _grow(
    worlds: set[tuple[int, ...]], letters: str, definition: Definition
) -> set[tuple[int, ...]] | None:
    """All the values that known variables can have after one more definition, habits included."""
    grown = set()
    for world in worlds:
        for value in _outcomes(definition.substitute(dict(zip(letters, world, strict=False)))):
            if value is None:
                return None
            grown.add((*world, value))
    return grown


def _outcomes(terms: Terms) -> Iterator[int | None]:
    """Every value that terms can end in; None where a value on the way leaves the limit."""
    if max(map(abs, terms[0])) > LIMIT:
        yield None
    elif not terms[1]:
        yield terms[0][0]
    else:
        for rewriting in rewritings(terms):
            if rewriting is not None:
                yield from _outcomes(rewriting)
