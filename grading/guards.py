"""Cheap refusals before any parsing. They stop most inputs that would make algebra run for ever."""

from __future__ import annotations

import re

from sal.grading.normalize import normalize
from sal.grading.towers import folded

LONGEST = 512
"""Characters of an answer that is still read as mathematics."""
_DEPTH = 32
_LONG_NUMBER = re.compile(r"\d{400}")
_LONG_EXPONENT = re.compile(r"(?:\^|\*\*)\s*[{(]*\s*[-+]?\s*(?:\d[\s,]*){6}")
_BIG_FACTORIAL = re.compile(r"(?:\d{5,}[\s)}]*!|!\s*!\s*!)")
_SIMPLE_POWER = re.compile(r"[a-z]\s*\^\s*\{?\d\}?(?![\d^])")
"""The one tower that answers do contain: `e^{-x^2}`."""


def guard(answer: str) -> str | None:
    """Why `answer` will not be parsed, in a few words, or None when it may be."""
    if len(answer) > LONGEST:
        return f"longer than {LONGEST} characters"
    if answer.count("^") > 1:
        answer = folded(normalize(answer))
    if _LONG_NUMBER.search(answer):
        return "a number of 400 or more digits"
    if _LONG_EXPONENT.search(answer):
        return "an exponent of 6 or more digits"
    if _BIG_FACTORIAL.search(answer):
        return "a factorial of 5 or more digits"
    return _nesting(answer)


def _nesting(answer: str) -> str | None:
    """Groups too deep, or an exponent inside an exponent."""
    depth = 0
    towers: list[int] = []  # depth of the group that each open exponent encloses
    index = 0
    after_caret = False
    bare_exponent = False  # `^2` or `^x`: a caret right after it is a tower
    while index < len(answer):
        char = answer[index]
        if char in "{([":
            depth += 1
            if depth > _DEPTH:
                return f"nested deeper than {_DEPTH}"
            if after_caret:
                towers.append(depth)
            after_caret = bare_exponent = False
        elif char in "})]":
            if towers and towers[-1] == depth:
                towers.pop()
                bare_exponent = True
            else:
                bare_exponent = False
            depth = max(0, depth - 1)
            after_caret = False
        elif char == "^" or answer.startswith("**", index):
            degree = re.match(r"\s*\{?\s*\\circ|\s*\{?\s*\\prime|'", answer[index + 1 : index + 12])
            if degree is None:
                simple = len(towers) == 1 and _SIMPLE_POWER.match(answer, max(0, index - 1))
                if bare_exponent or (towers and not simple):
                    return "an exponent inside an exponent"
                after_caret = True
            index += 1 if char == "*" else 0
            bare_exponent = False
        elif char.isspace():
            pass
        elif after_caret:
            after_caret = False
            bare_exponent = char.isalnum()
        else:
            bare_exponent = False
        index += 1
    return None
