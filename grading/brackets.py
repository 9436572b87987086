"""Finding the bracket that closes another."""

from __future__ import annotations

_CLOSES = {"(": ")", "[": "]", "{": "}"}


def closing(text: str, start: int) -> int:
    """Index behind the bracket that closes the one at `start`; 0 when it never closes.

    Brackets of all kinds nest; one that closes another kind ends the search.
    """
    stack: list[str] = []
    at = start
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 2
            continue
        if char in _CLOSES:
            stack.append(_CLOSES[char])
        elif char in ")]}":
            if not stack or stack.pop() != char:
                return 0
            if not stack:
                return at + 1
        at += 1
    return 0
