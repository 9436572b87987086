"""What a recipe comes to, key by key, and who says so; without data set, model or server."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from inspect import get_annotations
from typing import Any

import yaml

from sal.runs.aggregate import settle_aggregate
from sal.runs.preset_data import TOLD_BY_PRESETS, filled_in
from sal.runs.recipe import Readable, listed
from sal.runs.recipe_file import SETTINGS, Loaded
from sal.runs.registry import find_strategy
from sal.runs.settings import SYSTEM_PROMPT, UNSAID, default_names
from sal.runtime.default_models import default_models
from sal.runtime.model_files import is_url, local_folder
from sal.verifiers.family import PrmSpec, choose

_TOLD = {
    "split": "found in the data set",
    "question_field": "found in the data set",
    "answer_field": "found in the data set",
    "prm_family": "told by the PRM's name or its config",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A key of a recipe, behind `params.` a strategy's; `source` tells who says its value."""

    key: str
    value: Any
    source: str


def resolved(loaded: Loaded, *, gpu: bool) -> list[Line]:
    """Every key of a recipe whose strategy is known, as a run on this hardware would have it.

    None is also the value of what only the data set or the PRM's server tells.
    """
    filled, preset = filled_in(loaded.settings, default_names(gpu=gpu)["dataset"])
    told = {} if preset is None else {name: getattr(filled, name) for name in TOLD_BY_PRESETS}
    source = f"the preset {preset.name}" if preset else ""
    lines = [_setting(loaded, name, told.get(name), source, gpu=gpu) for name in SETTINGS]
    prm = next(line.value for line in lines if line.key == "prm")
    return lines + list(_params(loaded, prm))


def _setting(loaded: Loaded, name: str, preset: str | None, whose: str, *, gpu: bool) -> Line:
    """`preset` is what a preset says, and `whose` which one."""
    settings, defaults = loaded.settings, default_names(gpu=gpu)
    said = getattr(settings, name)
    value = UNSAID.get(name) if said is None else said
    if name in loaded.sources and value is not None:
        return Line(name, value, loaded.sources[name])
    if said is None and preset is not None:
        return Line(name, preset, whose)
    if name == "prm" and not find_strategy(settings.strategy).program.needs_prm:
        return Line(name, None, f"{settings.strategy} needs none")
    if name in defaults:
        here = "with a GPU" if gpu else "without a GPU"
        return Line(name, defaults[name], f"default {here}")
    if name == "system_prompt":
        return Line(name, SYSTEM_PROMPT, "default")
    return Line(name, value, _TOLD.get(name, "default"))


def _params(loaded: Loaded, prm: str | None) -> Iterator[Line]:
    settings = loaded.settings
    given = find_strategy(settings.strategy).params(settings.params)
    params, why = settle_aggregate(given, settings.params, lambda: _spec(prm, settings.prm_family))
    for name, value in asdict(params).items():
        source = loaded.sources.get(f"params.{name}", "")
        because = why.partition("(")[2].removesuffix(")") if name == "aggregate" else ""
        if name == "aggregate" and given.aggregate is None:
            source = because
        elif not source:
            whose = f" ({because})" if because else ""
            source = f"default of {_defining(type(params), name)}{whose}"
        yield Line(f"params.{name}", value, source)


def _spec(prm: str | None, family: str | None) -> PrmSpec | None:
    """What is known of a PRM without a look at the Hub or at its server."""
    if prm is None or is_url(prm):
        return None
    try:
        model = default_models(None, prm)[1] or prm
        folder = local_folder(model)
        config = json.loads((folder / "config.json").read_text("utf-8")) if folder else {}
        return choose(model, config, family)
    except (OSError, ValueError):
        return None


def _defining(cls: type, name: str) -> str:
    """The module whose class gives a field its default: its docstring has the source."""
    owner = next(c for c in cls.__mro__ if name in get_annotations(c))
    return owner.__module__


def as_yaml(lines: Sequence[Line]) -> str:
    """A recipe file that says all of it, with the sources as comments."""
    settings = [line for line in lines if not line.key.startswith("params.")]
    params = [line for line in lines if line.key.startswith("params.")]
    text = "".join(_commented(line.key, line) for line in settings)
    inner = "".join(_commented(line.key.removeprefix("params."), line) for line in params)
    rows = inner.removesuffix("\n").split("\n")
    return text + "params:\n" + "".join(f"  {row}\n" if row else "\n" for row in rows)


def _commented(name: str, line: Line) -> str:
    value = listed(line.value)
    if isinstance(value, list):
        text = f"{name}: {_dumped(value, flow=True)}"
    else:
        text = _dumped({name: value}, flow=False)
    first, _, rest = text.partition("\n")
    return f"{first}  # {' '.join(line.source.split())}\n{rest}"


def _dumped(value: Any, *, flow: bool) -> str:
    return yaml.dump(
        value, Dumper=Readable, allow_unicode=True, default_flow_style=flow, width=math.inf
    )


def as_json(lines: Sequence[Line]) -> dict[str, dict[str, Any]]:
    """`{key: {"value": ..., "source": ...}}`."""
    return {line.key: {"value": listed(line.value), "source": line.source} for line in lines}
