"""`sal recipe`: look at recipe files; nothing is started, no data set and no model is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sal.runs.recipe_file import Loaded

app = typer.Typer(
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_CHECK_EXAMPLE = "[bold]Example[/bold]\n\nsal recipe check recipes/tiny/*.yaml"
_SHOW_EXAMPLE = "[bold]Example[/bold]\n\nsal recipe show recipes/tiny/dvts.yaml params.width=2"


@app.command(epilog=_CHECK_EXAMPLE)
def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Recipe files.", show_default=False)
    ],
) -> int:
    """Say of each file whether it is a recipe, or what is wrong with it and where.

    Data sets and models are not looked at. Ends with 2 if a file is wrong.
    """
    from sal.runs.recipe_file import load
    from sal.runs.recipe_yaml import RecipeError
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()  # before a program is imported
    wrong = False
    for file in files:
        try:
            print(f"{file}: ok, {_in_words(load(file))}")
        except RecipeError as error:
            wrong = True
            print(error)
    return 2 if wrong else 0


def _in_words(loaded: Loaded) -> str:
    """What it is; raises `RecipeError` for a sweep that is none."""
    from sal.runs.registry import find_strategy
    from sal.runs.sweep.axes import read_axes

    settings = loaded.settings
    if loaded.sweep is not None:
        read_axes(loaded.sweep)
        return f"a sweep over {', '.join(loaded.sweep)}"
    if not settings.strategy:
        return "names no strategy: a base of other recipes"
    budget = getattr(find_strategy(settings.strategy).params(settings.params), "budget", None)
    return settings.strategy if budget is None else f"{settings.strategy}, N = {budget}"


@app.command(epilog=_SHOW_EXAMPLE)
def show(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A recipe file.", show_default=False)
    ],
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Changes to it.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON in place of YAML.")] = False,
) -> None:
    """Print every setting that a run with FILE has here, and who says so.

    What is printed is a recipe file, too.
    """
    import json as json_format

    from sal.runs.recipe_file import load
    from sal.runs.recipe_shown import as_json, as_yaml, resolved
    from sal.runs.recipe_yaml import RecipeError
    from sal.runtime.frontend.light import use_light_frontend
    from sal.runtime.hardware import detect

    use_light_frontend()  # before a program is imported
    loaded = load(file, changes or ())
    if loaded.sweep is not None or not loaded.settings.strategy:
        raise RecipeError(file, f"cannot be shown as one run: {_in_words(loaded)}")
    lines = resolved(loaded, gpu=bool(detect().gpus))
    print(json_format.dumps(as_json(lines), indent=2) if json else as_yaml(lines), end="\n" * json)
