"""The problems of a run: questions with their right answers, from whatever holds them."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sal.records.fields import paths
from sal.records.row import Row
from sal.runs.choices import Choices, choices_of
from sal.runs.dataset_fields import (
    QUESTION_FIELDS,
    check_fields,
    choose_fields,
    columns,
    ids,
    parts,
)
from sal.runs.dataset_rows import ONLY_SPLIT, read_dataset
from sal.runs.dataset_rows import TINY as TINY
from sal.runs.errors import BadRow, DatasetError
from sal.runs.golds import Answers, golds, text_of, unwrapped
from sal.runs.golds import final_answer as final_answer
from sal.runs.held import held
from sal.runs.shard import Shard
from sal.runs.turns import Turn, is_turns, prompt_turns, question_of

_REASONS = 5
"""Faults of skipped rows that are told."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its gold answer; `id` is unique in its dataset.

    `turns` is the conversation that it stands in, where it is more than the one turn `text`.
    `others` are answers that are as right as `answer`. Of a multiple choice, `choices` are the
    texts, which `text` lists, and `answer` is a letter.
    """

    id: str
    text: str
    answer: str
    turns: tuple[Turn, ...] = ()
    others: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """All right answers, of which one is enough."""
        return (self.answer, *self.others)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its fields: a quarter of the time of a dataclass's own way."""
        told = (self.id, self.text, self.answer, self.turns, self.others, self.choices)
        return Question, told


@dataclass(frozen=True, slots=True)
class Skipped:
    """How many of the rows were passed over as unusable, and why: the first few."""

    rows: int = 0
    of: int = 0
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.rows} of {self.of} rows"


@dataclass(frozen=True, slots=True)
class ProblemSet:
    """Questions, and where they came from with every choice resolved.

    Of a shard they are a part: `numbers` has their places in the data set, `whole` the digest of
    all of it.
    """

    questions: Sequence[Question]
    dataset: str
    split: str
    question_field: str
    answer_field: str
    choices_field: str | None = None
    skipped: Skipped = Skipped()
    numbers: Sequence[int] = ()
    whole: str = ""

    def __post_init__(self) -> None:
        if not self.whole:
            object.__setattr__(self, "numbers", range(len(self.questions)))
            object.__setattr__(self, "whole", self._digest())

    @property
    def digest(self) -> str:
        """Of ids, questions and answers: a file that changed is another problem set.

        That of a shard is the whole set's.
        """
        return self.whole

    def shard(self, shard: Shard) -> ProblemSet:
        """Its part of these; raises `DatasetError` when there are too few for one each."""
        total = len(self.questions)
        if shard.count > total:
            raise DatasetError(f"--shard {shard}: there are only {total} problems")
        return replace(
            self,
            questions=shard.part(self.questions),
            numbers=shard.part(range(total)),
        )

    def _digest(self) -> str:
        """Of the JSON of all, as it comes."""
        digest = hashlib.sha256(b"[")
        for number, q in enumerate(self.questions):
            content: list[Any] = [q.id, q.text, q.answer]
            if q.turns or q.others:
                content += [[[turn.role, turn.content] for turn in q.turns], list(q.others)]
            if q.choices:
                content.append(list(q.choices))
            digest.update(f"{', ' if number else ''}{json.dumps(content)}".encode())
        digest.update(b"]")
        return digest.hexdigest()[:16]


def load_problems(
    dataset: str,
    *,
    split: str | None = None,
    limit: int | None = None,
    question_field: str | None = None,
    answer_field: str | None = None,
    choices_field: str | None = None,
    answers: Answers | None = None,
    skip_bad_rows: bool = False,
) -> ProblemSet:
    """Read `dataset`: "tiny", a file (docs/data.md), a folder, or a Hub name.

    A Hub name may carry a configuration (`openai/gsm8k:main`). Without `split`, "test" is taken
    where there is one. `question_field` and `choices_field` may join fields (`Body+Question`);
    choices of which one field is the answer's are shown in an order of their own for each problem.
    A row that cannot be used refuses the data set, or with `skip_bad_rows` is passed over and
    counted. Raises `DatasetError` with what there is to choose from.
    """
    said = [name for name in (question_field, answer_field, choices_field) if name is not None]
    read = read_dataset(dataset, split, None if skip_bad_rows else limit, (*QUESTION_FIELDS, *said))
    contents = _Contents(read.rows)
    there = paths(contents)
    if contents.bad is not None and not (skip_bad_rows and contents.any):
        raise _refusal(dataset, contents.bad, contents.bad.fault, skip=contents.any)
    if not contents.any:
        where = "it" if read.split == ONLY_SPLIT else f"split {read.split!r}"
        raise DatasetError(f"{dataset}: no rows in {where}: was it written to its end?")
    question, answer = choose_fields(question_field, answer_field, contents, there, dataset)
    named = parts(question, there)
    *asked, right = columns(contents, [*named, answer])
    listed = [] if choices_field is None else parts(choices_field, there)
    check_fields(listed, there, dataset)
    fallback = "solution" if answer_field is None else None
    faults: list[str] = []
    numbers = array("q")

    def read_row(row: Row) -> _Read:
        if row.content is None:
            raise BadRow(row.fault)
        text, turns = _asked([unwrapped(column.of(row.content)) for column in asked], named)
        if listed and turns:
            raise BadRow(f"field {question!r} is a conversation, with which no choices go")
        if listed:
            return _Read(text, turns, (), choices_of(row.content, listed, answer))
        value = unwrapped(right.of(row.content))
        gold = golds(value, answer, row.content, answers=answers, fallback=fallback)
        return _Read(text, turns, gold)

    def readable() -> Iterator[_Read]:
        for row in read.rows:
            if len(numbers) == limit:
                break
            try:
                found = read_row(row)
            except BadRow as error:
                if not skip_bad_rows:
                    raise _refusal(dataset, row, str(error)) from error
                faults.append(f"{row.where}: {error}")
                continue
            numbers.append(row.number)
            yield found

    found = held(readable())
    if not found:
        raise DatasetError(f"{dataset}: none of its {len(faults)} rows can be used: {faults[0]}")
    any_case = question_field is None and question not in QUESTION_FIELDS
    names = ids(contents, _Contents(read.rows, numbers), numbers, there, any_case=any_case)
    shuffle = len(listed) > 1 and answer in listed
    questions = held(
        row.question(id, shuffle=shuffle) for id, row in zip(names, found, strict=True)
    )
    skipped = Skipped(len(faults), len(found) + len(faults), tuple(faults[:_REASONS]))
    return ProblemSet(questions, dataset, read.split, question, answer, choices_field, skipped)


class _Contents:
    """What the rows hold that can be used, or those of them with `numbers`, which ascend.

    Gone through once, `any` tells whether there is one, and `bad` is the first that cannot be used.
    """

    def __init__(self, rows: Sequence[Row], numbers: Sequence[int] | None = None) -> None:
        self._rows = rows
        self._numbers = numbers
        self.any = False
        self.bad: Row | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        wanted = None if self._numbers is None else iter(self._numbers)
        next_one = -1 if wanted is None else next(wanted, -1)
        for row in self._rows:
            if row.content is None:
                self.bad = self.bad or row
            elif wanted is None:
                self.any = True
                yield row.content
            elif row.number == next_one:
                yield row.content
                next_one = next(wanted, -1)


class _Read(NamedTuple):
    """What a row holds of a question."""

    text: str
    turns: tuple[Turn, ...]
    golds: tuple[str, ...]
    choices: Choices | None = None

    def question(self, id: str, *, shuffle: bool) -> Question:
        if self.choices is None:
            return Question(id, self.text, self.golds[0], self.turns, self.golds[1:])
        choices = self.choices.shuffled(id) if shuffle else self.choices
        text = f"{self.text.rstrip()}\n\n{choices.listed()}"
        return Question(id, text, choices.letter, choices=choices.texts)


def _asked(values: Sequence[Any], names: Sequence[str]) -> tuple[str, tuple[Turn, ...]]:
    """The text of a question, and its turns where they are more than that one text."""
    if len(values) > 1:
        return " ".join(text_of(v, n).strip() for v, n in zip(values, names, strict=True)), ()
    value, name = values[0], names[0]
    if not is_turns(value):
        return text_of(value, name), ()
    turns = prompt_turns(value, name)
    return text_of(question_of(turns), name), turns if len(turns) > 1 else ()


def _refusal(dataset: str, row: Row, fault: str, *, skip: bool = True) -> DatasetError:
    remedy = "; --skip-bad-rows passes over such rows" if skip else ""
    return DatasetError(f"{row.place(dataset)}: {fault}{remedy}")
