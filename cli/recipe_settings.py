"""The settings of a run that is given a recipe file: the file's, overruled by what was typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import typer

from sal.runs.recipe_file import Loaded, load
from sal.runs.recipe_yaml import Entry, RecipeError
from sal.runs.settings import Settings

_OPTIONS = {"policy_args": "policy_arg", "prm_args": "prm_arg", "stop_strings": "stop"}
"""Names of options that differ from those of the settings."""


def with_recipe(
    context: typer.Context, path: Path, changes: Sequence[str], said: Settings
) -> Settings:
    """The recipe of one run: see `load_recipe`. Raises `RecipeError` for one of many runs."""
    loaded = load_recipe(context, path, changes, said)
    if loaded.sweep is not None:
        place = next(iter(loaded.sweep.values())).source
        raise RecipeError(place, f"sweep: is of many runs: sal sweep -c {path}")
    return loaded.settings


def load_recipe(
    context: typer.Context, path: Path, changes: Sequence[str], said: Settings
) -> Loaded:
    """The recipe with the `changes` to it, variables of the environment and flags.

    `said` are the latter two. Raises `RecipeError`.
    """
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()  # before a program is imported, which has the parameters
    nothing = Settings(strategy="", params={})
    values = {f"params.{name}": value for name, value in said.params.items()}
    for f in fields(Settings):
        value = getattr(said, f.name)
        if f.name != "params" and value != getattr(nothing, f.name):
            values[f.name] = value
    variables: dict[str, Entry] = {}
    flags: dict[str, Entry] = {}
    for key, value in values.items():
        source, from_variable = _source(context, key.removeprefix("params."))
        (variables if from_variable else flags)[key] = Entry(value, source)
    return load(path, changes, variables=variables, flags=flags)


def _source(context: typer.Context, name: str) -> tuple[str, bool]:
    """Which flag or variable said a key, and whether a variable did."""
    options = {parameter.name: parameter for parameter in context.command.params}
    for found in (_OPTIONS.get(name, name), "set_"):
        source = context.get_parameter_source(found) if found in options else None
        if source is not None and source.name == "ENVIRONMENT":
            return str(options[found].envvar), True
        if source is not None and source.name == "COMMANDLINE":
            return options[found].opts[0], False
    raise LookupError(name)
