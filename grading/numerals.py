r"""Numbers as people group and spell them: `12,34,567`, `1.234.567,89`, `1_234`, `thirteen`."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import partial

_EDGE = r"(?<![\d.,_^{'])"
_GROUPINGS = tuple(
    (re.compile(_EDGE + pattern + r"(?![\d_']|[.,]\d)"), drop, point)
    for pattern, drop, point in (
        # (digits, what separates their groups, the decimal mark)
        (r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?", ",", "."),  # Indian
        (r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?", ".", ","),  # European
        (r"\d{1,3}(?:\.\d{3})+,(?:\d{1,2}|\d{4,})", ".", ","),
        (r"\d{1,3}(?: \d{3})+,\d+", " ", ","),
        (r"\d{1,3}(?:'\d{3})+(?:\.\d+)?", "'", "."),  # Swiss
        (r"\d{1,3}(?:_\d{3})+(?:\.\d+)?", "_", "."),  # code
        (r"\d{1,3}(?:\{,\}\d{3})+(?:\.\d+)?", "{,}", "."),
    )
)
_DECIMAL_COMMA = re.compile(r"(?<![\d.,}])(\d+)\{,\}(\d{1,2}|\d{4,})(?![\d{])")
_TEXT_COMMA = re.compile(r"(?<=\d)(?:\\text\{\s*([,.'])\s*\}|\{([,.'])\})(?=\d)")

_UNITS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
_SMALL = {word: value for value, word in enumerate(_UNITS.split())}
_DECADES = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {word: 10 * value for value, word in enumerate(_DECADES.split(), 2)}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
          "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "hundredth": 100}  # fmt: skip
_WORDS = re.compile(r"[a-z]+")
_PHRASE = re.compile(r"[a-z]+(?:(?:[ -]| and )[a-z]+){0,11}")
_OTHER = ("hundred", "and", "a", "an", "minus", "negative", "dozen")
_KNOWN = frozenset((*_SMALL, *_TENS, *_LARGE, *_PARTS, *_OTHER))
_KNOWN_PLURALS = frozenset(f"{part}s" for part in _PARTS)


def regrouped(text: str) -> str:
    """Numbers whose grouping allows one reading alone, as plain digits."""
    text = _TEXT_COMMA.sub(lambda match: "{,}" if "," in match[0] else (match[1] or match[2]), text)
    for pattern, drop, point in _GROUPINGS:
        if drop in text:
            text = pattern.sub(partial(_ungrouped, drop, point), text)
    return _DECIMAL_COMMA.sub(r"\1.\2", text) if "{,}" in text else text


def _ungrouped(drop: str, point: str, match: re.Match[str]) -> str:
    return match[0].replace(drop, "").replace(point, ".")


def spelled_number(phrase: str) -> str | None:
    """The digits of a number in English words, as LaTeX; None for all else.

    `a` alone and ordinals are no numbers: "third" may be a place.
    """
    low = phrase.lower().strip()
    if len(low) > 96 or not _PHRASE.fullmatch(low):
        return None
    words = _WORDS.findall(low)
    if any(word not in _KNOWN and word not in _KNOWN_PLURALS for word in words):
        return None
    sign = ""
    if words[0] in ("minus", "negative"):
        sign, words = "-", words[1:]
    if words == ["half"]:
        words = ["one", "half"]
    value = _value(words)
    if value is None:
        return None
    if value.denominator == 1:
        return f"{sign}{value}"
    return rf"{sign}\frac{{{value.numerator}}}{{{value.denominator}}}"


def _value(words: list[str]) -> Fraction | None:
    if not words or words == ["a"] or words == ["an"]:
        return None
    last = words[-1].removesuffix("s") if words[-1] not in _PARTS else words[-1]
    if last in _PARTS and len(words) > 1:
        if "and" in words[:-1]:  # two and a half
            at = len(words) - 1 - words[::-1].index("and")
            whole, part = _integer(words[:at]), _value(words[at + 1 :])
            return None if whole is None or part is None or part >= 1 else whole + part
        count = _integer(words[:-1])
        return None if count is None else Fraction(count, _PARTS[last])
    whole = _integer(words)
    return None if whole is None else Fraction(whole)


def _integer(words: list[str]) -> int | None:
    total = current = 0
    last = None  # the size of the piece before, so that "two three" is no number
    for index, word in enumerate(words):
        if word == "and":
            if last not in (100, 1000) or index + 1 == len(words):
                return None
            continue
        if word in ("a", "an"):
            if index or len(words) == 1:
                return None
            current, last = 1, 1
        elif word in _SMALL:
            if (
                last == 1
                or (last == 10 and not 0 < _SMALL[word] < 10)
                or (word == "zero" and len(words) > 1)
            ):
                return None
            current, last = current + _SMALL[word], 1
        elif word in _TENS:
            if last in (1, 10):
                return None
            current, last = current + _TENS[word], 10
        elif word in ("hundred", "dozen"):
            if last not in (None, 1) or current > 20:
                return None
            current, last = max(current, 1) * (100 if word == "hundred" else 12), 100
        elif word in _LARGE:
            if not current and index:
                return None
            total, current, last = total + max(current, 1) * _LARGE[word], 0, 1000
        else:
            return None
    return total + current
