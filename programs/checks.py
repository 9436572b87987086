"""Checks that parameters make of themselves."""

from __future__ import annotations

import math

from sal.strategies.aggregate import AGGREGATES
from sal.strategies.settled import STOPS


def whole_number(name: str, value: object, least: int = 1) -> None:
    """Raises ValueError, naming the field, unless `value` is an int of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


def positive(name: str, value: object) -> None:
    """Raises ValueError, naming the field, unless `value` is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a number above 0, not {value!r}")


def at_least_zero(name: str, value: object) -> None:
    """Raises ValueError, naming the field, unless `value` is a finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number of at least 0, not {value!r}")


def sampling(temperature: float, max_tokens: int, separator: str) -> None:
    """The fields that every program has; raises ValueError naming the one that is wrong."""
    at_least_zero("temperature", temperature)
    whole_number("max_tokens", max_tokens)
    if not isinstance(separator, str) or not separator:
        raise ValueError(f"separator must be a text that is not empty, not {separator!r}")


def reduction(aggregate: str) -> None:
    """Raises ValueError unless `aggregate` names a reduction of step scores."""
    if aggregate not in AGGREGATES:
        raise ValueError(f"aggregate must be one of {', '.join(AGGREGATES)}, not {aggregate!r}")


def share(name: str, value: object) -> None:
    """Raises ValueError, naming the field, unless 0 < `value` <= 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, not {value!r}")


def stopping(stop: str, agree: int, confidence: float, batch: int) -> None:
    """The fields of a search that stops early; raises ValueError naming the one that is wrong."""
    if stop not in STOPS:
        raise ValueError(f"stop must be one of {', '.join(STOPS)}, not {stop!r}")
    whole_number("agree", agree)
    whole_number("batch", batch)
    share("confidence", confidence)
