r"""Rules for answers that say something of a letter: `x = 5`, `3k` for integers k, congruences."""

from __future__ import annotations

import re

from sal.grading import algebra
from sal.grading.canonical import key
from sal.grading.congruences import read_congruence, same_congruence
from sal.grading.phrases import split_clause
from sal.grading.rule import Again
from sal.grading.structure import is_description, is_name, split_relations

_PERIODIC = "knmlj"
_FUNCTION = re.compile(r"([a-zA-Z])\(([a-z])\)")
_CONSTANT = re.compile(r"(?<=[+-])\s*([CKc])(?:_\d)?$")


def clauses(gold: str, pred: str, again: Again) -> bool | None:
    r"""`3k \text{ for any integer } k`: the clause says what `k` is, so its name is free."""
    left, right = split_clause(gold), split_clause(pred)
    if left is None and right is None:
        return None
    one = gold if left is None else left.rest
    other = pred if right is None else right.rest
    if again(one, other):
        return True
    bound = [clause for clause in (left, right) if clause is not None and clause.bound]
    if not bound or (left is not None and right is not None and len(bound) < 2):
        return False
    names = _free_letters(_stated(one)), _free_letters(_stated(other))
    only = names[0] - names[1], names[1] - names[0]
    if any(len(side) != 1 for side in only):
        return False
    if not {clause.letter for clause in bound} <= only[0] | only[1]:
        return False
    return again(one, _renamed(other, only[1].pop(), only[0].pop()))


def _stated(text: str) -> str:
    """The right side of `n = 3k`."""
    sides, signs = split_relations(text)
    return sides[-1] if signs == ["="] and is_name(sides[0]) else text


def _renamed(text: str, old: str, new: str) -> str:
    return re.sub(rf"(?<![a-zA-Z\\]){old}(?![a-zA-Z])", new, text)


def constants(gold: str, pred: str, again: Again) -> bool | None:
    """Arbitrary constants have arbitrary names: `x + C` is `x + K`, `2k\\pi` is `2\\pi n`."""
    left, right = _CONSTANT.search(gold), _CONSTANT.search(pred)
    if left is not None and right is not None and left[1] != right[1]:
        return again(gold, pred[: right.start(1)] + left[1])
    if r"\pi" not in gold or r"\pi" not in pred:
        return None
    letters = (_free_letters(gold), _free_letters(pred))
    only = (letters[0] - letters[1], letters[1] - letters[0])
    if all(len(side) == 1 and side <= set(_PERIODIC) for side in only):
        name, other = only[0].pop(), only[1].pop()
        renamed = _renamed(pred, other, name)
        return again(gold, renamed) if renamed != pred else None
    return None


def _free_letters(text: str) -> set[str]:
    return set(re.findall(r"[a-zA-Z]", re.sub(r"\\text\{[^{}]*\}|\\[a-zA-Z]+", " ", text)))


def congruences(gold: str, pred: str, again: Again) -> bool | None:
    r"""`5 \pmod 7` is the residue 5, and `12 \pmod 7` the same class."""
    left, right = read_congruence(gold), read_congruence(pred)
    if left is None and right is None:
        return None
    if left is not None and right is not None:
        same = same_congruence(left, right)
        return again(left.residue, right.residue) if same is None else same
    if left is not None:
        return again(left.residue, pred)
    return right is not None and again(gold, right.residue)


def relations(gold: str, pred: str, again: Again) -> bool | None:
    """`x = 5` names the value 5; `x + y = 3` is an equation, and its right side no answer."""
    left, right = _Statement(gold), _Statement(pred)
    if not left.signs and not right.signs:
        return None
    if left.value is not None and right.value is not None:
        described = is_description(left.name) or is_description(right.name)
        if key(left.name) == key(right.name) or described or not (left.name and right.name):
            return again(left.value, right.value)
        dummies = _FUNCTION.fullmatch(left.name), _FUNCTION.fullmatch(right.name)
        if dummies[0] and dummies[1] and dummies[0][1] == dummies[1][1]:
            # `F(t) = t^2` is `F(x) = x^2`
            return again(left.value, _renamed(right.value, dummies[1][2], dummies[0][2]))
        if not (_free_letters(left.value) and _free_letters(right.value)):
            return False  # `x = 5` is not `y = 5`
    elif not left.signs or not right.signs:
        stated = left.value if left.signs else right.value
        if stated is None:
            return False
        return again(*((stated, pred) if left.signs else (gold, stated)))
    return algebra.same_equation(gold, pred)


class _Statement:
    """A top-level relation: its name (when the left side only names), and the value it states."""

    def __init__(self, text: str) -> None:
        self.sides, self.signs = split_relations(text)
        self.name = ""
        self.value: str | None = None
        if not self.signs or any(
            sign not in ("=", r"\approx", r"\in", r"\equiv") for sign in self.signs
        ):
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
