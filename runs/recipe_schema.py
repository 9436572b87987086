"""What the values of a recipe's keys may be: read off the annotations of the fields they fill."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sal.runs.recipe_yaml import shown

LEAST = {"limit": 1, "max_problem_tokens": 1, "ns": 1}
"""Of the settings, the smallest that makes sense; strategies check their own parameters."""


def hints(cls: type) -> dict[str, Any]:
    """The annotations of a dataclass's fields; empty for one whose cannot be told."""
    try:
        return get_type_hints(cls)
    except Exception:  # whatever stands there in another package
        return {}


def checked(key: str, value: Any, annotation: Any) -> Any:
    """`value` as the field wants it: whole numbers as floats, lists as tuples.

    An annotation that is not known lets everything through. Raises ValueError, which says what it
    must be and the nearest valid word.
    """
    kinds = [annotation]
    if get_origin(annotation) in (Union, UnionType):
        kinds = list(get_args(annotation))
    if value is None and NoneType in kinds:
        return None
    kinds = [kind for kind in kinds if kind is not NoneType]
    if len(kinds) != 1:
        return value
    return _checked(value, kinds[0], LEAST.get(key))


def _checked(value: Any, kind: Any, least: int | None) -> Any:
    if get_origin(kind) is Literal:
        return choice(value, [str(word) for word in get_args(kind)])
    if get_origin(kind) is tuple and get_args(kind)[1:] == (...,):
        items = value if isinstance(value, list | tuple) else None
        if items is None:
            raise ValueError(f"must be a list, as in [{_example(get_args(kind)[0])}]{_not(value)}")
        return tuple(_checked(item, get_args(kind)[0], least) for item in items)
    if kind is bool and not isinstance(value, bool):
        raise ValueError(f"must be true or false{_not(value)}")
    if kind is str and not isinstance(value, str):
        raise ValueError(f"must be a text{_not(value)}{_in_quotes(value)}")
    if kind is int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or (least is not None and value < least):
            beginning = "" if least is None else f" of at least {least}"
            raise ValueError(f"must be a whole number{beginning}{_not(value)}")
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a number{_not(value)}{_as_number(value)}")
        try:
            return float(value)
        except OverflowError:
            raise ValueError("must be a number that is not so large") from None
    return value


def choice(value: Any, words: Iterable[str]) -> str:
    """`value`, if it is one of `words`; raises ValueError with the nearest."""
    words = list(words)
    if not isinstance(value, str) or value not in words:
        hint = nearest(value, words) if isinstance(value, str) else ""
        raise ValueError(f"must be one of {', '.join(words)}{_not(value)}{hint}")
    return value


def nearest(word: str, words: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing where none is near."""
    by_spelling = {_spelling(known): known for known in words}
    found = get_close_matches(_spelling(word), list(by_spelling), 1, 0.7)
    return f" (did you mean {by_spelling[found[0]]}?)" if found else ""


def _spelling(word: str) -> str:
    return word.lower().replace("-", "_")


def _example(kind: Any) -> str:
    return "1, 4, 16" if kind is int else "first, second"


def _not(value: Any) -> str:
    if isinstance(value, bool):
        return f", not {str(value).lower()}"
    return ", and is not said" if value is None else f", not {shown(value)}"


def _in_quotes(value: Any) -> str:
    return f"; write '{value}' in quotes" if isinstance(value, int | float) else ""


def _as_number(value: Any) -> str:
    """YAML 1.1 wants a point in a number with an exponent."""
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return ""
    return "" if number is None else f"; YAML reads this as a text: write {number!r}"
