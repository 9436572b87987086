r"""A string key per answer: equal keys are equal answers, and different answers never share one.

The key is cheap (no algebra) and decides most verdicts and votes by itself.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sal.grading.guards import LONGEST
from sal.grading.normalize import normalize
from sal.grading.numbers import canonical_number, read_number
from sal.grading.words import as_phrase

_CLOCK = re.compile(
    r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?\s*(?:\\text\{)?\s*([aApP])?\.?\s?([mM])?\.?\s*\}?"
)
_CHOICE = re.compile(r"(?:\\text\{\s*)?\(\s*([A-Z])\s*\)(?:\s*\})?|\\text\{\s*([A-Z])\s*\}")
_GAP = re.compile(r" (?![0-9a-zA-Z])|(?<![0-9a-zA-Z]) ")
_ITEMS = re.compile(r",(?=\d{3}(?!\d))")
_TEXT = re.compile(r"\\text\{\s*([^{}]*?)\s*\}")
_DECIMAL = re.compile(r"(?<![\d.])(\d+)\.(\d*?)0*(?![\d.])")
_BARE_POINT = re.compile(r"(?<!\d)\.(?=\d)")


@lru_cache(maxsize=4096)
def key(answer: str) -> str:
    """The canonical spelling of `answer`; "" for an empty one. Pure, idempotent.

    A text too long to be an answer is its own key: it is never read, whatever it holds.
    """
    if len(answer) > LONGEST:
        return " ".join(answer.split())
    text = _spell(answer)
    for _ in range(4):
        again = _spell(text)
        if again == text:
            break
        text = again
    return text


def _spell(answer: str) -> str:
    text = normalize(answer)
    number = read_number(text)
    if number is not None:
        return canonical_number(number)
    clock = read_clock(text)
    if clock is not None:
        return clock
    choice = _CHOICE.fullmatch(text)
    if choice is not None:
        return choice[1] or choice[2]
    phrase = as_phrase(text)
    if phrase is not None:
        return phrase
    text = _TEXT.sub(r" \1 ", text).replace(r"\times", r"\cdot")
    text = _DECIMAL.sub(lambda match: _trim(match[1], match[2]), _BARE_POINT.sub("0.", text))
    text = re.sub(r"\s+", " ", text).strip()
    # A space keeps `32, 349` two items, however often it is read.
    return _ITEMS.sub(", ", _GAP.sub("", text))


def _trim(whole: str, decimals: str) -> str:
    return f"{whole}.{decimals}" if decimals else whole


def read_clock(text: str) -> str | None:
    """A time of day as `h:mm[:ss][am|pm]` without zero seconds; None for all else."""
    match = _CLOCK.fullmatch(text) if ":" in text and len(text) < 32 else None
    if match is None or bool(match[4]) != bool(match[5]) or int(match[1]) > 24:
        return None
    seconds = f":{match[3]}" if match[3] and match[3] != "00" else ""
    half = f"{match[4].lower()}m" if match[4] else ""
    return f"{int(match[1])}:{match[2]}{seconds}{half}"
