"""The parameters of a request's search: what it says, within what the operator allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sal.programs.caps import Caps
from sal.programs.params import SamplingParams
from sal.runs.errors import RunError
from sal.runs.registry import Strategy
from sal.serve.asked import Wanted, seed_of, stops_of, whole
from sal.serve.effort import EFFORTS, NONE, budget_of
from sal.serve.errors import wrong
from sal.serve.limits import Limits
from sal.serve.models import Named

BUDGET_HEADER = "x-search-budget"

_SAMPLING = {f.name for f in fields(SamplingParams)} - {"budget"}
_AS_IN_OPENAI = ("temperature", "top_p", "top_k", "min_p")
_LENGTHS = ("max_tokens", "max_step_tokens", "think_budget")
_HOTTEST = 2.0


def read_search(
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    named: Named,
    strategy: Strategy,
    limits: Limits,
    **conversation: Any,
) -> Wanted:
    """Raises `ApiError` for what is wrong, not allowed, or not known to the strategy."""
    name = str(named.strategy)
    known = {f.name: f.default for f in fields(strategy.program.params_class)}
    given: dict[str, Any] = {
        key: value
        for key, value in {"max_tokens": limits.max_tokens, **limits.params}.items()
        if key in known and (name == limits.strategy or key in _SAMPLING)
    }
    given |= _said(body, strategy, limits)
    if "budget" in known:
        width = given.get("width", known.get("width", 1))
        given["budget"] = _budget(body, headers, named, limits, width)
    elif (asked := _asked_budget(body, headers) or named.budget) not in (None, 1):
        raise wrong("budget", f"{name} has none, and {asked} were asked for")
    params = _made(strategy, given)
    tokens = limits.tokens_of(int(getattr(params, "budget", 1)), params.max_tokens)
    return Wanted(
        strategy=name,
        params=params,
        caps=Caps(tokens, limits.seconds),
        tokens=tokens,
        seed=seed_of(body),
        **conversation,
    )


def effort_of(body: Mapping[str, Any]) -> str | None:
    """The effort that is asked for, if one is; raises `ApiError` for one that is none."""
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in EFFORTS:
        raise wrong("reasoning_effort", f"must be one of {', '.join(EFFORTS)}")
    return effort


def _budget(
    body: Mapping[str, Any], headers: Mapping[str, str], named: Named, limits: Limits, width: Any
) -> int:
    """N as the body says it, else the header, the model's name, the effort, or the operator."""
    budget = _asked_budget(body, headers) or named.budget
    if budget is None:
        effort = effort_of(body)
        if effort in (None, NONE):
            return limits.budget
        return budget_of(str(effort), limits, width if isinstance(width, int) and width else 1)
    if not 1 <= budget <= limits.max_budget:
        raise wrong("budget", f"must be from 1 to {limits.max_budget}, not {budget}")
    return budget


def _asked_budget(body: Mapping[str, Any], headers: Mapping[str, str]) -> int | None:
    within = body.get("search")
    inner = whole(within, "budget") if isinstance(within, dict) else None
    outer = whole(body, "budget")
    if inner is not None and outer is not None and inner != outer:
        raise wrong("budget", f"is {outer}, and search.budget {inner}")
    if (said := inner or outer) is not None:
        return said
    text = headers.get(BUDGET_HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise wrong("X-Search-Budget", "must be a whole number")
    return int(text)


def _said(body: Mapping[str, Any], strategy: Strategy, limits: Limits) -> dict[str, Any]:
    """What the request says of parameters, by OpenAI's fields and in `search`."""
    given = {name: body[name] for name in _AS_IN_OPENAI if name in body}
    lengths = {whole(body, n) for n in ("max_tokens", "max_completion_tokens")} - {None}
    if len(lengths) > 1:
        raise wrong("max_completion_tokens", "is not the same as max_tokens")
    if lengths:
        given["max_tokens"] = lengths.pop()
    if stops := stops_of(body):
        given["stop_strings"] = stops
    within = body.get("search", {})
    if not isinstance(within, dict):
        raise wrong("search", "must be an object with parameters of the strategy")
    for name, value in within.items():
        if name != "budget" and value is not None:
            given[name] = tuple(value) if isinstance(value, list) else value
    for name, value in given.items():
        _check(name, value, strategy, limits)
    return given


def _check(name: str, value: Any, strategy: Strategy, limits: Limits) -> None:
    """Raise `ApiError` for what only the operator may say: files, code, and large numbers."""
    params: Any = strategy.program.params_class
    words = _words(params)
    if name not in words:
        raise wrong(name, f"{strategy.program.name} has no such parameter")
    if isinstance(value, str) and value not in words[name] and name != "separator":
        choices = ", ".join(words[name])
        raise wrong(name, f"must be one of {choices}" if choices else "is no text to be given")
    if isinstance(value, int | float) and not isinstance(value, bool):
        most = _most(name, strategy, limits)
        if value > most:
            raise wrong(name, f"must be at most {most:g}, not {value:g}")
    if isinstance(value, tuple) and not (
        len(value) <= 4 and all(isinstance(v, str) for v in value)
    ):
        raise wrong(name, "must be at most 4 texts")


def _most(name: str, strategy: Strategy, limits: Limits) -> float:
    """The largest number that a request may say: the operator's, or the strategy's own default.

    What has neither is bounded as N is, so that nothing grows without end.
    """
    if name == "temperature":
        return _HOTTEST
    if name in _LENGTHS:
        return limits.max_tokens
    default = strategy.program.params_class.__dataclass_fields__[name].default
    usual = (limits.max_budget, default, limits.params.get(name))
    return max(n for n in usual if isinstance(n, int | float))


@cache
def _words(params: Any) -> dict[str, tuple[str, ...]]:
    """The words that each parameter knows; () for one that is no choice among words."""
    words = {}
    for name, hint in get_type_hints(params).items():
        if name in params.__dataclass_fields__:
            parts = [hint, *get_args(hint)]
            words[name] = tuple(w for p in parts if get_origin(p) is Literal for w in get_args(p))
    return words


def _made(strategy: Strategy, given: Mapping[str, Any]) -> Any:
    try:
        return strategy.params(given)
    except (RunError, TypeError, ValueError, OverflowError) as error:
        said = " ".join(str(error).split())
        name = next((n for n in given if said.startswith(n)), None)
        raise wrong(name or "search", said) from None
