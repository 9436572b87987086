"""Which fields of a data set hold the question, the right answer and the id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sal.records.fields import NoField, field, find, listed, nearest
from sal.runs.errors import DatasetError
from sal.runs.golds import unwrapped
from sal.runs.turns import is_turns

QUESTION_FIELDS = (
    "problem",
    "question",
    "prompt",
    "query",
    "input",
    "instruction",
    "messages",
    "conversations",
    "conversation",
)
ANSWER_FIELDS = (
    "answer",
    "ground_truth",
    "final_answer",
    "target",
    "expected_answer",
    "solution",
    "reward_model.ground_truth",  # as verl's sets have it, DAPO's among them
    "extra_info.answer",
    "correct_answer",
    "gold_answer",
    "reference_answer",
    "gt_answer",
    "gold",
)
ID_FIELDS = ("id", "unique_id", "problem_id", "idx", "Record ID")

Rows = Mapping[int, dict[str, Any]]
"""The contents of rows by their numbers."""


def column(rows: Rows, name: str) -> dict[int, Any]:
    """The values of a field, by row; None where there is none.

    Whole numbers among decimal ones are decimal too, as in a table.
    """
    values: dict[int, Any] = {}
    for number, row in rows.items():
        try:
            values[number] = field(row, name)
        except NoField:
            values[number] = None
    kinds = set(map(type, values.values()))
    if list in kinds:
        kinds = {type(unwrapped(value)) for value in values.values()}
    if float not in kinds or int not in kinds or not kinds <= {float, int, type(None)}:
        return values
    return {number: _decimal(value) for number, value in values.items()}


def _decimal(value: Any) -> Any:
    value = unwrapped(value)
    return float(value) if type(value) is int else value


def choose_fields(
    question: str | None,
    answer: str | None,
    rows: Rows,
    there: Sequence[str],
    dataset: str,
) -> tuple[str, str]:
    """The two fields by what was said, else by the names that data sets use.

    Where there is no answer and the question is a conversation, its last reply is the answer, and
    its field the answer's. Raises `DatasetError` with the fields `there`.
    """
    question = _field("question", question, QUESTION_FIELDS, there, dataset)
    unnamed = answer is None and find(ANSWER_FIELDS, there) is None
    if unnamed and any(is_turns(value) for value in column(rows, question).values()):
        return question, question
    return question, _field("answer", answer, ANSWER_FIELDS, there, dataset)


def parts(name: str, there: Sequence[str]) -> list[str]:
    """The fields that `name` joins with `+`: `Body+Question`; itself where a field is called so."""
    if name in there or "+" not in name:
        return [name]
    return [part.strip() for part in name.split("+")]


def check_fields(names: Sequence[str], there: Sequence[str], dataset: str) -> None:
    """Raise `DatasetError` where one of `names` is no field."""
    for name in names:
        if name not in there:
            close = nearest(name, there)
            meant = f"; is {close!r} meant?" if close is not None else ""
            raise DatasetError(f"{dataset}: no field {name!r}; there are {listed(there)}{meant}")


def _field(
    what: str, wanted: str | None, known: Sequence[str], there: Sequence[str], dataset: str
) -> str:
    if wanted is None:
        found = find(known, there)
        if found is not None:
            return found
        raise DatasetError(
            f"{dataset}: which field is the {what}? Say so with --{what}-field: {listed(there)}"
        )
    check_fields(parts(wanted, there) if what == "question" else [wanted], there, dataset)
    return wanted


def ids(rows: Rows, numbers: Sequence[int], *, any_case: bool) -> list[str]:
    """Of the rows `numbers`: the first id field in which all have another; else their numbers."""
    there = list(dict.fromkeys(name for row in rows.values() for name in row)) if any_case else []
    for name in ID_FIELDS:
        values = column(rows, find([name], there) or name)
        found = [str(values[number]) for number in numbers if values[number] is not None]
        if len(set(found)) == len(numbers):
            return found
    return [str(number) for number in numbers]
