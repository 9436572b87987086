r"""Rules for answers of several values: sets of reals, lists, points, vectors, matrices."""

from __future__ import annotations

import re

from sal.grading import algebra
from sal.grading.canonical import key
from sal.grading.rule import Again
from sal.grading.structure import Group, as_group, as_matrix, is_name, split_relations, split_top
from sal.grading.vectors import along_axes, nested_rows, without_transpose

_MAX_ITEMS = 64
_NO_VALUE = re.compile(r"\\emptyset|[a-zA-Z]")
"""What is not the same with braces around it: the empty set, a letter and its fractional part."""
_INEQUALITY = re.compile(r"[<>]|\\(?:le|ge|ne)(?![a-zA-Z])")
_REAL_SET = re.compile(
    r"\\(?:cup|cap|setminus|infty|in)(?![a-zA-Z])|\\mathbb\{|^[\[(][^,]*,[^,]*[\])]$|^\].*\[$"
)


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


def _listed_members(text: str) -> str | None:
    r"""The set in `n \in \{-1, 2, 4\}`."""
    if r"\in" not in text:
        return None
    sides, signs = split_relations(text)
    listed = signs == [r"\in"] and is_name(sides[0]) and sides[1].startswith(r"\{")
    return sides[1] if listed and not _INEQUALITY.search(sides[1]) else None


def regions(gold: str, pred: str, again: Again) -> bool | None:
    """`(1,2)` is `1 < x < 2`, and a union is a disjunction."""
    listed = _listed_members(gold), _listed_members(pred)
    if listed != (None, None):
        return again(listed[0] or gold, listed[1] or pred)
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


def _is_colon(mark: str) -> bool:
    return mark == ":"


def ratios(gold: str, pred: str, again: Again) -> bool | None:
    """`2:4:6` is `1:2:3`, but not `1:3:2`; ratios of two are their quotients."""
    left, right = (split_top(text, _is_colon) for text in (gold, pred))
    if len(left) < 3 and len(right) < 3:
        return None
    if len(left) != len(right) or not all(left) or not all(right):
        return False
    if all(again(one, other) for one, other in zip(left, right, strict=True)):
        return True
    return all(
        again(rf"({left[0]})\cdot({other})", rf"({right[0]})\cdot({one})")
        for one, other in zip(left[1:], right[1:], strict=True)
    )


def vectors(gold: str, pred: str, again: Again) -> bool | None:
    r"""`3i - 2j + k`, `[1,2,3]^T` and `[[1,2],[3,4]]` as the matrix that they are."""
    left, right = _as_columns(gold), _as_columns(pred)
    if left is None and right is None:
        axes = along_axes(gold), along_axes(pred)
        if axes[0] is not None and axes[1] is not None:
            return all(map(again, axes[0], axes[1]))
        if axes[0] is None and axes[1] is None:
            return None
        components = axes[0] or axes[1] or ()
        other = as_group(pred if axes[0] is not None else gold)
        if other is None or other.kind in ("list", "set") or len(other.items) not in (2, 3):
            return None
        known = components[: len(other.items)]
        if any(component != "0" for component in components[len(known) :]):
            return False
        pairs = zip(known, other.items, strict=True)
        return all(again(*(pair if axes[0] is not None else pair[::-1])) for pair in pairs)
    return again(left or gold, right or pred)


def _as_columns(text: str) -> str | None:
    """`text` as a matrix environment where it is a matrix or a transpose in another notation."""
    rows = nested_rows(text)
    body = without_transpose(text)
    if body is not None:
        rows = as_matrix(body) or nested_rows(body)
        group = as_group(body)
        if rows is None and group is not None and group.kind in ("tuple", "closed"):
            rows = [list(group.items)]
        if rows is None or len({len(row) for row in rows}) != 1:
            return None
        rows = [list(column) for column in zip(*rows, strict=True)]
    if rows is None:
        return None
    written = r"\\".join("&".join(row) for row in rows)
    return rf"\begin{{pmatrix}}{written}\end{{pmatrix}}"


def groups(gold: str, pred: str, again: Again) -> bool | None:
    """Lists and sets in any order, points in theirs; several spellings of one value are one."""
    left, right = _one_or_several(as_group(gold), again), _one_or_several(as_group(pred), again)
    if isinstance(left, str) or isinstance(right, str):
        one = left if isinstance(left, str) else gold
        other = right if isinstance(right, str) else pred
        return None if (one, other) == (gold, pred) else again(one, other)
    left, right = _named(left, gold, right), _named(right, pred, left)
    if left is None and right is None:
        return None
    if left is None or right is None:
        if split_relations(pred if left is not None else gold)[1]:
            return None  # `(x, y) = (2, 3)`
        group, other = (left, pred) if left is not None else (right, gold)
        if group is None or len(group.items) != 1 or _NO_VALUE.fullmatch(group.items[0]):
            # An equation in several unknowns may hold commas; a value never equals a group.
            return False
        pair = (group.items[0], other) if left is not None else (other, group.items[0])
        return again(*pair)
    return _same_groups(left, right, again)


def _one_or_several(group: Group | None, again: Again) -> Group | str | None:
    r"""The one value of a list that repeats it, such as `\frac12 \text{ or } 0.5`."""
    if group is None or group.kind != "list" or len(group.items) > 4:
        return group
    first = group.items[0]
    return first if all(again(first, item) for item in group.items[1:]) else group


def _named(group: Group | None, text: str, other: Group | None) -> Group | None:
    """`(x, y) = (1, 2)` beside `x = 1, y = 2`, as the same kind of list."""
    if group is not None or other is None or not all("=" in item for item in other.items):
        return group
    sides, signs = split_relations(text)
    if signs != ["="]:
        return None
    names, values = as_group(sides[0]), as_group(sides[1])
    if names is None or values is None or len(names.items) != len(values.items):
        return None
    return Group("list", tuple(map("=".join, zip(names.items, values.items, strict=True))))


def _in_order_of_names(group: Group) -> Group:
    """`y = 1, x = 2` as `x = 2, y = 1`, to stand beside a point."""
    names = [split_relations(item)[0][0].strip() for item in group.items if "=" in item]
    if len(names) != len(group.items) or any(len(name) != 1 for name in names):
        return group
    if sorted(names) == names:
        return group
    return Group(group.kind, tuple(sorted(group.items, key=lambda item: item.lstrip()[0])))


def _same_groups(gold: Group, pred: Group, again: Again) -> bool:
    kinds = {gold.kind, pred.kind}
    if kinds <= {"list", "set"}:
        return _unordered(_distinct(gold.items), _distinct(pred.items), again)
    if "set" in kinds:
        return False  # \{1,2\} is no point
    if "list" in kinds:  # a list of named values beside a point
        gold, pred = _in_order_of_names(gold), _in_order_of_names(pred)
    if kinds == {"closed", "tuple"} and len(gold.items) == 2:
        return False  # [1,2] and (1,2) are different intervals
    if len(gold.items) != len(pred.items):
        return False
    return all(again(left, right) for left, right in zip(gold.items, pred.items, strict=True))


def _distinct(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple({key(item): item for item in items}.values())


def _unordered(gold: tuple[str, ...], pred: tuple[str, ...], again: Again) -> bool:
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
        found = next((other for other in rest if again(item, other)), None)
        if found is None:
            return False
        rest.remove(found)
    return True


def matrices(gold: str, pred: str, again: Again) -> bool | None:
    left, right = as_matrix(gold), as_matrix(pred)
    if left is None or right is None:
        return None
    if [len(row) for row in left] != [len(row) for row in right]:
        return False
    return all(
        again(one, other)
        for row, other_row in zip(left, right, strict=True)
        for one, other in zip(row, other_row, strict=True)
    )
