"""Right answers as data sets hold them: texts, numbers, solutions, lists, the reply of a chat."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from sal.grading.boxes import has_box
from sal.records.several import several
from sal.runs.errors import BadRow
from sal.runs.turns import is_turns, replied

Answers = Literal["any", "all"]
"""Of several right answers, whether one is enough or each must be given."""


def final_answer(answer: str) -> str:
    """A GSM8K answer is a solution with the answer after `####`; others are themselves."""
    return answer.rpartition("####")[2].strip() if "####" in answer else answer


def unwrapped(value: Any) -> Any:
    """The item of a list of one; None for what pandas and CSV write where nothing is."""
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], dict):
        value = value[0]
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, float) and math.isnan(value):
        return None
    return None if value == [] else value


def text_of(value: Any, name: str) -> str:
    """A text or a number as text; raises `BadRow` for what is none."""
    if value is None:
        raise BadRow(f"field {name!r} is empty")
    if isinstance(value, dict):
        there = ", ".join(f"{name}.{key}" for key in list(value)[:8])
        raise BadRow(f"field {name!r} is not a text but an object: name a field of it: {there}")
    if isinstance(value, list | tuple | bytes):
        raise BadRow(f"field {name!r} is not a text: {value!r:.60}")
    if isinstance(value, float) and math.isinf(value):
        raise BadRow(f"field {name!r} is infinite")
    text = str(value)
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise BadRow(f"field {name!r} holds half of a character (an unpaired surrogate)")
    return text


def golds(
    value: Any, name: str, row: Mapping[str, Any], *, answers: Answers | None, fallback: str | None
) -> tuple[str, ...]:
    """The right answers in `value`, the field `name` of `row`: mostly one, else one is enough.

    A list of several is one answer with `answers` "all", and as many with "any"; OlympiadBench's
    own `is_multiple_answer` says "all". A conversation's last reply is the answer in it. An empty
    field gives way to `fallback` where a boxed answer, or one behind `####`, stands there. Raises
    `BadRow` where there is no answer, or it is not said what several mean.
    """
    if value is None and fallback is not None:
        solution = unwrapped(row.get(fallback))
        if isinstance(solution, str) and (has_box(solution) or "####" in solution):
            value, name = solution, fallback
    if is_turns(value):
        value = replied(value, name)
        if value is None:
            raise BadRow(f"field {name!r} ends with the user's turn: no answer stands behind it")
    items = several(value, written=answers == "any")
    if items is None:
        return (final_answer(text_of(value, name)),)
    if answers is None and row.get("is_multiple_answer") is True:
        answers = "all"
    if answers is None:
        raise BadRow(
            f"field {name!r} holds {len(items)} answers: say --answers any where one of them "
            "is enough, --answers all where each must be given"
        )
    texts = [final_answer(text_of(unwrapped(item), name)) for item in items]
    return tuple(dict.fromkeys(texts)) if answers == "any" else (", ".join(texts),)
