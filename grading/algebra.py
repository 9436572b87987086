r"""math-verify behind the rules: numbers are decided by value, formulas by its verify.

Imported inside workers only (SymPy takes seconds to load, and a parsed expression may take for ever
to compare); there are no timeouts here, a worker is stopped from outside. Texts are normalised and
have no units. Nothing parsed leaves this module: not pickled, not logged, not turned into text.
"""

from __future__ import annotations

import logging
import re
from fractions import Fraction
from typing import Any

import sympy
from math_verify import verify

from sal.grading.numbers import Number, read_number, stands_for
from sal.grading.points import same_everywhere
from sal.grading.reading import expression
from sal.grading.regions import read_region, same_region

logging.getLogger("math_verify").setLevel(logging.ERROR)

_DIGITS = 110
_LOG = re.compile(r"\\log(?![a-zA-Z])(?!\s*_)")
_CHECK_POINTS = (sympy.Rational(7, 3), sympy.Rational(11, 13), sympy.Rational(29, 17))


def same_value(gold: str, pred: str) -> bool:
    """Whether two single values or formulas are equal."""
    if _same_reading(gold, pred):
        return True
    if (r"\ln" in gold) != (r"\ln" in pred) and r"\log" in gold + pred:
        # beside a natural logarithm, a logarithm without a base is natural
        natural = _LOG.sub(r"\\ln", gold), _LOG.sub(r"\\ln", pred)
        return natural != (gold, pred) and _same_reading(*natural)
    return False


def _same_reading(gold: str, pred: str) -> bool:
    left, right = _unify(expression(gold), expression(pred))
    if left is None or right is None:
        return False
    constants = _numeric(left, right)
    if constants is not None:
        return _same_number(gold, pred, *constants)
    if verify(left, right, timeout_seconds=None, allow_set_relation_comp=True):
        return not _differs_somewhere(left, right)
    return same_everywhere(left, right)


def _unify(left: Any, right: Any) -> tuple[Any, Any]:
    """Both with one symbol per name: one side may be read as complex, the other as real."""
    names: dict[str, set[Any]] = {}
    for side in (left, right):
        for symbol in getattr(side, "free_symbols", ()):
            names.setdefault(symbol.name, set()).add(symbol)
    plain = {
        symbol: sympy.Symbol(name)
        for name, symbols in names.items()
        if len(symbols) > 1
        for symbol in symbols
    }
    if not plain:
        return left, right
    return left.subs(plain), right.subs(plain)


def same_equation(gold: str, pred: str) -> bool:
    """Whether two equations are one: a multiple of each other, or equal when solved."""
    left, right = expression(gold), expression(pred)
    if not isinstance(left, sympy.Eq) or not isinstance(right, sympy.Eq):
        return _same_relation(left, right)
    if left.free_symbols != right.free_symbols or not left.free_symbols:
        return False
    try:
        ratio = sympy.cancel(sympy.together((left.lhs - left.rhs) / (right.lhs - right.rhs)))
        if not ratio.free_symbols and ratio.is_finite and not ratio.is_zero:
            return True
    except (sympy.PolynomialError, NotImplementedError, ZeroDivisionError, TypeError):
        pass
    for symbol in sorted(left.free_symbols, key=str)[:3]:
        # Both solved for one unknown; no solution on both sides proves nothing.
        try:
            first, second = sympy.solve(left, symbol), sympy.solve(right, symbol)
        except NotImplementedError:
            continue
        if first and second and len(first) == len(second):
            return _same_solutions(first, second)
    return False


def same_real_set(gold: str, pred: str) -> bool:
    """Whether intervals, unions or inequalities hold the same reals, in the same named unknown."""
    left, right = read_region(gold, expression), read_region(pred, expression)
    if left is not None and right is not None:
        names = {region.name for region in (left, right) if region.name}
        return len(names) < 2 and same_region(left, right)
    return _same_relation(expression(gold), expression(pred))


def _numeric(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Both as constants; the letter i is the imaginary unit when nothing else is unknown."""
    constants = []
    for side in (left, right):
        if not isinstance(side, sympy.Expr):
            return None
        unknown = side.free_symbols
        if any(symbol.name != "i" for symbol in unknown):
            return None
        value = side.subs(dict.fromkeys(unknown, sympy.I)) if unknown else side
        if value.has(sympy.oo, sympy.zoo, sympy.nan, sympy.core.function.AppliedUndef):
            return None
        constants.append(value)
    return constants[0], constants[1]


def _same_number(gold_text: str, pred_text: str, gold: Any, pred: Any) -> bool:
    # Exactly equal forms first; evaluated at a depth that tells sqrt(2) from sqrt(2) + 10^-100.
    left, right = gold.doit(), pred.doit()
    if left == right:
        return True
    decimal = any("." in text for text in (gold_text, pred_text))
    if not decimal and left.is_Rational and right.is_Rational:
        return False
    first, second = sympy.N(left, _DIGITS), sympy.N(right, _DIGITS)
    if not (first.is_number and second.is_number) or first.has(sympy.nan) or second.has(sympy.nan):
        return False
    largest = max(abs(first), abs(second))
    error = abs(first - second)
    if not decimal:
        return bool(error <= largest * sympy.Float(10) ** (10 - _DIGITS))
    if bool(error <= largest * sympy.Float(10) ** -9):
        return True
    plain = read_number(gold_text), read_number(pred_text)
    return _written_out(plain[0], second, 3) or _written_out(plain[1], first, 6)


def _written_out(decimal: Number | None, value: Any, places: int) -> bool:
    if decimal is None or not decimal.inexact or not value.is_real:
        return False
    return stands_for(decimal, Fraction(str(value)), places)


def _differs_somewhere(left: Any, right: Any) -> bool:
    """A spot check on equal-looking formulas: math-verify drops terms below 1e-15."""
    if not isinstance(left, sympy.Expr) or not isinstance(right, sympy.Expr):
        return False
    unknown = sorted(left.free_symbols | right.free_symbols, key=str)
    if left == right or len(unknown) > 6 or not unknown:
        return False
    if left.has(sympy.core.function.AppliedUndef, sympy.Sum, sympy.Product, sympy.Integral):
        return False
    point = {symbol: _CHECK_POINTS[index % 3] + index // 3 for index, symbol in enumerate(unknown)}
    try:
        first, second = (sympy.N(side.subs(point), 50) for side in (left, right))
        if not (first.is_Number and second.is_Number):
            return False
        tolerance = max(abs(first), abs(second)) * (
            sympy.Float(10) ** (-6 if left.has(sympy.Float) or right.has(sympy.Float) else -40)
        )
        return bool(abs(first - second) > tolerance)
    except (TypeError, ValueError, ArithmeticError):
        return False


def _same_relation(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    if bool(getattr(left, "free_symbols", None)) != bool(getattr(right, "free_symbols", None)):
        return False
    return bool(verify(left, right, timeout_seconds=None, allow_set_relation_comp=True))


def _same_solutions(first: list[Any], second: list[Any]) -> bool:
    rest = list(second)
    for one in first:
        found = next((other for other in rest if sympy.simplify(one - other) == 0), None)
        if found is None:
            return False
        rest.remove(found)
    return True
