r"""Whether two answers are the same: rules by class of answer, algebra for what is left.

Worker side: no input is trusted to be quick here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from sal.grading import algebra
from sal.grading.canonical import key, read_clock
from sal.grading.normalize import normalize
from sal.grading.numbers import Number, numbers_equal, read_number
from sal.grading.structure import (
    Group,
    as_group,
    as_matrix,
    is_description,
    is_name,
    split_choice,
    split_relations,
)
from sal.grading.units import split_unit
from sal.grading.words import words_of

_MAX_ITEMS = 64
_INEQUALITY = re.compile(r"[<>]|\\(?:le|ge|ne)(?![a-zA-Z])")
_REAL_SET = re.compile(
    r"\\(?:cup|cap|setminus|infty|in)(?![a-zA-Z])|\\mathbb\{|^[\[(][^,]*,[^,]*[\])]$|^\].*\[$"
)
_NUMERAL = re.compile(r"([0-9A-Za-z]*\d[0-9A-Za-z]*|[A-F]{2,}|\d+\.\d+)_(?:\{\s*(\d+)\s*\}|(\d))")
_SUBSCRIPTED = re.compile(r"(?<![a-zA-Z\\_\d.])(\d[\d.]*|\([^()]*\))\s*_(\{[^{}]*\}|\w)")
_MEMBER = re.compile(
    r"[,;]?\s*(?:\\text\{[^{}]*(?:where|for|with|any|integer)[^{}]*\}|where|for)?\s*\(?"
    r"([a-zA-Z])\s*\\in\s*\\mathbb\{[ZN]\}[+^\d]*\)?\s*$"
)
_PERIODIC = "knmlj"
_POINTS = re.compile(r"[A-Z]{3,}")
_CONSTANT = re.compile(r"(?<=[+-])\s*([CKc])(?:_\d)?$")


def same(gold: str, pred: str) -> bool:
    """Whether `pred` states the answer `gold`."""
    if key(gold) == key(pred):
        return True
    left, right = normalize(gold), normalize(pred)
    if not left or not right:
        return False
    if _same(left, right):
        return True
    # `1,234` may be a number or two items: the other reading gets its chance.
    left_items, right_items = normalize(gold, True), normalize(pred, True)
    if (left_items, right_items) == (left, right):
        return False
    return (left_items != left and _same(left_items, right)) or (
        right_items != right and _same(left, right_items)
    )


def _same(gold: str, pred: str, depth: int = 0) -> bool:
    if key(gold) == key(pred):
        return True
    if depth > 4:
        return False
    numbers = (read_number(gold), read_number(pred))
    if numbers[0] is not None and numbers[1] is not None:
        return numbers_equal(numbers[0], numbers[1])
    verdict = _first(
        lambda: _choices(gold, pred, depth),
        lambda: _clocks(gold, pred),
        lambda: _memberships(gold, pred, depth),
        lambda: _constants(gold, pred, depth),
        lambda: _regions(gold, pred),
        lambda: _matrices(gold, pred, depth),
        lambda: _groups(gold, pred, depth),
        lambda: _relations(gold, pred, depth),
        lambda: _numerals(gold, pred),
        lambda: _quantities(gold, pred, depth),
    )
    return _values(gold, pred) if verdict is None else verdict


def _first(*rules: Callable[[], bool | None]) -> bool | None:
    """The first verdict; a rule that is about another class of answers says None."""
    return next((verdict for rule in rules if (verdict := rule()) is not None), None)


def _choices(gold: str, pred: str, depth: int) -> bool | None:
    r"""`C` and `\text{(C) } 5`: by letter; with two labelled contents both must agree."""
    left, right = split_choice(gold), split_choice(pred)
    if left is not None and right is not None:
        return left[0] == right[0] and _same(left[1], right[1], depth + 1)
    labelled, other = (left, pred) if left is not None else (right, gold)
    if labelled is None:
        return None
    if re.fullmatch(r"[A-H]", key(other)):
        return labelled[0] == key(other)
    pair = (labelled[1], other) if left is not None else (other, labelled[1])
    return _same(*pair, depth + 1)


def _clocks(gold: str, pred: str) -> bool | None:
    """Times of day; `8:34 pm` is `20:34`, and one side may leave am or pm out."""
    times = (read_clock(gold), read_clock(pred))
    if times[0] is None or times[1] is None:
        return None
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


def _memberships(gold: str, pred: str, depth: int) -> bool | None:
    r"""`2\pi n, n \in \mathbb{Z}`: the clause only says what `n` is."""
    trimmed = (_MEMBER.sub("", gold).strip(), _MEMBER.sub("", pred).strip())
    if trimmed == (gold, pred) or not all(trimmed):
        return None
    return _same(*trimmed, depth + 1)


def _constants(gold: str, pred: str, depth: int) -> bool | None:
    """Arbitrary constants have arbitrary names: `x + C` is `x + K`, `2k\\pi` is `2\\pi n`."""
    left, right = _CONSTANT.search(gold), _CONSTANT.search(pred)
    if left is not None and right is not None and left[1] != right[1]:
        return _same(gold, pred[: right.start(1)] + left[1], depth + 1)
    if r"\pi" not in gold or r"\pi" not in pred:
        return None
    letters = (_free_letters(gold), _free_letters(pred))
    only = (letters[0] - letters[1], letters[1] - letters[0])
    if all(len(side) == 1 and side <= set(_PERIODIC) for side in only):
        name, other = only[0].pop(), only[1].pop()
        renamed = re.sub(rf"(?<![a-zA-Z\\]){other}(?![a-zA-Z])", name, pred)
        return _same(gold, renamed, depth + 1) if renamed != pred else None
    return None


def _free_letters(text: str) -> set[str]:
    return set(re.findall(r"[a-zA-Z]", re.sub(r"\\text\{[^{}]*\}|\\[a-zA-Z]+", " ", text)))


def _is_region(text: str) -> bool:
    """A set of reals that only interval notation or inequalities can state."""
    if _INEQUALITY.search(text):
        return True
    if re.search(r"\\(?:cup|cap|setminus|in)(?![a-zA-Z])|\\mathbb\{[RQZNC]\}", text):
        return True
    if text[:1] in "([])" and text[-1:] in ")][(":
        mixed = (text[0], text[-1]) not in (("(", ")"), ("[", "]"))
        group = as_group(text)
        return (mixed and "," in text) or (
            r"\infty" in text and group is not None and len(group.items) == 2
        )
    return False


def _regions(gold: str, pred: str) -> bool | None:
    """`(1,2)` is `1 < x < 2`, and a union is a disjunction."""
    if not _is_region(gold) and not _is_region(pred):
        return None
    if not all(
        _is_region(text)
        or _REAL_SET.search(text)
        or r"\emptyset" in text
        or text.startswith(r"\{")
        or "=" in text
        for text in (gold, pred)
    ):
        return False
    return algebra.same_real_set(gold, pred)


def _groups(gold: str, pred: str, depth: int) -> bool | None:
    left, right = as_group(gold), as_group(pred)
    if left is None and right is None:
        return None
    if left is None or right is None:
        if split_relations(pred if left is not None else gold)[1]:
            return None  # `(x, y) = (2, 3)`
        group, other = (left, pred) if left is not None else (right, gold)
        if group is None or len(group.items) != 1:
            # An equation in several unknowns may hold commas; a value never equals a group.
            return False
        pair = (group.items[0], other) if left is not None else (other, group.items[0])
        return _same(*pair, depth + 1)
    return _same_groups(left, right, depth)


def _same_groups(gold: Group, pred: Group, depth: int) -> bool:
    kinds = {gold.kind, pred.kind}
    if kinds <= {"list", "set"}:
        return _unordered(_distinct(gold.items), _distinct(pred.items), depth)
    if "set" in kinds:
        return False  # \{1,2\} is no point
    if kinds == {"closed", "tuple"} and len(gold.items) == 2:
        return False  # [1,2] and (1,2) are different intervals
    if len(gold.items) != len(pred.items):
        return False
    return all(
        _same(left, right, depth + 1) for left, right in zip(gold.items, pred.items, strict=True)
    )


def _distinct(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple({key(item): item for item in items}.values())


def _unordered(gold: tuple[str, ...], pred: tuple[str, ...], depth: int) -> bool:
    if len(gold) != len(pred):
        return False
    rest = list(pred)
    unmatched: list[str] = []
    for item in gold:  # equal spellings first: no algebra for the bulk
        found = next((other for other in rest if key(other) == key(item)), None)
        if found is None:
            unmatched.append(item)
        else:
            rest.remove(found)
    if len(unmatched) > _MAX_ITEMS:
        return False
    for item in unmatched:
        found = next((other for other in rest if _same(item, other, depth + 1)), None)
        if found is None:
            return False
        rest.remove(found)
    return True


def _matrices(gold: str, pred: str, depth: int) -> bool | None:
    left, right = as_matrix(gold), as_matrix(pred)
    if left is None or right is None:
        return None
    if [len(row) for row in left] != [len(row) for row in right]:
        return False
    return all(
        _same(one, other, depth + 1)
        for row, other_row in zip(left, right, strict=True)
        for one, other in zip(row, other_row, strict=True)
    )


def _relations(gold: str, pred: str, depth: int) -> bool | None:
    """`x = 5` names the value 5; `x + y = 3` is an equation, and its right side no answer."""
    left, right = _Statement(gold), _Statement(pred)
    if not left.signs and not right.signs:
        return None
    if left.value is not None and right.value is not None:
        described = is_description(left.name) or is_description(right.name)
        if key(left.name) == key(right.name) or described or not (left.name and right.name):
            return _same(left.value, right.value, depth + 1)
        if not (_free_letters(left.value) and _free_letters(right.value)):
            return False  # `x = 5` is not `y = 5`
    elif not left.signs or not right.signs:
        stated = left.value if left.signs else right.value
        if stated is None:
            return False
        return _same(*((stated, pred) if left.signs else (gold, stated)), depth + 1)
    return algebra.same_equation(gold, pred)


class _Statement:
    """A top-level relation: its name (when the left side only names), and the value it states."""

    def __init__(self, text: str) -> None:
        self.sides, self.signs = split_relations(text)
        self.name = ""
        self.value: str | None = None
        if not self.signs or any(sign not in ("=", r"\approx", r"\in") for sign in self.signs):
            return
        if r"\approx" in self.signs[1:]:  # `x = 1/3 \approx 0.33` states 1/3
            at = self.signs.index(r"\approx", 1)
            self.sides, self.signs = self.sides[: at + 1], self.signs[:at]
        elif self.signs == [r"\approx"] and not is_name(self.sides[0]):
            self.value = self.sides[0]
            return
        if len(self.sides) == 2 and is_name(self.sides[1]) and not is_name(self.sides[0]):
            self.sides.reverse()  # `5 = x`
        if is_name(self.sides[0]):
            self.name, self.value = self.sides[0], self.sides[-1]
        elif not any(_free_letters(side) - {"e", "i"} for side in self.sides):
            self.value = self.sides[-1]  # a computation, `2 + 3 = 5`
        if not self.value:
            self.name, self.value = "", None


def _numerals(gold: str, pred: str) -> bool | None:
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


def _quantities(gold: str, pred: str, depth: int) -> bool | None:
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
            if _values(turned[0], turned[1]):
                return True
    values = _scaled(left.value, left.scale), _scaled(right.value, right.scale)
    return _same(*values, depth + 1)


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


def _values(gold: str, pred: str) -> bool:
    """Two single values of which at least one is a formula."""
    if words_of(gold) != words_of(pred):
        return False
    if _POINTS.fullmatch(gold) and _POINTS.fullmatch(pred):
        return False  # an order or a figure: `BAC` is not `CAB`, though the products are equal
    if sorted(_SUBSCRIPTED.findall(gold)) != sorted(_SUBSCRIPTED.findall(pred)):
        return False
    percents = (gold.endswith("%"), pred.endswith("%"))
    if percents[0] != percents[1]:
        bare = gold.removesuffix("%"), pred.removesuffix("%")
        part = [
            f"({text})/100" if is_pct else text for text, is_pct in zip(bare, percents, strict=True)
        ]
        return _value(*bare) or _value(part[0], part[1])
    return _value(gold.removesuffix("%"), pred.removesuffix("%"))


def _value(gold: str, pred: str) -> bool:
    left, right = read_number(gold), read_number(pred)
    if isinstance(left, Number) and isinstance(right, Number):
        return numbers_equal(left, right)
    return algebra.same_value(gold, pred)
