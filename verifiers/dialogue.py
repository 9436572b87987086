"""A chat template as pieces that are only ever appended: a conversation keeps its prefix."""

from __future__ import annotations

import re

from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.plain_text import neutraliser


def template_parts(tokenizer: Tokenizer, system: str = "") -> tuple[str, str, str]:
    """The template's text before the first user's words, before a reply, and between turns.

    Behind a system turn, if there is one. Raises ValueError without a template, or for one that
    does not render every turn alike.
    """
    names = [f"@{i}@" for i in range(6)]
    turns = [{"role": "system", "content": system}] if system else []
    roles = ("user", "assistant") * 3
    turns += [{"role": r, "content": name} for r, name in zip(roles, names, strict=True)]
    text = tokenizer.render(turns, reply=False)
    if text is None:
        raise ValueError("the PRM has no chat template, which its format needs")
    parts = re.split("|".join(names), text)
    if len(parts) != 7 or len(set(parts[1:6:2])) > 1 or len(set(parts[2:6:2])) > 1:
        raise ValueError("the PRM's chat template does not render every turn alike")
    return parts[0], parts[1], parts[2]


class Dialogue:
    """Turns of a user as token ids, each up to where the reply begins.

    A template may open a reply that is to be written otherwise than it shows one that was (with
    `<think>`): here a reply stays as it was opened.
    """

    def __init__(self, tokenizer: Tokenizer, system: str = "") -> None:
        self._tokenizer = tokenizer
        self.plain = neutraliser(tokenizer.added)
        """Makes control tokens text, in what was not written for this dialogue."""
        self._head, reply, self._turn = template_parts(tokenizer, system)
        opened = tokenizer.render([{"role": "user", "content": "@0@"}]) or ""
        self._reply = opened.partition("@0@")[2] or reply

    def first(self, content: str) -> list[int]:
        """The conversation up to its first reply."""
        return self._tokenizer.encode(self._head + content + self._reply)

    def next(self, content: str) -> list[int]:
        """What follows a reply, up to the one after it."""
        return self._tokenizer.encode(self._turn + content + self._reply)
