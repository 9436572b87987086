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
_PLAIN = re.compile(r"0|-?[1-9]\d{0,17}")
_PART_OF_DAY = re.compile(r"\s*(?:\\text\{\s*)?in the (morning|afternoon|evening)")
_HOUR = re.compile(r"(\d{1,2})\s*(?:\\text\{\s*)?([aApP])\.?\s?[mM]\.?\s*\}?")
_NAMED_TIMES = {"noon": "12:00pm", "midnight": "12:00am", "12 noon": "12:00pm"}
_CHOICE = re.compile(
    r"(?P<text>\\text\{\s*)?(?P<word>(?:[Tt]he )?(?:[Cc]orrect )?"
    r"(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Aa]lternative|[Ll]etter)(?: is)?\s*:?\s*(?:\}\s*)?)?"
    r"(?P<open>\(\s*)?(?:\\text\{\s*)?(?P<letter>[A-Z])(?:\s*\})?(?P<close>\s*\)|\s*\.)?(?:\s*\})?"
)
_RADIX = re.compile(r"0(?:x([0-9a-fA-F]+)|b([01]+)|o([0-7]+))")
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
    if _PLAIN.fullmatch(answer):
        return answer
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
    radix = _RADIX.fullmatch(text) if text[:1] == "0" else None
    if radix is not None:
        base = 16 if radix[1] else 2 if radix[2] else 8
        return f"{(radix[1] or radix[2] or radix[3]).upper()}_{{{base}}}"
    number = read_number(text)
    if number is not None:
        return canonical_number(number)
    clock = read_clock(text)
    if clock is not None:
        return clock
    choice = read_choice(text)
    if choice is not None:
        return choice
    phrase = as_phrase(text)
    if phrase is not None:
        return phrase
    text = _TEXT.sub(r" \1 ", text).replace(r"\times", r"\cdot")
    text = _DECIMAL.sub(lambda match: _trim(match[1], match[2]), _BARE_POINT.sub("0.", text))
    text = re.sub(r"\s+", " ", text).strip()
    # A space keeps `32, 349` two items, however often it is read.
    return _ITEMS.sub(", ", _GAP.sub("", text))


def _half(match: re.Match[str]) -> str:
    return " am" if match[1] == "morning" else " pm"


def _trim(whole: str, decimals: str) -> str:
    return f"{whole}.{decimals}" if decimals else whole


def read_choice(text: str) -> str | None:
    r"""The letter of `(C)`, `\text{C}`, `C)` or `Option C`; None for a bare letter and all else."""
    if len(text) > 48:
        return None
    match = _CHOICE.fullmatch(text)
    if match is None or bool(match["open"]) > bool(match["close"]):
        return None
    marked = match["text"] or match["word"] or match["close"]
    return match["letter"] if marked else None


def read_clock(text: str) -> str | None:
    """A time of day as `h:mm[:ss][am|pm]` without zero seconds; None for all else."""
    if len(text) >= 40:
        return None
    hour = _HOUR.fullmatch(text) if text[:1].isdigit() else None
    if hour is not None:
        return f"{int(hour[1])}:00{hour[2].lower()}m" if 0 < int(hour[1]) < 13 else None
    named = _NAMED_TIMES.get(_TEXT.sub(r"\1", text).lower())
    if named is not None:
        return named
    match = _CLOCK.fullmatch(_PART_OF_DAY.sub(_half, text)) if ":" in text else None
    if match is None or bool(match[4]) != bool(match[5]) or int(match[1]) > 24:
        return None
    seconds = f":{match[3]}" if match[3] and match[3] != "00" else ""
    half = f"{match[4].lower()}m" if match[4] else ""
    return f"{int(match[1])}:{match[2]}{seconds}{half}"
