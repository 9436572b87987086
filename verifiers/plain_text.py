"""Keeps a policy's text from speaking with the verifier's voice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable


def neutraliser(tokens: Iterable[str]) -> Callable[[str], str]:
    """A function that breaks every occurrence of `tokens` (tags, control tokens) in a text.

    A question or a step that spells out `<|eot_id|>` or a step tag would otherwise be tokenised
    as one, and could end its own turn or claim a verdict. The first character is set apart by a
    space (`< |eot_id|>`); a token of one character becomes a space. Other text is untouched.
    """
    spelled = sorted({token for token in tokens if token.strip()}, key=len, reverse=True)
    if not spelled:
        return lambda text: text
    pattern = re.compile("|".join(map(re.escape, spelled)))
    return lambda text: pattern.sub(lambda found: _broken(found.group()), text)


def _broken(token: str) -> str:
    return f"{token[0]} {token[1:]}" if len(token) > 1 else " "
