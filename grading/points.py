r"""Formulas compared by their values: `\sqrt{\frac1n}` and `\frac{1}{\sqrt n}`.

Where SymPy finds no way from one formula to the other, values at several points decide: both must
be real at the same points, negative ones among them, and equal there to forty digits.
"""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any

import sympy

_POINTS = (
    # a row per trial: values for the unknowns in order of their names, repeated as needed
    ("7/3", "11/13", "29/17", "41/7"),
    ("5/11", "19/7", "3/13", "23/19"),
    ("-13/7", "17/5", "8/3", "-31/11"),
    ("14/5", "-9/4", "-6/17", "12/7"),
    ("-23/9", "-4/7", "-37/16", "-15/8"),
    ("-3/19", "-27/10", "5/23", "-2/29"),
)
_DIGITS = 50
_AGREE = sympy.Float(10) ** -40
_UNKNOWNS = 4


def same_everywhere(left: Any, right: Any) -> bool:
    """Whether two formulas agree at every point tried, and are real at two of them at least."""
    if not isinstance(left, sympy.Expr) or not isinstance(right, sympy.Expr):
        return False
    if left.free_symbols != right.free_symbols or not 0 < len(left.free_symbols) <= _UNKNOWNS:
        return False
    if left.has(*_STEPS) or right.has(*_STEPS):
        return False
    unknowns = sorted(left.free_symbols, key=str)
    real = 0
    for row in _POINTS:
        values = islice(cycle(map(sympy.Rational, row)), len(unknowns))
        point = dict(zip(unknowns, values, strict=True))
        pair = _at(left, point), _at(right, point)
        if pair[0] is None or pair[1] is None:
            if pair[0] is not pair[1]:
                return False
            continue
        if abs(pair[0] - pair[1]) > _AGREE * max(abs(pair[0]), abs(pair[1])):
            return False
        real += 1
    return real >= 2


_STEPS = (
    sympy.floor, sympy.ceiling, sympy.Mod, sympy.Sum, sympy.Product, sympy.Integral, sympy.Float,
    sympy.Derivative, sympy.Limit, sympy.factorial, sympy.binomial, sympy.Min, sympy.Max,
    sympy.core.function.AppliedUndef, sympy.oo, sympy.zoo, sympy.nan, sympy.I,
)  # fmt: skip


def _at(formula: Any, point: dict[Any, Any]) -> Any:
    """The real value of `formula` at `point`, or None where it has none."""
    try:
        value = sympy.N(formula.subs(point), _DIGITS)
    except (TypeError, ValueError, ArithmeticError):
        return None
    return value if value.is_Number and value.is_finite and value.is_real else None
