r"""Lengths of time: `2 \text{ hours } 30 \text{ minutes}` is `2.5` hours or `150` minutes."""

from __future__ import annotations

import re
from fractions import Fraction

from sal.grading.numbers import read_number

_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86400, "week": 604800}
_NAMES = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "day"),
    **dict.fromkeys(("week", "weeks"), "week"),
}
_PART = re.compile(
    r"\s*,?\s*(?:and\b|,|\\text\{\s*,?\s*and\s*\})?\s*"
    r"(?P<size>-?\\frac\{\d+\}\{\d+\}|\d+\s*\\frac\{\d+\}\{\d+\}|\d+"
    r" \d+/\d+|\d+/\d+|\d+\.?\d*|\.\d+)\s*\\?\s*(?P<name>[a-zA-Z]+)\.?"
)


def seconds(text: str) -> tuple[Fraction, int] | None:
    """(seconds, number of units named) of a length of time; None for all else."""
    loose = re.sub(r"\\text\{([^{}]*)\}", r" \1 ", text)
    total = Fraction(0)
    at = parts = 0
    smallest: int | None = None
    while at < len(loose.rstrip()):
        match = _PART.match(loose, at)
        unit = _NAMES.get(match["name"]) if match is not None else None
        number = read_number(match["size"].strip()) if match is not None else None
        if match is None or unit is None or number is None:
            return None
        if smallest is not None and _SECONDS[unit] >= smallest:
            return None  # hours, then minutes, then seconds
        smallest = _SECONDS[unit]
        total += number.value * smallest
        at, parts = match.end(), parts + 1
    return (total, parts) if parts else None
