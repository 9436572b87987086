"""Prompts put together from pieces that are each encoded by themselves: question, step, mark, ...

Their ids are those of the whole text wherever a mark is a token of its own (`<extra_0>`), and where
the authors encode in pieces, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.plain_text import neutraliser
from sal.verifiers.rendering import Rendered


class Pieces:
    """A `Format`: `begin(question)`, then every step, of which `behind` is a part, and its mark.

    A step is judged at the last token of its mark or, where `mark` is empty, at its own, with
    `tail` behind it. `begin` gets a question that spells no control token.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        begin: Callable[[str], list[int]],
        *,
        mark: Sequence[int] = (),
        behind: str = "",
        tail: Sequence[int] = (),
        one_line: bool = False,
    ) -> None:
        self._tokenizer, self._begin = tokenizer, begin
        self._mark, self._behind, self._tail = tuple(mark), behind, tuple(tail)
        self._one_line = one_line
        self._plain = neutraliser(tokenizer.added)

    def render(self, question: str, steps: Sequence[str]) -> Rendered:
        ids = list(self._begin(self._plain(question)))
        tags = []
        for step in steps:
            text = self._plain(step.replace("\n", " ") if self._one_line else step)
            ids += [*self._tokenizer.encode(text + self._behind), *self._mark]
            tags.append(len(ids) - 1)
        return Rendered(tuple(ids), tuple(tags), self._tail)


def special_token(tokenizer: Tokenizer, text: str, authors: str) -> int:
    """The id of a text that is one token wherever it stands; raises ValueError for another."""
    ids = tokenizer.encode(text)
    if len(ids) != 1 or text not in tokenizer.added:
        raise ValueError(
            f"the PRM's tokenizer has no token {text!r}, which {authors}'s format needs"
        )
    return ids[0]


def reply_begins(tokenizer: Tokenizer, system: str | None) -> Callable[[str], list[int]]:
    """From a question to the ids of a chat up to where the assistant's words begin.

    Raises ValueError for a tokenizer without a chat template.
    """
    messages = [{"role": "system", "content": system}] if system is not None else []
    asked, replied = "@question@", "@reply@"
    messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": replied}]
    text = tokenizer.render(messages, reply=False)
    if text is None or asked not in text or replied not in text:
        raise ValueError("the PRM has no chat template, which its format needs")
    before, _, rest = text.partition(asked)
    between = rest.partition(replied)[0]
    return lambda question: tokenizer.encode(before + question + between)
