r"""Sets of reals however they are stated: intervals, unions, inequalities, set-builder.

`(-\infty,0)\cup(2,\infty)`, `x<0 \text{ or } x>2` and `\{x : x<0 \lor x>2\}` are one region. Worker
side: needs SymPy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import sympy

from sal.grading.structure import is_name, split_relations, split_top

Parse = Callable[[str], Any]

_BUILDER = re.compile(
    r"\\\{\s*([a-zA-Z])\s*(?:\\in\s*\\mathbb\{R\})?\s*(?:\||:|\\text\{\s*such that\s*\})(.*)\\\}",
    re.DOTALL,
)
_OR = re.compile(
    r"\s*,?\s*(?:\\text\{\s*,?\s*or\s*\}|\\lor(?![a-zA-Z])|(?<![a-zA-Z])or(?![a-zA-Z]))\s*"
)
_AND = re.compile(
    r"\s*,?\s*(?:\\text\{\s*,?\s*(?:and|but)\s*\}|\\land(?![a-zA-Z])|&|"
    r"(?<![a-zA-Z])(?:and|but)(?![a-zA-Z]))\s*"
)
_SPAN = re.compile(r"([\[(\]])(.*)([\])\[])", re.DOTALL)
_JOINT = r"\\(?:cup|cap|setminus|in)(?![a-zA-Z])|\\text\{\s*(?:or|and)\s*\}"
_OUTWARD = re.compile(rf"\[\s*(?:{_JOINT})|(?:{_JOINT})\s*\]")
_OUTWARD_START = re.compile(
    r"(?:(?<=^)|(?<=\\cup)|(?<=\\cap)|(?<=\\setminus)|(?<=\\in)|(?<=or\})|(?<=\())\s*\](?=[^\]])"
)
_OUTWARD_END = re.compile(rf"\[(?=\s*(?:$|{_JOINT}))")
_FLIP = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le", "=": "=", r"\ne": r"\ne"}
_NAMED = {
    r"\mathbb{R}": sympy.S.Reals, r"\mathbb{Z}": sympy.S.Integers, r"\mathbb{N}": sympy.S.Naturals,
    r"\mathbb{Q}": sympy.S.Rationals, r"\emptyset": sympy.S.EmptySet,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Region:
    """A set of reals, and the unknown that was said to lie in it ("" where none was named)."""

    name: str
    points: Any


def read_region(text: str, parse: Parse) -> Region | None:
    """The region that `text` (normalised) states; None where it states something else."""
    try:
        return _region(text.strip(), parse)
    except (TypeError, ValueError, NotImplementedError, ArithmeticError, AttributeError):
        return None


def same_region(left: Region, right: Region) -> bool:
    """The same set, endpoint by endpoint where SymPy does not see it at once."""
    if left.points == right.points:
        return True
    pieces = _pieces(left.points), _pieces(right.points)
    if pieces[0] is None or pieces[1] is None or len(pieces[0]) != len(pieces[1]):
        return False
    return all(
        one[2:] == other[2:] and _equal(one[0], other[0]) and _equal(one[1], other[1])
        for one, other in zip(pieces[0], pieces[1], strict=True)
    )


def _region(text: str, parse: Parse) -> Region | None:
    builder = _BUILDER.fullmatch(text)
    if builder is not None:
        inner = _region(builder[2].strip(), parse)
        return Region("", inner.points) if inner and inner.name == builder[1] else None
    stated = _set(text, parse)
    if stated is not None:
        return Region("", stated)
    return _condition(text, parse)


def _set(text: str, parse: Parse) -> Any:
    text = _inward(text)
    parts = _OR.split(text)
    if len(parts) == 1 and text[:1] in "([" and text[-1:] in ")]":
        parts = _AND.split(text)
    if len(parts) > 1:
        intervals = [_interval(part.strip(), parse) for part in parts]
        if any(interval is None for interval in intervals):
            return None
        # `(1,2) \text{ and } (3,4)` lists two intervals, where these share nothing
        apart = sympy.Intersection(*intervals) is sympy.S.EmptySet
        return sympy.Union(*intervals) if apart or _OR.search(text) else None
    for sign, combine in ((r"\cup", sympy.Union), (r"\cap", sympy.Intersection)):
        parts = split_pieces(text, sign)
        if len(parts) > 1:
            sets = [_set(part, parse) for part in parts]
            return None if any(part is None for part in sets) else combine(*sets)
    parts = split_pieces(text, r"\setminus")
    if len(parts) == 1 and re.fullmatch(r".+[\])}]\s*-\s*\\\{.*", text):
        head, _, tail = text.rpartition("-")
        parts = [head.strip(), tail.strip()] if _set(head.strip(), parse) is not None else parts
    if len(parts) == 2:
        whole, hole = _set(parts[0], parse), _set(parts[1], parse)
        return None if whole is None or hole is None else whole - hole
    if text in _NAMED:
        return _NAMED[text]
    if text.startswith(r"\{") and text.endswith(r"\}") and not re.search(r"[<>|:]|\\[lg]e", text):
        points = [parse(item) for item in split_pieces(text[2:-2].strip(), ",") if item]
        return None if any(not _real(point) for point in points) else sympy.FiniteSet(*points)
    if text.startswith("(") and text.endswith(")") and not re.search("[,;]", text):
        return _set(text[1:-1].strip(), parse)
    return _interval(text, parse)


def _inward(text: str) -> str:
    r"""`]1,2[` as `(1,2)`: brackets that turn their back on the interval leave out its ends."""
    if not text.startswith("]") and not text.endswith("[") and not _OUTWARD.search(text):
        return text
    return _OUTWARD_END.sub(")", _OUTWARD_START.sub("(", text))


def split_pieces(text: str, sign: str) -> list[str]:
    """Pieces between top-level `sign`s; brackets of half-open intervals need not match in kind."""
    return split_top(text, lambda token: token == sign)


def _interval(text: str, parse: Parse) -> Any:
    span = _SPAN.fullmatch(text)
    ends = split_pieces(span[2], ",") if span is not None else []
    if len(ends) == 1 and span is not None:
        ends = split_pieces(span[2], ";")
    if span is None or len(ends) != 2 or not all(ends):
        return None
    low, high = (parse(re.sub(r"\+\s*\\infty", r"\\infty", end)) for end in ends)
    if not _real(low) or not _real(high):
        return None
    return sympy.Interval(low.doit(), high.doit(), span[1] in "(]", span[3] in ")[")


def _condition(text: str, parse: Parse) -> Region | None:
    alternatives = _OR.split(text)
    if len(alternatives) > 1:
        return _join([_condition(part, parse) for part in alternatives], sympy.Union)
    conditions = _AND.split(text)
    if len(conditions) > 1:
        return _join([_condition(part, parse) for part in conditions], sympy.Intersection)
    listed = split_pieces(text, ",")
    if len(listed) > 1:
        # `x<0, x>2` lists alternatives, `x>0, x<5` restrictions: whichever leaves something.
        regions = [_condition(part, parse) for part in listed]
        both = _join(list(regions), sympy.Intersection)
        if both is not None and both.points is sympy.S.EmptySet:
            return _join(regions, sympy.Union)
        return both
    return _chain(text, parse)


def _join(regions: list[Region | None], combine: Any) -> Region | None:
    known = [region for region in regions if region is not None]
    names = {region.name for region in known}
    if len(known) != len(regions) or len(names) != 1:
        return None
    return Region(names.pop(), reduce(combine, [region.points for region in known]))


def _chain(text: str, parse: Parse) -> Region | None:
    r"""`x > 2`, `1 < x \le 2`, `x \ne 3`, `x \in (1,2)`, `|x| < 2`."""
    sides, signs = split_relations(text)
    if signs == [r"\in"] and is_name(sides[0]):
        members = _set(sides[1], parse)
        return None if members is None else Region(sides[0], members)
    if not signs or any(sign not in _FLIP for sign in signs):
        return None
    named = [index for index, side in enumerate(sides) if _is_unknown(side)]
    if len(named) != 1:
        return _solved(text, parse)
    at = named[0]
    points: Any = sympy.S.Reals
    for index, sign in enumerate(signs):
        if index not in (at - 1, at):
            return None
        relation = _FLIP[sign] if index == at - 1 else sign
        bound = parse(sides[index] if index == at - 1 else sides[index + 1])
        if not _real(bound):
            return _solved(text, parse)
        points = sympy.Intersection(points, _ray(relation, bound.doit()))
    return Region(sides[at], points)


def _is_unknown(side: str) -> bool:
    return is_name(side) and side not in ("e", "i", r"\pi")


def _ray(relation: str, bound: Any) -> Any:
    if relation == "=":
        return sympy.FiniteSet(bound)
    if relation == r"\ne":
        return sympy.S.Reals - sympy.FiniteSet(bound)
    if relation in (">", r"\ge"):
        return sympy.Interval(bound, sympy.oo, relation == ">", True)
    return sympy.Interval(-sympy.oo, bound, True, relation == "<")


def _solved(text: str, parse: Parse) -> Region | None:
    """Any other condition on one unknown, solved by SymPy."""
    relation = parse(text)
    symbols: set[Any] = getattr(relation, "free_symbols", set())
    if len(symbols) != 1 or not hasattr(relation, "as_set"):
        return None
    name = next(iter(symbols))
    real = sympy.Symbol(name.name, real=True)
    parts = getattr(relation, "_unsorted_args", None) or (relation,)
    sets = [part.subs(name, real).as_set() for part in parts]
    return Region(name.name, sympy.Intersection(*sets))


def _real(value: Any) -> bool:
    return isinstance(value, sympy.Expr) and value.is_extended_real is not False


def _pieces(points: Any) -> list[tuple[Any, Any, bool, bool]] | None:
    """(low, high, left open, right open) of each interval and point, from left to right."""
    parts = points.args if isinstance(points, sympy.Union) else (points,)
    found: list[tuple[Any, Any, bool, bool]] = []
    for part in parts:
        if isinstance(part, sympy.Interval):
            found.append((part.start, part.end, bool(part.left_open), bool(part.right_open)))
        elif isinstance(part, sympy.FiniteSet):
            found += [(point, point, False, False) for point in part.args]
        elif part == sympy.S.Reals:
            found.append((-sympy.oo, sympy.oo, True, True))
        else:
            return None
    if any(value.free_symbols for piece in found for value in piece[:2]):
        return found if len(found) == 1 else None
    return sorted(found, key=lambda piece: (float(piece[0]), float(piece[1])))


def _equal(left: Any, right: Any) -> bool:
    if left == right:
        return True
    if not left.is_finite or not right.is_finite:
        return False
    if left.free_symbols or right.free_symbols:
        return bool(sympy.simplify(left - right) == 0)
    first, second = sympy.N(left, 60), sympy.N(right, 60)
    floats = left.has(sympy.Float) or right.has(sympy.Float)
    tolerance = sympy.Float(10) ** (-9 if floats else -50)
    return bool(abs(first - second) <= tolerance * max(abs(first), abs(second)))
