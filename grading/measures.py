r"""Rules for answers that measure: times, durations, units, money, numerals of a base."""

from __future__ import annotations

import re
from fractions import Fraction

from sal.grading import algebra
from sal.grading.canonical import read_clock
from sal.grading.durations import seconds
from sal.grading.numbers import Number, numbers_equal, read_number
from sal.grading.rule import Again
from sal.grading.units import split_unit

_NUMERAL = re.compile(r"([0-9A-Za-z]*\d[0-9A-Za-z]*|[A-F]{2,}|\d+\.\d+)_(?:\{\s*(\d+)\s*\}|(\d))")


def clocks(gold: str, pred: str, _: Again) -> bool | None:
    """Times of day; `8:34 pm` is `20:34`, and one side may leave am or pm out."""
    times = (read_clock(gold), read_clock(pred))
    if times[0] is None or times[1] is None:
        # `7:05 AM` is no ratio; `7:05` alone may be one
        return False if any(time is not None and time.endswith("m") for time in times) else None
    (left, left_half), (right, right_half) = _day_time(times[0]), _day_time(times[1])
    if _full_day(left, left_half) == _full_day(right, right_half):
        return True
    # `4:30` may leave the `pm` of `4:30 pm` to the reader.
    return left == right and not (left_half and right_half)


def _day_time(time: str) -> tuple[str, str]:
    half = time[-2:] if time.endswith("m") else ""
    return time.removesuffix(half), half


def _full_day(time: str, half: str) -> str:
    hour, _, rest = time.partition(":")
    shifted = int(hour) % 12 + (12 if half == "pm" else 0) if half else int(hour)
    return f"{shifted}:{rest}"


def durations(gold: str, pred: str, _: Again) -> bool | None:
    """`2 hours 30 minutes`, `2.5 hours` and `150 minutes` are one time."""
    left, right = seconds(gold), seconds(pred)
    if left is None or right is None:
        return None
    return numbers_equal(Number(left[0]), Number(right[0]))


def numerals(gold: str, pred: str, _: Again) -> bool | None:
    """`11_2`: digits and base. The base may be left out on one side, never changed."""
    left, right = _numeral(gold), _numeral(pred)
    if left is None and right is None:
        return None
    if left is not None and right is not None:
        return left == right
    digits, other = (left[0], pred) if left is not None else (right[0] if right else "", gold)
    return _digits(split_unit(other).value) == digits


def _numeral(text: str) -> tuple[str, int] | None:
    match = _NUMERAL.fullmatch(text)
    if match is None:
        return None
    digits, base = _digits(match[1]), int((match[2] or match[3])[:9])
    if not 2 <= base <= 36:
        return None
    try:
        int(digits.replace(".", "") or "0", base)
    except ValueError:
        return None
    return digits, base


def _digits(text: str) -> str:
    return text.replace(" ", "").lstrip("0").upper() or "0"


def quantities(gold: str, pred: str, again: Again) -> bool | None:
    left, right = split_unit(gold), split_unit(pred)
    if (left.value, right.value) == (gold, pred) and not left.unit and not right.unit:
        return None
    if not left.unit.agrees(right.unit):
        if {"deg"} == {name for name, _ in left.unit.powers | right.unit.powers}:
            return None
        return False
    degrees = [("deg", 1) in side.unit.powers for side in (left, right)]
    if degrees[0] != degrees[1] and not (left.unit and right.unit):
        radians = right.value if degrees[0] else left.value
        if r"\pi" in radians:  # a degree measure against one in radians
            turned = [
                rf"({side.value})\cdot\frac{{\pi}}{{180}}" if degree else side.value
                for side, degree in zip((left, right), degrees, strict=True)
            ]
            if algebra.same_value(turned[0], turned[1]):
                return True
    if (left.value.endswith("%") and right.unit) or (right.value.endswith("%") and left.unit):
        return False
    values = _scaled(left.value, left.scale), _scaled(right.value, right.scale)
    return again(*values)


def _scaled(value: str, scale: Fraction) -> str:
    if scale == 1:
        return value
    number = read_number(value)
    if number is None:
        return rf"({value})\cdot{scale}"
    total = number.value * scale
    return (
        str(total)
        if total.denominator == 1
        else rf"\frac{{{total.numerator}}}{{{total.denominator}}}"
    )
