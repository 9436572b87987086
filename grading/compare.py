r"""Whether two answers are the same: rules by class of answer, algebra for what is left.

Worker side: no input is trusted to be quick here.
"""

from __future__ import annotations

import re

from sal.grading import algebra
from sal.grading.canonical import key, read_choice
from sal.grading.listings import groups, matrices, ratios, regions, vectors
from sal.grading.measures import clocks, durations, numerals, quantities
from sal.grading.normalize import normalize
from sal.grading.numbers import numbers_equal, read_number
from sal.grading.phrases import restated
from sal.grading.products import same_order
from sal.grading.rule import Again, Rule
from sal.grading.statements import clauses, congruences, constants, relations
from sal.grading.structure import split_choice
from sal.grading.words import answers_with, words_of

_DEPTH = 4
_PADDED = re.compile(r",\s?0\d")
"""No item of a list is written `00`."""
_SUBSCRIPTED = re.compile(r"(?<![a-zA-Z\\_\d.])(\d[\d.]*|\([^()]*\))\s*_(\{[^{}]*\}|\w)")


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
    return (left_items != left and not _PADDED.search(left_items) and _same(left_items, right)) or (
        right_items != right and not _PADDED.search(right_items) and _same(left, right_items)
    )


def _same(gold: str, pred: str, depth: int = 0) -> bool:
    if key(gold) == key(pred):
        return True
    if depth > _DEPTH:
        return False
    numbers = (read_number(gold), read_number(pred))
    if numbers[0] is not None and numbers[1] is not None:
        return numbers_equal(numbers[0], numbers[1])

    def again(one: str, other: str) -> bool:
        return _same(one, other, depth + 1)

    verdicts = (rule(gold, pred, again) for rule in _RULES)
    verdict = next((verdict for verdict in verdicts if verdict is not None), None)
    return _values(gold, pred) if verdict is None else verdict


def _restatements(gold: str, pred: str, again: Again) -> bool | None:
    r"""`\frac12 \, (0.5)` says one value twice; where the two differ it is a product."""
    for text, other, gold_side in ((gold, pred, True), (pred, gold, False)):
        parts = restated(text)
        if parts is not None and (again(*parts) or again(*parts[::-1])):
            return again(parts[0], other) if gold_side else again(other, parts[0])
    return None


def _choices(gold: str, pred: str, again: Again) -> bool | None:
    r"""`C` and `\text{(C) } 5`: by letter; with two labelled contents both must agree."""
    left, right = split_choice(gold), split_choice(pred)
    if left is not None and right is not None:
        return left[0] == right[0] and again(left[1], right[1])
    labelled, other = (left, pred) if left is not None else (right, gold)
    if labelled is None:
        return None
    letter = read_choice(other) or key(other)
    if re.fullmatch(r"[A-J]", letter):
        return labelled[0] == letter
    return again(*((labelled[1], other) if left is not None else (other, labelled[1])))


def _sentences(gold: str, pred: str, _: Again) -> bool | None:
    """`Evelyn had the greatest speed` answers `Evelyn`."""
    return True if answers_with(gold, pred) or answers_with(pred, gold) else None


_RULES: tuple[Rule, ...] = (
    _restatements,
    _choices,
    clocks,
    durations,
    congruences,
    clauses,
    constants,
    regions,
    ratios,
    vectors,
    matrices,
    groups,
    relations,
    numerals,
    quantities,
    _sentences,
)


def _values(gold: str, pred: str) -> bool:
    """Two single values of which at least one is a formula."""
    if words_of(gold) != words_of(pred) or not same_order(gold, pred):
        return False
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
    if left is not None and right is not None:
        return numbers_equal(left, right)
    return algebra.same_value(gold, pred)
