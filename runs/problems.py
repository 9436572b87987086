"""The problems of a run: questions with their right answers, from whatever holds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sal.records.fields import paths
from sal.records.row import Row
from sal.runs.choices import Choices, choices_of
from sal.runs.dataset_fields import (
    QUESTION_FIELDS,
    check_fields,
    choose_fields,
    column,
    ids,
    parts,
)
from sal.runs.dataset_rows import ONLY_SPLIT, read_dataset
from sal.runs.dataset_rows import TINY as TINY
from sal.runs.errors import BadRow, DatasetError
from sal.runs.golds import Answers, golds, text_of, unwrapped
from sal.runs.golds import final_answer as final_answer
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

    questions: tuple[Question, ...]
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
            questions=tuple(shard.part(self.questions)),
            numbers=shard.part(range(total)),
        )

    def _digest(self) -> str:
        content: list[list[Any]] = []
        for q in self.questions:
            content.append([q.id, q.text, q.answer])
            if q.turns or q.others:
                content[-1] += [[[turn.role, turn.content] for turn in q.turns], list(q.others)]
            if q.choices:
                content[-1].append(list(q.choices))
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


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
    usable = {row.number: row.content for row in read.rows if row.content is not None}
    if len(usable) < len(read.rows) and not (skip_bad_rows and usable):
        bad = next(row for row in read.rows if row.content is None)
        raise _refusal(dataset, bad, bad.fault, skip=bool(usable))
    if not usable:
        where = "it" if read.split == ONLY_SPLIT else f"split {read.split!r}"
        raise DatasetError(f"{dataset}: no rows in {where}: was it written to its end?")
    there = paths(usable.values())
    question, answer = choose_fields(question_field, answer_field, usable, there, dataset)
    named = parts(question, there)
    asked, right = [column(usable, part) for part in named], column(usable, answer)
    listed = [] if choices_field is None else parts(choices_field, there)
    check_fields(listed, there, dataset)
    fallback = "solution" if answer_field is None else None
    found: dict[int, _Read] = {}
    faults: list[str] = []
    for row in read.rows:
        if len(found) == limit:
            break
        try:
            if row.content is None:
                raise BadRow(row.fault)
            text, turns = _asked([unwrapped(values[row.number]) for values in asked], named)
            if listed and turns:
                raise BadRow(f"field {question!r} is a conversation, with which no choices go")
            if listed:
                choices = choices_of(row.content, listed, answer)
                found[row.number] = _Read(text, turns, (), choices)
                continue
            value = unwrapped(right[row.number])
            gold = golds(value, answer, row.content, answers=answers, fallback=fallback)
            found[row.number] = _Read(text, turns, gold)
        except BadRow as error:
            if not skip_bad_rows:
                raise _refusal(dataset, row, str(error)) from error
            faults.append(f"{row.where}: {error}")
    if not found:
        raise DatasetError(f"{dataset}: none of its {len(faults)} rows can be used: {faults[0]}")
    any_case = question_field is None and question not in QUESTION_FIELDS
    names = ids(usable, list(found), any_case=any_case)
    questions = tuple(
        read_row.question(id, shuffle=len(listed) > 1 and answer in listed)
        for id, read_row in zip(names, found.values(), strict=True)
    )
    skipped = Skipped(len(faults), len(found) + len(faults), tuple(faults[:_REASONS]))
    return ProblemSet(questions, dataset, read.split, question, answer, choices_field, skipped)


@dataclass(frozen=True, slots=True)
class _Read:
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
