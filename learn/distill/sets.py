"""Examples that are there already: data sets in TRL's formats, conversations of many turns too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sal.learn.distill.examples import Example, Method, thinking_of
from sal.learn.errors import LabelError
from sal.learn.labelled import Gathered
from sal.runs.dataset_rows import read_dataset
from sal.runs.errors import BadRow
from sal.runs.turns import Turn, is_turns, turn_of

LABELLED_WRONG = "examples that are labelled wrong"
PARTED_EARLY = "pairs that part before their last turn"
NO_REPLY = "conversations without a turn of the assistant's"

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: the methods it is for, its columns, and a row's examples or why it has none."""

    methods: tuple[Method, ...]
    columns: tuple[str, ...]
    examples: Callable[[str, Content], Iterable[Example] | str]


def examples_in(
    dataset: str, method: Method, split: str | None = None, limit: int | None = None
) -> Gathered[Example]:
    """The examples of a file, a folder or a set on the Hub; `limit` counts its own rows.

    Raises `LabelError` for columns that `method` cannot learn from, and for a row that is not of
    their format, and `DatasetError` for what cannot be read.
    """
    names = tuple(dict.fromkeys(name for form in FORMATS for name in form.columns))
    gathered: Gathered[Example] = Gathered()
    form: Format | None = None
    for row in read_dataset(dataset, split, limit, names).rows[:limit]:
        if row.content is None:
            raise LabelError(f"{row.place(dataset)}: {row.fault}")
        form = form or _format_for(method, dataset, row.content)
        try:
            told = form.examples(str(row.content.get("id", row.number)), row.content)
            found = list(() if isinstance(told, str) else told)
        except BadRow as error:
            raise LabelError(f"{row.place(dataset)}: {error}") from error
        dropped = {told: 1} if isinstance(told, str) else {}
        gathered.add(Gathered(found, Counter(dropped)))
    if form is None:
        raise LabelError(f"{dataset}: holds no rows")
    return gathered


def _format_for(method: Method, dataset: str, content: Content) -> Format:
    for form in FORMATS:
        if method in form.methods and all(name in content for name in form.columns):
            return form
    wanted = "; or ".join(", ".join(form.columns) for form in FORMATS if method in form.methods)
    there = ", ".join(content)
    raise LabelError(
        f"{dataset}: {method} cannot learn from the columns {there} (it wants {wanted})"
    )


def _completion(id: str, content: Content) -> list[Example] | str:
    if content.get("label") is False:
        return LABELLED_WRONG
    return [_one(id, content)]


def _labelled(id: str, content: Content) -> list[Example]:
    if not isinstance(content["label"], bool):
        raise BadRow(f"its label is {content['label']!r:.40}, not true or false")
    return [_one(id, content, right=content["label"])]


def _one(id: str, content: Content, right: bool | None = None) -> Example:
    prompt, reply = _split(content["prompt"], content["completion"], "completion")
    return Example(id=id, prompt=prompt, reply=reply, right=right, thinking=thinking_of(content))


def _pair(id: str, content: Content) -> list[Example] | str:
    prompt = content.get("prompt", [])
    if is_turns(content["chosen"]) and not is_turns(prompt):
        prompt = []  # all turns stand in both; a text beside them repeats one of the user's
    kept, reply = _split(prompt, content["chosen"], "chosen")
    head, rejected = _split(prompt, content["rejected"], "rejected")
    if head != kept:
        return PARTED_EARLY
    if not kept:
        raise BadRow("its replies have no prompt")
    thinking = thinking_of(content)
    return [Example(id=id, prompt=kept, reply=reply, rejected=rejected, thinking=thinking)]


def _split(prompt: Any, replies: Any, field: str) -> tuple[str | tuple[Turn, ...], str]:
    """What stands before the last reply, and that reply."""
    if isinstance(prompt, str) and isinstance(replies, str):
        if not replies.strip():
            raise BadRow(f"field {field!r} is empty")
        return prompt, replies
    if not isinstance(prompt, list | tuple) or not is_turns(replies):
        raise BadRow(f"field {field!r} and its prompt are neither two texts nor lists of turns")
    *before, last = _turns([*prompt, *replies], field)
    if last.role != "assistant":
        raise BadRow(f"field {field!r} does not end with a turn of the assistant's")
    return tuple(before), last.content


def _turns(value: Sequence[Any], field: str) -> list[Turn]:
    if not is_turns(value):
        raise BadRow(f"field {field!r} is no list of turns")
    return [turn_of(turn, field) for turn in value]


def _messages(column: str) -> Callable[[str, Content], Iterable[Example] | str]:
    """Every turn of the assistant's is a reply to all that was said before it."""

    def examples(id: str, content: Content) -> Iterable[Example] | str:
        turns = _turns(content[column] or [], column)
        return list(_replies(id, turns, thinking_of(content))) or NO_REPLY

    return examples


def _replies(id: str, turns: Sequence[Turn], thinking: bool | None) -> Iterator[Example]:
    for at, turn in enumerate(turns):
        if turn.role == "assistant" and at:
            yield Example(
                id=f"{id}/{at}", prompt=tuple(turns[:at]), reply=turn.content, thinking=thinking
            )


FORMATS = (
    Format(("sft",), ("messages",), _messages("messages")),
    Format(("sft",), ("conversations",), _messages("conversations")),
    Format(("sft",), ("prompt", "completion"), _completion),
    Format(("kto",), ("prompt", "completion", "label"), _labelled),
    Format(("dpo", "orpo"), ("chosen", "rejected"), _pair),
)
