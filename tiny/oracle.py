"""The exact judge of a step. It reads text alone and shares nothing with the generator.

A step is right when it is the definition that is due, each expression in it has the value that
this definition truly has, and the last one is a plain number; the step after the last definition
must be the boxed answer. Whatever else a model writes is a wrong step, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_QUESTION = re.compile(r"Let (?P<listed>[^.]*)\. Find (?P<target>[a-z])\.")
_TOKEN = re.compile(r"[0-9]{1,4}|[a-z]|[-+*()]")
_NUMBER = re.compile(r"-?[0-9]{1,4}")
_LONGEST = 200
"""No right step has more characters; also bounds the parser's recursion."""


class NotAnExpression(ValueError):
    """The text is no expression of the grammar below."""


def answer(question: str) -> int:
    """The answer to a question; ValueError where the text is no question of this task."""
    return _values(question)[1]


def step_labels(question: str, steps: Sequence[str]) -> list[bool]:
    """Per step: are this step and all steps before it right?

    Raises ValueError where `question` is no question of this task; never for a step.
    """
    due, target = _values(question)
    labels: list[bool] = []
    for k, step in enumerate(steps):
        if k < len(due):
            right = _defines(step.strip(), *due[k])
        else:
            right = k == len(due) and step.strip() == f"\\boxed{{{target}}}"
        labels.append(right and all(labels))
    return labels


def _values(question: str) -> tuple[list[tuple[str, int]], int]:
    """The (variable, value) pairs that want a step of their own, in order, and the answer."""
    match = _QUESTION.fullmatch(question.strip())
    if match is None:
        raise ValueError(f"not a question of the tiny task: {question[:80]!r}")
    values: dict[str, int] = {}
    due = []
    for listed in match["listed"].split(", "):
        name, equals, text = listed.partition("=")
        if not equals or not re.fullmatch("[a-z]", name) or name in values:
            raise ValueError(f"not a definition: {listed[:80]!r}")
        values[name] = evaluate(text, values)
        if not _NUMBER.fullmatch(text):
            due.append((name, values[name]))
    if match["target"] not in values:
        raise ValueError(f"the question asks for an unknown variable: {match['target']}")
    return due, values[match["target"]]


def _defines(step: str, name: str, value: int) -> bool:
    if len(step) > _LONGEST:
        return False
    left, *expressions = step.split("=")
    if left != name or not expressions or not _NUMBER.fullmatch(expressions[-1]):
        return False
    try:
        return all(evaluate(text) == value for text in expressions)
    except NotAnExpression:
        return False


def evaluate(text: str, values: dict[str, int] | None = None) -> int:
    """The value of an expression over + - * ( ), numbers and known variables.

    sum := product (("+" | "-") product)*; product := atom ("*" atom)*;
    atom := ["-"] (number | variable | "(" sum ")").
    """
    if len(text) > _LONGEST:
        raise NotAnExpression(text[:_LONGEST])
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise NotAnExpression(text)
    tokens.reverse()

    def accept(choices: str) -> str:
        return tokens.pop() if tokens and tokens[-1] in choices else ""

    def total() -> int:
        value = product()
        while operator := accept("+-"):
            value += product() if operator == "+" else -product()
        return value

    def product() -> int:
        value = atom()
        while accept("*"):
            value *= atom()
        return value

    def atom() -> int:
        sign = -1 if accept("-") else 1
        if accept("("):
            value = total()
            if not accept(")"):
                raise NotAnExpression(text)
            return sign * value
        token = tokens.pop() if tokens else ""
        if token.isdecimal():
            return sign * int(token)
        if values is None or token not in values:
            raise NotAnExpression(text)
        return sign * values[token]

    value = total()
    if tokens:
        raise NotAnExpression(text)
    return value
