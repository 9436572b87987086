"""Which fields of a data set hold the question, the right answer and the id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
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

Contents = Iterable[dict[str, Any]]
"""Of rows, in their order; as often as it is asked."""


class Column:
    """A field of rows. Whole numbers among decimal ones are decimal too, as in a table."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._kinds: set[type] = set()
        self._alone: set[type] = set()  # of the items of lists of one

    def see(self, row: Mapping[str, Any]) -> None:
        """Know what kind of value it has in one more row."""
        value = self._value(row)
        self._kinds.add(type(value))
        self._alone.add(type(unwrapped(value)))

    @cached_property
    def _decimal(self) -> bool:
        kinds = self._alone if list in self._kinds else self._kinds
        return float in kinds and int in kinds and kinds <= {float, int, type(None)}

    def of(self, row: Mapping[str, Any]) -> Any:
        """Its value in `row`; None where there is none."""
        value = self._value(row)
        if not self._decimal:
            return value
        value = unwrapped(value)
        return float(value) if type(value) is int else value

    def _value(self, row: Mapping[str, Any]) -> Any:
        try:
            return field(row, self._name)
        except NoField:
            return None


def columns(rows: Contents, names: Sequence[str]) -> list[Column]:
    """The columns of that name, all `rows` having been seen."""
    found = [Column(name) for name in names]
    for row in rows:
        for column in found:
            column.see(row)
    return found


def choose_fields(
    question: str | None,
    answer: str | None,
    rows: Contents,
    there: Sequence[str],
    dataset: str,
) -> tuple[str, str]:
    """The two fields by what was said, else by the names that data sets use.

    Where there is no answer and the question is a conversation, its last reply is the answer, and
    its field the answer's. Raises `DatasetError` with the fields `there`.
    """
    question = _field("question", question, QUESTION_FIELDS, there, dataset)
    unnamed = answer is None and find(ANSWER_FIELDS, there) is None
    if unnamed and any(map(is_turns, map(Column(question).of, rows))):
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


def ids(
    rows: Contents, used: Contents, numbers: Sequence[int], there: Sequence[str], *, any_case: bool
) -> list[str]:
    """Of the rows that are `used`, out of all `rows` with the fields `there`: the first id field in
    which all have another; else their numbers."""
    for name in ID_FIELDS:
        spelled = (find([name], there) if any_case else None) or name
        if spelled not in there:
            continue
        (column,) = columns(rows, [spelled])
        found = [str(value) for row in used if (value := column.of(row)) is not None]
        if len(set(found)) == len(numbers):
            return found
    return [str(number) for number in numbers]
