"""A recipe file: settings of a run with the place of each, from files, variables and words.

A file is a mapping of the fields of `Settings`; the strategy's parameters stand in `params`, or
beside the fields where no field has their name. `base` names a file, relative to this one, whose
keys hold where this one has none. A run's own `recipe.yaml` is a recipe file, too: what it records
of the run is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sal.grading.names import GraderError, check_name
from sal.runs.errors import RunError
from sal.runs.recipe import Recipe
from sal.runs.recipe_schema import checked, choice, hints, nearest
from sal.runs.recipe_yaml import Entry, RecipeError, read_file, read_value
from sal.runs.registry import STRATEGIES, find_strategy, summaries
from sal.runs.settings import UNSAID, Settings
from sal.runtime.model_files import is_url
from sal.verifiers.family import UnknownFamily, choose, named_family
from sal.verifiers.registry import family_names

SETTINGS = tuple(f.name for f in fields(Settings) if f.name != "params")
RECORDS = {f.name for f in fields(Recipe)} - {*SETTINGS, "params"} | {"digest"}
"""What a run writes into its recipe.yaml beside what it was told."""

Keys = dict[str, Entry]
"""By name: a field of `Settings`, `params.NAME` or `sweep.NAME`."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a recipe comes to. `sources` has the place of every key that was said.

    `sweep` is what stands under that key, each value with its place; None where nothing does. With
    it the strategy may be open ("") and the parameters are those of any strategy. `settings` holds
    only what differs from the defaults.
    """

    settings: Settings
    sources: Mapping[str, str]
    sweep: Mapping[str, Entry] | None


def load(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    variables: Mapping[str, Entry] | None = None,
    flags: Mapping[str, Entry] | None = None,
) -> Loaded:
    """Read a recipe; `overrides` are `key=value`.

    Files are overruled by `variables` of the environment, these by `overrides` and `flags`, which
    must not say the same key. Raises `RecipeError`, which names the place, the key and the nearest
    valid word. Data sets and models are not looked at.
    """
    flags = flags or {}
    said = _words(overrides)
    for key in said.keys() & flags.keys():
        raise RecipeError(key, f"said twice, by {flags[key].source} and by {said[key].source}")
    keys = {**_chain(path), **(variables or {}), **said, **flags}
    sweep = {key[6:]: keys.pop(key) for key in list(keys) if key.startswith("sweep.")}
    values = {name: _setting(name, keys[name]) for name in SETTINGS if name in keys}
    strategy = values.pop("strategy", None) or ""
    params = _params(keys, strategy if not sweep else "")
    _served(values.get("prm"), values.get("prm_family"), keys)
    different = {name: v for name, v in values.items() if v is not None and v != UNSAID.get(name)}
    return Loaded(
        Settings(strategy=strategy, params=params, **different),
        {key: entry.source for key, entry in keys.items()},
        sweep or None,
    )


def _words(overrides: Iterable[str]) -> Keys:
    found: Keys = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise RecipeError(repr(text), "a key=value is wanted, as in params.width=2")
        key = name.replace("-", "_")
        section, _, rest = key.partition(".")
        if section not in ("params", "sweep") or not rest:
            key = key if key in SETTINGS else f"params.{key}"
        if "." in key.removeprefix("params.").removeprefix("sweep.") or key == "params.params":
            raise RecipeError(text, f"unknown key {name!r}")
        if key in found:
            raise RecipeError(key, f"said twice, by {found[key].source} and by {text}")
        found[key] = read_value(value, text)
    return found


def _chain(path: Path) -> Keys:
    """A file's keys over those of its base, and so on."""
    files: list[Keys] = []
    seen: list[Path] = []
    base: Entry | None = None
    while not files or base is not None:
        if base is not None:
            if not isinstance(base.value, str) or not base.value:
                raise RecipeError(base.source, "base: must be the name of a file")
            path = path.parent / base.value
        try:
            content = read_file(path)
        except RecipeError as error:
            if base is None or not isinstance(error.__cause__, OSError):
                raise
            raise RecipeError(base.source, f"base: {error}") from error
        if base is not None and path.resolve() in seen:
            raise RecipeError(base.source, f"base: {path} is based on this file itself")
        seen.append(path.resolve())
        base = content.pop("base", None)
        files.append(_keys(content))
    merged: Keys = {}
    for keys in reversed(files):
        merged |= keys
    return merged


def _keys(content: Mapping[str, Entry]) -> Keys:
    """The keys of one file by their names in `Loaded.sources`."""
    own = "digest" in content
    found: Keys = {}
    for name, entry in content.items():
        if name in ("params", "sweep"):
            if not isinstance(entry.value, dict):
                raise RecipeError(entry.source, f"{name}: must be a mapping of names to values")
            inner = {f"{name}.{key}": item for key, item in entry.value.items()}
        elif own and name in RECORDS:
            continue
        else:
            inner = {name if name in SETTINGS else f"params.{name}": entry}
        for key, item in inner.items():
            if key in found:
                both = f"here and in {found[key].source}"
                raise RecipeError(item.source, f"{key.partition('.')[2]}: stands twice, {both}")
            found[key] = item
    return found


def _setting(name: str, entry: Entry) -> Any:
    value = entry.plain
    try:
        if name == "system_prompt" and value is None:
            return ""  # as a run records that there was none
        if value is not None and name == "strategy":
            return choice(value, summaries())
        if value is not None and name == "prm_family":
            return _family(value)
        if value is not None and name == "grader":
            check_name(str(value))
        value = checked(name, value, hints(Settings).get(name, Any) if value is not None else Any)
    except (ValueError, GraderError) as error:
        raise RecipeError(entry.source, f"{name}: {error}") from error
    if name == "ns" and value is not None:
        return tuple(sorted(set(value)))
    if name == "max_problem_seconds" and value is not None and value <= 0:
        raise RecipeError(entry.source, f"{name}: must be a number above 0, not {value:g}")
    return value


def _params(keys: Keys, strategy: str) -> dict[str, Any]:
    """Those that differ from the strategy's defaults; of no strategy, all."""
    given = {k.removeprefix("params."): entry for k, entry in keys.items() if k[:7] == "params."}
    if not strategy:
        classes = [s.program.params_class for s in STRATEGIES.values()] if given else []
        known = {f.name for cls in classes for f in fields(cls)}
        for name, entry in given.items():
            if name not in known:
                raise _unknown(name, entry, known)
        return {name: entry.plain for name, entry in given.items()}
    try:
        found = find_strategy(strategy)
        cls = found.program.params_class
    except RunError as error:
        raise RecipeError(keys["strategy"].source, f"strategy: {error}") from error
    annotations, defaults = hints(cls), {f.name: f.default for f in fields(cls)}
    values: dict[str, Any] = {}
    for name, entry in given.items():
        if name not in defaults:
            raise _unknown(name, entry, defaults, strategy)
        try:
            values[name] = checked(name, entry.plain, annotations.get(name, Any))
        except ValueError as error:
            raise RecipeError(entry.source, f"{name}: {error}") from error
    try:
        found.params(values)
    except (RunError, TypeError, ValueError) as error:
        raise _refused(str(error), given, keys) from error
    return {name: v for name, v in values.items() if v != defaults[name]}


def _unknown(name: str, entry: Entry, params: Iterable[str], strategy: str = "") -> RecipeError:
    takers = [n for n, s in STRATEGIES.items() if name in _names(s.program.params_class)]
    if strategy and takers:
        return RecipeError(
            entry.source, f"{name}: {strategy} does not take it; {', '.join(takers)} do"
        )
    hint = nearest(name, [*SETTINGS, *params, "params", "base", "sweep"])
    return RecipeError(entry.source, f"unknown key {name!r}{hint}")


def _names(cls: type) -> set[str]:
    return {f.name for f in fields(cls)}


def _refused(message: str, given: Mapping[str, Entry], keys: Keys) -> RecipeError:
    """At the first key of which the message speaks; else at the strategy's."""
    words = [*re.findall(r"\w+", message), ""]
    at = next((given[word] for word in words if word in given), keys["strategy"])
    if words[0] in given:
        message = message.replace(words[0], f"{words[0]}:", 1)
    return RecipeError(at.source, message)


def _family(value: Any) -> str:
    """`NAME` or `NAME:key=value,...`; raises ValueError with what is wrong."""
    name, _, settings = str(value).partition(":")
    choice(name if isinstance(value, str) else value, family_names())
    if settings:
        named_family(value)
    return str(value)


def _served(prm: str | None, family: str | None, keys: Keys) -> None:
    """Refuse a PRM of which its name alone tells that it is not served."""
    try:
        if prm and family is None and not is_url(prm) and not Path(prm).is_dir():
            choose(prm, {})
    except UnknownFamily:
        pass
    except ValueError as error:
        raise RecipeError(keys["prm"].source, f"prm: {error}") from error
