"""Which fields of a data set hold the question, the right answer and the id."""

from __future__ import annotations

from collections.abc import Sequence
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
ID_FIELDS = ("id", "unique_id", "problem_id", "idx")

Content = dict[str, Any]


def value(row: Content, name: str) -> Any:
    """The field's value; None where there is none, or nothing in it."""
    try:
        return unwrapped(field(row, name))
    except NoField:
        return None


def column(rows: Sequence[Content], name: str) -> list[Any]:
    """The values of a field; whole numbers among decimal ones are decimal too."""
    values = [value(row, name) for row in rows]
    kinds = {type(item) for item in values}
    if float in kinds and int in kinds and kinds <= {float, int, type(None)}:
        return [float(item) if type(item) is int else item for item in values]
    return values


def choose_fields(
    question: str | None,
    answer: str | None,
    rows: Sequence[Content],
    there: Sequence[str],
    dataset: str,
) -> tuple[str, str]:
    """The two fields by what was said, else by the names that data sets use.

    Where there is no answer and the question is a conversation, its last reply is the answer, and
    its field the answer's. Raises `DatasetError` with the fields `there`.
    """
    question = _field("question", question, QUESTION_FIELDS, there, dataset)
    unnamed = answer is None and find(ANSWER_FIELDS, there) is None
    if unnamed and any(is_turns(item) for item in column(rows, question)):
        return question, question
    return question, _field("answer", answer, ANSWER_FIELDS, there, dataset)


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
    if wanted in there:
        return wanted
    close = nearest(wanted, there)
    meant = f"; is {close!r} meant?" if close is not None else ""
    raise DatasetError(f"{dataset}: no field {wanted!r}; there are {listed(there)}{meant}")


def ids(rows: Sequence[Content], numbers: Sequence[int], *, any_case: bool) -> list[str]:
    """The first id field whose values are all there and differ; else the rows' `numbers`."""
    there = list(dict.fromkeys(name for row in rows for name in row)) if any_case else []
    for name in ID_FIELDS:
        values = column(rows, find([name], there) or name)
        found = [str(item) for item in values]
        if all(item is not None for item in values) and len(set(found)) == len(found):
            return found
    return [str(number) for number in numbers]
