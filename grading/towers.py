r"""Exponents of exponents, in one spelling and without computing them.

`5^{\left(5^{5}\right)}`, `5^{5^5}` and `5^{3125}` are one number; so are `2^{(2^n)}` and `2^{2^n}`.
"""

from __future__ import annotations

import re

from sal.grading.brackets import closing

_LARGEST = 10**5
"""A power within an exponent is written out below this; what is left is compared as spelled."""
_INNER = re.compile(r"\^\{(\d{1,5})\^(?:\{(\d{1,5})\}|(\d))\}")
_OPENS = re.compile(r"\^\s*\{\s*\(|\^\s*\(")
_TOWER = re.compile(r"\^\s*[{(][^{}()]*\^")


def folded(text: str) -> str:
    """`text` with whole-bracketed exponents unwrapped and small powers in exponents written out."""
    if text.count("^") < 2:
        return text
    text = _unwrapped(text)
    while True:
        shorter = _INNER.sub(_written, text)
        if shorter == text:
            return text
        text = shorter


def _unwrapped(text: str) -> str:
    r"""`2^{(2^n)}` as `2^{2^n}`; a bracket that is only part of an exponent stays."""
    begin = 0
    while True:
        match = _OPENS.search(text, begin)
        if match is None:
            return text
        begin = match.start() + 1
        opening = match.end() - 1
        end = closing(text, opening)
        if not end:
            continue
        if "{" not in match[0]:  # 5^(5^5)
            text = f"{text[: match.start()]}^{{{text[opening + 1 : end - 1]}}}{text[end:]}"
            continue
        rest = text[end:].lstrip()
        if rest.startswith("}"):
            text = f"{text[: match.start()]}^{{{text[opening + 1 : end - 1]}{rest}"
            begin = match.start()


def _written(match: re.Match[str]) -> str:
    base, power = int(match[1]), int(match[2] or match[3])
    if base > 1 and power * (base.bit_length() - 1) > 17:
        return match[0]
    value = base**power
    return f"^{{{value}}}" if value < _LARGEST else match[0]
