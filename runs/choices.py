"""Multiple choice as data sets hold it: the texts of the choices, and which one is right."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sal.grading.choices import LETTERS
from sal.records.fields import NoField, field
from sal.runs.errors import BadRow
from sal.runs.golds import text_of, unwrapped


@dataclass(frozen=True, slots=True)
class Choices:
    """The texts in the order in which they are shown, and the right one's place among them."""

    texts: tuple[str, ...]
    right: int

    @property
    def letter(self) -> str:
        """The right answer."""
        return LETTERS[self.right]

    def listed(self) -> str:
        """As they stand behind the question."""
        return "\n".join(f"{name}) {text}" for name, text in zip(LETTERS, self.texts, strict=False))

    def shuffled(self, seed: str) -> Choices:
        """In an order that `seed` alone decides."""
        order = sorted(
            range(len(self.texts)),
            key=lambda place: hashlib.sha256(f"{place} of {seed}".encode()).digest(),
        )
        return Choices(tuple(self.texts[place] for place in order), order.index(self.right))


def choices_of(row: Mapping[str, Any], names: Sequence[str], answer: str) -> Choices:
    """The choices in the fields `names` of `row`, or in the list that one field is.

    The right one is told by the field `answer`: one of `names`, a choice's text, its letter, or its
    number from 0. Raises `BadRow` where it is not told, or in two ways.
    """
    if len(names) > 1:
        values = [unwrapped(_value(row, name)) for name in names]
        fields: Sequence[str] = names
    else:
        listed = _value(row, names[0])
        if not isinstance(listed, list):
            raise BadRow(f"field {names[0]!r} is no list of choices")
        values, fields = [unwrapped(item) for item in listed], [names[0]] * len(listed)
    texts = tuple(text_of(v, name).strip() for v, name in zip(values, fields, strict=True))
    if not 2 <= len(texts) <= len(LETTERS):
        raise BadRow(f"{len(texts)} choices: there must be from 2 to {len(LETTERS)}")
    if len(names) > 1 and answer in names:
        return Choices(texts, list(names).index(answer))
    return Choices(texts, _right(texts, values, unwrapped(_value(row, answer)), answer))


def _value(row: Mapping[str, Any], name: str) -> Any:
    try:
        return field(row, name)
    except NoField as error:
        raise BadRow(f"no field {name!r}") from error


def _right(texts: Sequence[str], values: Sequence[Any], value: Any, name: str) -> int:
    """A number among texts is a place."""
    said = text_of(value, name).strip()
    letter = said.strip("().") if len(said) <= 4 else ""
    if isinstance(value, str):
        meant = {place for place, text in enumerate(texts) if text == said}
    else:
        meant = {place for place, other in enumerate(values) if other == value}
    if letter and letter in LETTERS:
        meant.add(LETTERS.index(letter))
    if type(value) is int or (said.isdecimal() and not meant):
        meant.add(int(said[:3]))
    there = [place for place in meant if 0 <= place < len(texts)]
    if len(there) != 1:
        why = "may be more than one of the choices" if there else "is none of the choices"
        raise BadRow(f"field {name!r}: {said!r:.40} {why}")
    return there[0]
