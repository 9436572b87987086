"""What a sweep varies: the mapping `sweep` of a recipe file, read and written.

sweep:
  strategy: [majority, dvts, {strategy: beam, as: beam-sqrt, budget: 16, params: {width: 4}}]
  budget: [4, 16, 64]
  seed: [0, 1]
  params.temperature: [0.6, 0.8]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sal.runs.recipe_schema import choice, nearest
from sal.runs.recipe_yaml import Entry, RecipeError
from sal.runs.registry import summaries

AXES = ("strategy", "budget", "policy", "prm", "seed")
PARAMETER = "params."
ALL = "all"
"""In place of a list: every strategy that is registered, those of other packages too."""

_OF_A_METHOD = ("strategy", "as", "budget", "params")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Method:
    """A strategy with parameters of its own, and the name under which it is compared.

    `budgets` are its own, in place of the sweep's; () where it has none.
    """

    strategy: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    budgets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """The values of each axis in their order; () where nothing is varied.

    Methods may have the same name where their own budgets differ: `beam-sqrt` is of another width
    at each N.
    """

    methods: tuple[Method, ...] = ()
    budgets: tuple[int, ...] = ()
    policies: tuple[str, ...] = ()
    prms: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    params: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def as_mapping(self) -> dict[str, Any]:
        """As it stands under `sweep`; the inverse of `read_axes`."""
        found: dict[str, Any] = {
            "strategy": [_written(method) for method in self.methods],
            "budget": list(self.budgets),
            "policy": list(self.policies),
            "prm": list(self.prms),
            "seed": list(self.seeds),
        }
        found |= {f"{PARAMETER}{name}": list(values) for name, values in self.params.items()}
        return {name: values for name, values in found.items() if values}


def read_axes(content: Mapping[str, Entry]) -> Axes:
    """Read the mapping `sweep`.

    Raises `RecipeError`, with the place and the nearest word, for a key that is none, a value that
    cannot stand there or stands twice, and a name that two methods have at one budget.
    """
    values: dict[str, tuple[Any, ...]] = {}
    params: dict[str, tuple[Any, ...]] = {}
    readers: dict[str, Callable[[Entry], Any]] = {
        "strategy": _method,
        "budget": _whole(1),
        "policy": _text,
        "prm": _text,
        "seed": _whole(0),
    }
    for name, entry in content.items():
        if name in AXES:
            values[name] = _items(name, entry, readers[name])
        elif name.startswith(PARAMETER) and len(name) > len(PARAMETER):
            params[name.removeprefix(PARAMETER)] = _items(name, entry, lambda item: item.plain)
        else:
            hint = nearest(name, AXES)
            words = f"unknown axis {name!r}{hint}; there are {', '.join(AXES)} and params.NAME"
            raise RecipeError(entry.source, words)
    axes = Axes(
        methods=values.get("strategy", ()),
        budgets=tuple(sorted(values.get("budget", ()))),
        policies=values.get("policy", ()),
        prms=values.get("prm", ()),
        seeds=values.get("seed", ()),
        params=params,
    )
    _check_names(axes, content)
    return axes


def _items(name: str, entry: Entry, read: Callable[[Entry], Any]) -> tuple[Any, ...]:
    """The values of an axis; one alone need not stand in a list."""
    entries = entry.value if isinstance(entry.value, list) else [entry]
    found: list[Any] = []
    if name == "strategy" and entry.value == ALL:
        entries = [Entry(strategy, entry.source) for strategy in summaries()]
    for item in entries:
        try:
            value = read(item)
        except ValueError as error:
            raise RecipeError(item.source, f"{name}: {error}") from error
        if value in found:
            raise RecipeError(item.source, f"{name}: {item.plain!r} stands there twice")
        found.append(value)
    if not found:
        raise RecipeError(entry.source, f"{name}: an axis has one value at least")
    return tuple(found)


def _method(entry: Entry) -> Method:
    if not isinstance(entry.value, dict):
        name = choice(entry.value, summaries())
        return Method(name, name)
    said: dict[str, Entry] = entry.value
    for key, item in said.items():
        if key not in _OF_A_METHOD:
            hint = nearest(key, _OF_A_METHOD)
            raise RecipeError(item.source, f"strategy: unknown key {key!r}{hint}")
    if "strategy" not in said:
        raise ValueError("a method has a strategy at least, as in {strategy: beam, as: wide}")
    strategy = choice(said["strategy"].plain, summaries())
    name = said["as"].plain if "as" in said else strategy
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"as: must be a name of letters, digits, '.', '_' and '-', not {name!r}")
    params = said["params"].plain if "params" in said else {}
    if not isinstance(params, dict):
        raise ValueError("params: must be a mapping of names to values")
    budgets = _items("budget", said["budget"], _whole(1)) if "budget" in said else ()
    return Method(strategy, name, params, budgets)


def _whole(least: int) -> Callable[[Entry], int]:
    def read(entry: Entry) -> int:
        value = entry.plain
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"must be a whole number of at least {least}, not {value!r}")
        return value

    return read


def _text(entry: Entry) -> str:
    if not isinstance(entry.value, str) or not entry.value:
        raise ValueError(f"must be a model's name, folder or URL, not {entry.plain!r}")
    return entry.value


def _check_names(axes: Axes, content: Mapping[str, Entry]) -> None:
    taken: set[tuple[str, int | None]] = set()
    for method in axes.methods:
        for budget in method.budgets or axes.budgets or (None,):
            if (method.name, budget) in taken:
                at = "" if budget is None else f" at N = {budget}"
                words = f"strategy: two are {method.name!r}{at}; `as: NAME` tells them apart"
                raise RecipeError(content["strategy"].source, words)
            taken.add((method.name, budget))


def _written(method: Method) -> str | dict[str, Any]:
    if method == Method(method.strategy, method.strategy):
        return method.strategy
    said: dict[str, Any] = {"strategy": method.strategy, "as": method.name}
    if method.budgets:
        said["budget"] = list(method.budgets)
    if method.params:
        said["params"] = dict(method.params)
    return said
