"""How steps become token ids: steps in, ids and the places of their verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from sal.runtime.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Rendered:
    """Token ids of a question and its K steps.

    After `ids[tags[k]]` the model's next token is its verdict on step k, k < K. The ids end with
    the last tag. Rendering more steps only appends: the ids of a prefix are a prefix of the ids.
    """

    ids: tuple[int, ...]
    tags: tuple[int, ...]


class Format(Protocol):
    """How one kind of PRM reads steps."""

    def render(self, question: str, steps: Sequence[str]) -> Rendered:
        """`steps` holds at least one step."""
        ...


class CausalFormat(Format, Protocol):
    """That of a PRM whose verdicts are two tokens; `good` and `bad` are their ids."""

    @property
    def good(self) -> int: ...

    @property
    def bad(self) -> int: ...


def verdict_id(tokenizer: Tokenizer, text: str) -> int:
    """The id that stands for a verdict such as `+`: the last one that the text encodes to."""
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError(f"the PRM's tokenizer has no token for the verdict {text!r}")
    return ids[-1]


def texts(options: Any) -> None:
    """Raise ValueError unless every field of a dataclass is a text that is not empty."""
    for f in fields(options):
        value = getattr(options, f.name)
        if not isinstance(value, str) or not value:
            raise ValueError(f"{f.name} must be a text that is not empty")
