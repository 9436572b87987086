r"""Exact reading of plain numbers, and when a decimal stands for another value.

A plain number is an integer, decimal (repeating ones too), fraction, mixed number, percentage or
power-of-ten form.
math-verify compares these with an absolute tolerance, so that `10^{-20}` equals `2\cdot10^{-20}`;
here they are fractions and compare exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

_MAX_DIGITS = 400
_LONGEST_CYCLE = 64
"""Decimals of a number in which its cycle is looked for."""
_D = r"(?:\d+\.?\d*|\.\d+)"
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)\s*(?:"
    rf"(?:(?P<whole>\d+)\s*)?\\frac\s*\{{\s*(?P<fn>-?{_D})\s*\}}\s*\{{\s*(?P<fd>-?{_D})\s*\}}"
    rf"|(?:(?P<whole2>\d+) (?:and )?)?(?P<sn>{_D})\s*/\s*(?P<sd>{_D})"
    rf"|(?P<dec>{_D})(?:[eE](?P<exp>[+-]?\d+)"
    r"|\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*(?:\{\s*(?P<pexp>[+-]?\s?\d+)\s*\}|(?P<pexp1>[+-]?\d+)))?"
    r"|(?P<head>\d*)\.(?P<fixed>\d*)(?:\\(?:overline|bar)\s*\{\s*(?P<cycle>\d+)\s*\}"
    r"|\((?P<cycle1>\d+)\)|\\dot\s*\{?(?P<cycle2>\d(?:\}?\d*\\dot\s*\{?\d)?)\}?"
    r"|(?P<seen>\d{3,})\s*(?:\\ldots|\.{2,3}))"
    r"|10\s*\^\s*(?:\{\s*(?P<only>[+-]?\s?\d+)\s*\}|(?P<only1>[+-]?\d+))"
    r")\s*(?P<percent>%)?"
)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact rational. `places` is the number of decimals written, None where exact.

    `cut` is what stands before the dots of a decimal that goes on.
    """

    value: Fraction
    places: int | None = None
    percent: bool = False
    cut: Fraction | None = None

    @property
    def inexact(self) -> bool:
        return self.places is not None and self.places > 0


def read_number(text: str) -> Number | None:
    """`text` (normalised) as a plain number; None for all else."""
    if len(text) > _MAX_DIGITS or not text or text[0] not in "+-.0123456789\\":
        return None
    if text.isdigit() and text.isascii():
        return Number(Fraction(int(text)), 0)
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    part = match.groupdict()
    sign = -1 if part["sign"] == "-" else 1
    percent = part["percent"] is not None
    if part["fn"] or part["sn"]:
        over, under = part["fn"] or part["sn"], part["fd"] or part["sd"]
        if Fraction(under) == 0:
            return None
        whole = part["whole"] or part["whole2"]
        value = Fraction(over) / Fraction(under)
        if whole is not None:
            if not over.isdigit() or not under.isdigit():
                return None  # `3\frac{-1}{2}` is a product, not a mixed number
            value += int(whole)
        return Number(sign * value, None, percent)
    if part["fixed"] is not None:
        repeating = _repeating(part)
        if repeating is None:
            return None
        seen = part["seen"] and Fraction(f"{part['head'] or 0}.{part['fixed']}{part['seen']}")
        return Number(sign * repeating, None, percent, sign * seen if seen else None)
    power = part["exp"] or part["pexp"] or part["pexp1"] or part["only"] or part["only1"] or "0"
    exponent = int(power.replace(" ", "")) if len(power) < 6 else 10**6
    if abs(exponent) > _MAX_DIGITS:
        return None
    digits = part["dec"] or "1"
    places = len(digits.partition(".")[2])
    scale = Fraction(10) ** exponent
    return Number(sign * Fraction(digits) * scale, max(0, places - exponent), percent)


def _repeating(part: Mapping[str, str]) -> Fraction | None:
    r"""The value of `0.1\overline{6}`, `0.1(6)`, `0.1\dot6` or `0.1666\ldots`."""
    fixed, cycle = part["fixed"], part["cycle"] or part["cycle1"] or part["cycle2"]
    if cycle is None:
        found = _cycle(fixed + part["seen"])
        if found is None:
            return None
        fixed, cycle = found
    cycle = "".join(filter(str.isdigit, cycle))
    begin = Fraction(f"{part['head'] or 0}.{fixed or 0}")
    return begin + Fraction(int(cycle), (10 ** len(cycle) - 1) * 10 ** len(fixed))


def _cycle(digits: str) -> tuple[str, str] | None:
    """`1666` as `1` and `6`: what goes on for at least three digits and twice; None for none."""
    if len(digits) > _LONGEST_CYCLE:
        return None
    for begin in range(len(digits) - 2):
        tail = digits[begin:]
        for size in range(1, len(tail) // 2 + 1):
            if tail.startswith(tail[size:]):
                return digits[:begin], tail[:size]
    return None


def canonical_number(number: Number) -> str:
    """One spelling per value: an integer or a reduced `p/q`, with `%` kept."""
    return f"{number.value}{'%' if number.percent else ''}"


def numbers_equal(gold: Number, pred: Number) -> bool:
    """Equal values; a percentage also equals its bare number (`50%` is `0.5` or `50`)."""
    if gold.percent == pred.percent:
        return _close(gold, pred)
    if gold.percent:
        return _close(Number(gold.value, gold.places), pred) or _close(_hundredth(gold), pred)
    return _close(gold, Number(pred.value, pred.places)) or _close(gold, _hundredth(pred))


def _hundredth(number: Number) -> Number:
    places = None if number.places is None else number.places + 2
    return Number(number.value / 100, places)


def _close(gold: Number, pred: Number) -> bool:
    if gold.value in (pred.value, pred.cut) or pred.value == gold.cut:
        return True
    if gold.inexact and not pred.inexact:
        return stands_for(gold, pred.value, 3)
    if pred.inexact and not gold.inexact:
        return stands_for(pred, gold.value, 6)
    if gold.inexact and pred.inexact:
        short, long = sorted((gold, pred), key=lambda number: number.places or 0)
        return short.places != long.places and stands_for(short, long.value, 6)
    return False


def stands_for(decimal: Number, value: Fraction, places: int) -> bool:
    """Whether `decimal` is `value` written to its own number of decimals, rounded or cut.

    Needs `places` decimals and three digits of agreement, so that no tiny number stands for
    another. A reference answer is believed from 3 decimals on (`125.663` for `40\\pi`); a
    predicted one needs 6, as in math-verify. The last digits of a float may be noise.
    """
    if decimal.places is None or decimal.places < places:
        return False
    unit = Fraction(1, 10**decimal.places)
    error = abs(decimal.value) - abs(value)
    if decimal.value * value <= 0 or unit * 1000 > abs(value):
        return False
    if abs(error) * 10**12 <= abs(value):
        return True
    if (value / unit).denominator == 1:
        return False  # could have been written exactly: 3.999999999 is not 4
    if decimal.places >= 6 and abs(error) * 10**9 <= abs(value):
        return True
    return abs(error) <= unit / 2 or 0 <= -error < unit
