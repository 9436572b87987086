r"""Products whose order counts: `AB` is not `BA`, neither as matrices nor as an order of points."""

from __future__ import annotations

import re

_FACTOR = r"[A-Z](?![a-z])(?:_(?:\w|\{[^{}]*\}))?"
_POWER = r"(?:\^\s*(?:\{[^{}]*\}|\\[a-zA-Z]+|\w)|')?"
_RUN = re.compile(rf"(?:{_FACTOR}\s*{_POWER}\s*(?:\\cdot\s*|\*\s*)?){{2,}}")
_ONE = re.compile(rf"{_FACTOR}\s*{_POWER}")
_INVERTED_PRODUCT = re.compile(rf"\(\s*(?:{_FACTOR}\s*{_POWER}\s*){{2,}}\)\s*\^")


def same_order(gold: str, pred: str) -> bool:
    """False when the two hold the same capitals in products of different order."""
    left, right = _runs(gold), _runs(pred)
    if left == right:
        return True
    if (_INVERTED_PRODUCT.search(gold) is None) != (_INVERTED_PRODUCT.search(pred) is None):
        return False
    if _both_ways(left) or _both_ways(right):
        return False  # `AB - BA` is no zero
    return sorted(map(_sorted, left)) != sorted(map(_sorted, right))


def _both_ways(runs: list[str]) -> bool:
    """Whether one product stands there in two orders."""
    return len({tuple(_sorted(run)) for run in runs}) < len(set(runs))


def _runs(text: str) -> list[str]:
    """Each product of two or more different capitals, without spaces, in order of spelling."""
    if not re.search(r"[A-Z]", text):
        return []
    plain = re.sub(r"\\text\{[^{}]*\}|\\[a-zA-Z]*[A-Z][a-zA-Z]*", " ", text)
    found = []
    for match in _RUN.finditer(plain):
        factors = [re.sub(r"[\s{}]", "", factor) for factor in _ONE.findall(match[0])]
        if len(set(factors)) > 1:
            found.append(" ".join(factors))
    return sorted(found)


def _sorted(run: str) -> list[str]:
    return sorted(run.split(" "))
