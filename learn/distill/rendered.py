"""Examples as the texts that the policy reads and writes in a search, to the last token.

TRL would render conversations itself, and tokenise what comes out: with a template that opens
another turn than the search's, a second token at the beginning, or another one at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import jinja2

from sal.learn.distill.examples import PAIRED, Example, Method
from sal.learn.errors import TrainError
from sal.runtime.tokenizer import Tokenizer

TOO_LONG = "examples that are too long"
GROWN_TOGETHER = "examples of which the reply begins inside the prompt's last token"


@dataclass(slots=True)
class Rendered:
    """Rows of texts by TRL's columns, what was left out, and the token that ends every reply.

    The rows of a tokenizer that `leads` its texts with a token have none at their beginning.
    """

    end: str
    leads: bool
    rows: list[dict[str, str | bool]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    tokens: int = 0


def render(
    examples: Sequence[Example], method: Method, tokenizer: Tokenizer, max_length: int
) -> Rendered:
    """All examples of at most `max_length` tokens; a reply without its end would teach to go on.

    Raises `TrainError` where the model cannot be asked so, and where nothing is left.
    """
    chat = not isinstance(examples[0].prompt, str)
    rendered = Rendered(_end(tokenizer, chat=chat), leads=bool(tokenizer.encode("", special=True)))
    names = ("chosen", "rejected") if method in PAIRED else ("completion",)
    for example in examples:
        prompt = _prompt(example, tokenizer)
        replies = [r + rendered.end for r in (example.reply, example.rejected) if r is not None]
        asked = tokenizer.encode(prompt, special=True)
        trained = [tokenizer.encode(prompt + reply, special=True) for reply in replies]
        if any(ids[: len(asked)] != asked for ids in trained):
            rendered.dropped[GROWN_TOGETHER] += 1
            continue
        if max(map(len, trained)) > max_length:
            rendered.dropped[TOO_LONG] += 1
            continue
        rendered.tokens += sum(map(len, trained))
        if rendered.leads:
            prompt = prompt.removeprefix(tokenizer.bos)
        row: dict[str, str | bool] = {"prompt": prompt, **dict(zip(names, replies, strict=True))}
        if example.right is not None:
            row["label"] = example.right
        rendered.rows.append(row)
    if not rendered.rows:
        left = ", ".join(f"{n} {why}" for why, n in rendered.dropped.items())
        raise TrainError(f"nothing to learn from in {max_length} tokens: {left}")
    return rendered


def _prompt(example: Example, tokenizer: Tokenizer) -> str:
    if isinstance(example.prompt, str):
        return example.prompt
    turns = [turn.message() for turn in example.prompt]
    try:
        return str(tokenizer.render(turns, thinking=example.thinking))
    except jinja2.TemplateError as error:
        raise TrainError(f"example {example.id}: the chat template refuses it: {error}") from error


def _end(tokenizer: Tokenizer, *, chat: bool) -> str:
    if chat and not tokenizer.template:
        raise TrainError(
            "the examples are conversations, and the model has no chat template: name one that has"
        )
    reply_end = tokenizer.reply_end if chat else None
    end = tokenizer.eos if reply_end is None else tokenizer.spelled(reply_end)
    if not end:
        raise TrainError("the model's tokenizer names no token that ends a text")
    return end


def shares(rows: Iterable[dict[str, str | bool]]) -> tuple[int, int]:
    """How many are labelled right, and how many wrong."""
    labels = [bool(row["label"]) for row in rows]
    return sum(labels), len(labels) - sum(labels)
