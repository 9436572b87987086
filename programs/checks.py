"""Checks that parameters make of themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sal.programs.limits import Limits
from sal.strategies.aggregate import AGGREGATES
from sal.strategies.stopping import STOPS


def whole_number(name: str, value: object, least: int = 1) -> None:
    """Raises ValueError, naming the field, unless `value` is an int of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


def flag(name: str, value: object) -> None:
    """Raises ValueError, naming the field, unless `value` is true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, not {value!r}")


def number(name: str, value: object) -> None:
    """Raises ValueError, naming the field, unless `value` is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a number, not {value!r}")


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
    text("separator", separator)


def limits(limits: Limits, max_tokens: int) -> None:
    """What is set of them, in completions of `max_tokens`; raises ValueError naming the wrong."""
    if limits.top_p is not None:
        share("top_p", limits.top_p)
    if limits.top_k not in (None, -1):
        try:
            whole_number("top_k", limits.top_k)
        except ValueError as error:
            raise ValueError(f"{error}; -1 is for all tokens") from None
    if limits.min_p is not None and not _number(limits.min_p, 0, 1):
        raise ValueError(f"min_p must be from 0 to 1, not {limits.min_p!r}")
    if limits.max_step_tokens is not None:
        whole_number("max_step_tokens", limits.max_step_tokens)
    if not isinstance(limits.stop_strings, list | tuple):
        raise ValueError(f"stop_strings must be a list of texts, not {limits.stop_strings!r}")
    for stop in limits.stop_strings:
        text("a stop string", stop)
    if limits.think_budget is not None:
        whole_number("think_budget", limits.think_budget)
        if limits.think_budget >= max_tokens:
            raise ValueError(
                f"think_budget {limits.think_budget} leaves nothing of max_tokens {max_tokens} for "
                "the answer"
            )
    if limits.think_extensions is not None:
        whole_number("think_extensions", limits.think_extensions, least=0)


def text(name: str, value: object) -> None:
    """Raises ValueError, naming the field, unless `value` is a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text that is not empty, not {value!r}")


def _number(value: object, least: float, most: float) -> bool:
    """Whether `value` is a number from `least` to `most`."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def reduction(aggregate: str | None) -> None:
    """Raises ValueError unless `aggregate` names a reduction of step scores, or leaves it open."""
    if aggregate is not None:
        one_of("aggregate", aggregate, AGGREGATES)


def share(name: str, value: object) -> None:
    """Raises ValueError, naming the field, unless 0 < `value` <= 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, not {value!r}")


def stopping(stop: str, agree: int, confidence: float, batch: int) -> None:
    """The fields of a search that stops early; raises ValueError naming the one that is wrong."""
    one_of("stop", stop, STOPS)
    whole_number("agree", agree)
    whole_number("batch", batch)
    share("confidence", confidence)


def one_of(name: str, value: object, choices: Sequence[str]) -> None:
    """Raises ValueError, naming the field, unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
