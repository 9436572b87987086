"""Which family reads a PRM, and a verifier for it.

A model says so itself by an entry in its config.json:

    "sal_prm": {"family": "step-token", "tag": "ки", "good": "+", "bad": "-", "aggregate": "last"}

(`family` is required, `aggregate` the family's by default, the rest are that family's settings), or
it is known by its name or its architecture, or the user names the family, with settings or without:
`step-token` or `step-token:tag=ки,good=+`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sal.runtime.model_files import is_url, model_file
from sal.verifiers.contract import (
    Family,
    Prm,
    PrmEndpoint,
    PrmSpec,
    UnknownFamily,
    UnservedFamily,
)
from sal.verifiers.interface import Verifier
from sal.verifiers.registry import families, family_names, find_family
from sal.verifiers.unserved import unserved

__all__ = ["PrmSpec", "UnknownFamily", "UnservedFamily"]


def named_family(said: str) -> tuple[Family, dict[str, Any]]:
    """What `--prm-family` says: a family, and settings (`NAME:key=value,key=value`).

    A value that is JSON (a number, true) is one; in another `\\n` is a line break. Raises
    ValueError.
    """
    name, _, rest = said.partition(":")
    family = find_family(name)
    settings: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in {"aggregate", *family.option_names}:
            known = ", ".join(sorted(family.option_names)) or "none"
            raise ValueError(f"{part!r} is no setting of the PRM family {name} (it has: {known})")
        try:
            settings[key] = json.loads(value)
        except ValueError:
            settings[key] = value.replace("\\n", "\n")  # as a shell hands over a line break
    return family, settings


def choose(model: str, config: Mapping[str, Any], family: str | None = None) -> PrmSpec:
    """The spec of a model by its name and its config.json; `family` overrules both.

    What it cannot overrule is an architecture that the family cannot read. Raises UnservedFamily,
    UnknownFamily, or ValueError when the model's `sal_prm` entry or `family` is malformed.
    """
    chosen, said = named_family(family) if family is not None else (None, {})
    own = config.get("sal_prm")
    try:
        if own is not None:
            if not isinstance(own, Mapping):
                raise TypeError(f"must be an object, not {own!r}")
            stated = own["family"]
            chosen = chosen or find_family(stated)
            known = {"aggregate", *chosen.option_names} if chosen.name == stated else set()
            said = {k: v for k, v in own.items() if k in known} | said
        if chosen is None:
            chosen = _recognised(model, config)
        if what := chosen.unfit(config):
            raise UnservedFamily(f"{model} is {what}; the family {chosen.name} cannot read it")
        aggregate = said.pop("aggregate", None)
        if aggregate is not None and not (isinstance(aggregate, str) and aggregate):
            raise ValueError("aggregate must be a text that is not empty")
        return PrmSpec(chosen, chosen.options(said), aggregate)
    except (UnknownFamily, UnservedFamily):
        raise
    except (TypeError, KeyError, ValueError) as wrong:
        where = f"the sal_prm entry in {model}'s config.json" if own is not None else model
        raise ValueError(f"{where}: {wrong}") from wrong


def _recognised(model: str, config: Mapping[str, Any]) -> Family:
    known, broken = families()
    for family in known:
        if family.recognises(model, config):
            return family
    if what := unserved(model, config):
        raise UnservedFamily(f"{model} is {what}; sal does not serve this family")
    also = "".join(f" ({reason})" for reason in broken)
    raise UnknownFamily(
        f"cannot tell what format the PRM {model} speaks; "
        f"say it with --prm-family ({' or '.join(family_names())}){also}"
    )


def read_config(model: str) -> dict[str, Any]:
    """The config.json in a folder, in the Hub's cache or, if it must be, on the Hub; or {}."""
    path = None if is_url(model) else model_file(model, "config.json")
    loaded = json.loads(path.read_text("utf-8")) if path else {}
    return loaded if isinstance(loaded, dict) else {}


def look_up(model: str, family: str | None = None) -> PrmSpec:
    """`choose` by the model's own config.json."""
    return choose(model, read_config(model), family)


def served_model(info: Mapping[str, Any]) -> str:
    """The folder or name that holds a server's tokenizer and config.json; `info` is its reply."""
    return str(info.get("tokenizer_path") or info["model_path"])


def describe(engine: Any, family: str | None = None) -> dict[str, Any]:
    """What an endpoint says of its model, asked as the family that is named asks.

    Raises EndpointError, or ValueError for a family that is none.
    """
    if family is not None:
        chosen, settings = named_family(family)
        return chosen.describe(engine, settings)
    said: dict[str, Any] = engine.info()
    return said


def load_verifier(
    engine: PrmEndpoint | None, model: str | None = None, family: str | None = None
) -> Verifier:
    """A verifier on the PRM behind `engine`; None for a PRM that has no endpoint.

    `model` is a folder or a Hub name that holds its tokenizer and config.json; None asks the
    endpoint which model it serves. Raises UnservedFamily, UnknownFamily, ValueError when there is
    no tokenizer or it does not fit the family, EndpointError.
    """
    if model is None:
        if engine is None:
            raise ValueError("a PRM without an endpoint needs a name")
        model = served_model(describe(engine, family))
    config = read_config(model)
    spec = choose(model, config, family)
    return spec.family.build(Prm(model, config, spec.options, engine, spec.own_aggregate[0]))
