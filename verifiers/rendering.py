"""What a PRM family is: steps in, token ids and the places of its verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that rendering needs."""

    @property
    def all_special_tokens(self) -> list[str]: ...

    def get_added_vocab(self) -> dict[str, int]: ...

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]: ...

    def apply_chat_template(
        self, conversation: list[dict[str, str]], *, tokenize: bool = True
    ) -> Any: ...


@dataclass(frozen=True, slots=True)
class Rendered:
    """Token ids of a question and its K steps.

    After `ids[tags[k]]` the model's next token is its verdict on step k, k < K. The ids end with
    the last tag. Rendering more steps only appends: the ids of a prefix are a prefix of the ids.
    """

    ids: tuple[int, ...]
    tags: tuple[int, ...]


class Family(Protocol):
    """How one kind of causal PRM reads steps; `good` and `bad` are its verdicts' token ids."""

    @property
    def good(self) -> int: ...

    @property
    def bad(self) -> int: ...

    def render(self, question: str, steps: Sequence[str]) -> Rendered:
        """`steps` holds at least one step."""
        ...


def reserved(tokenizer: Tokenizer) -> set[str]:
    """Every string that the tokenizer turns into a token of its own, out of reach of plain text."""
    return {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}


def verdict_id(tokenizer: Tokenizer, text: str) -> int:
    """The id that stands for a verdict such as `+`: the last one that the text encodes to."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    if not ids:
        raise ValueError(f"the PRM's tokenizer has no token for the verdict {text!r}")
    return ids[-1]
