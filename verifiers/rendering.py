"""What a PRM family is: steps in, token ids and the places of its verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sal.runtime.tokenizer import Tokenizer


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


def verdict_id(tokenizer: Tokenizer, text: str) -> int:
    """The id that stands for a verdict such as `+`: the last one that the text encodes to."""
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError(f"the PRM's tokenizer has no token for the verdict {text!r}")
    return ids[-1]
