"""`sal sweep`: a grid of runs as one resumable thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sal.cli import options
from sal.cli.run import run
from sal.cli.said import (
    access_said,
    check_folders,
    settings_said,
    whole_numbers,
    with_flags_of,
)

if TYPE_CHECKING:
    from sal.runs.recipe_yaml import Entry
    from sal.runs.settings import Settings
    from sal.runs.sweep.folder import Grid

EPILOG = """[bold]Examples[/bold]

sal sweep --strategies best-of-n,beam,dvts --budgets 4,16,64 --seeds 0,1

sal sweep --strategies best-of-n --budgets 16 --vary aggregate=last,min,prod,mean --limit 50

sal sweep -c recipes/compare-tiny.yaml --out runs-out/mine limit=20

sal sweep --resume runs-out/mine

sal sweep --resume runs-out/mine --budgets 4,16,64,256

sal sweep -c recipes/compare-tiny.yaml --dry-run
"""

GRID = "The grid"

Strategies = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME,...",
        help="Strategies, as of sal run.",
        envvar="SAL_STRATEGIES",
        rich_help_panel=GRID,
    ),
]
Budgets = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,...",
        help="Budgets. A strategy that takes no N is searched once.",
        envvar="SAL_BUDGETS",
        rich_help_panel=GRID,
    ),
]
Policies = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL,MODEL,...",
        help="Policies, served one after the other.",
        envvar="SAL_POLICIES",
        rich_help_panel=GRID,
    ),
]
Prms = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL,MODEL,...",
        help="PRMs. A strategy that needs none is searched once.",
        envvar="SAL_PRMS",
        rich_help_panel=GRID,
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="SEED,SEED,...",
        help="Seeds, which are pooled in the tables.",
        envvar="SAL_SEEDS",
        rich_help_panel=GRID,
    ),
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE,VALUE,...",
        help="Values of any parameter, for the strategies that take it; may be given again.",
        envvar="SAL_VARY",
        rich_help_panel=GRID,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="A new folder for the sweep; runs-out/sweep-DATASET-TIME by default.",
        envvar="SAL_OUT",
        rich_help_panel=options.RUN,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        help="Go on with the sweep in this folder, or add cells to it; or start it there.",
        envvar="SAL_RESUME",
        rich_help_panel=options.RUN,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print compare.json on stdout instead of the tables.",
        envvar="SAL_JSON",
        rich_help_panel=options.RUN,
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Changes to the recipe of -c: limit=20 sweep.budget=[4,16].",
        show_default=False,
    ),
]


@with_flags_of(run, without=["strategy", "budget", "ns", "shard", "push_to_hub"])
def sweep(
    context: typer.Context,
    changes: Changes = None,
    recipe: options.Recipe = None,
    strategies: Strategies = None,
    budgets: Budgets = None,
    policies: Policies = None,
    prms: Prms = None,
    seeds: Seeds = None,
    vary: Vary = None,
    out: Out = None,
    resume: Resume = None,
    json: Json = False,
    **flags: Any,
) -> int:
    """Search a grid: every strategy at every budget, with all policies, PRMs, seeds and parameters.

    All cells share servers, and what one has asked no other asks again. A sweep that goes on
    (--resume) needs no other word; with another grid, cells are added to it.
    """
    check_folders({**flags, "out": out, "resume": resume})
    from sal.cli.resume import secrets_of
    from sal.cli.sweeping import Options, sweep_all
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()  # before a program is imported: the whole of sglang takes 10 s
    access, said = access_said(flags), settings_said(flags)
    axes = {
        "strategy": _listed("--strategies", _words(strategies)),
        "budget": _listed("--budgets", whole_numbers("--budgets", budgets)),
        "policy": _listed("--policies", _words(policies)),
        "prm": _listed("--prms", _words(prms)),
        "seed": _listed("--seeds", whole_numbers("--seeds", seeds, least=0)),
    }
    given = {name: entry for name, entry in axes.items() if entry.value} | _varied(vary or ())
    file = recipe or _kept(resume)
    if file is None and changes:
        raise typer.BadParameter(f"{changes[0]} changes a recipe, and none is given with -c FILE")
    grid = _grid(context, file, changes or (), said, given)
    chosen = Options(
        out=out,
        resume=resume,
        retry_failed=flags["retry_failed"],
        dry_run=flags["dry_run"],
        display=flags["display"],
        json=json,
        access=access,
        secrets=secrets_of(context),
        ray=flags["ray"],
    )
    return sweep_all(grid, chosen)


def _grid(
    context: typer.Context,
    file: Path | None,
    changes: Sequence[str],
    said: Settings,
    axes: Mapping[str, Entry],
) -> Grid:
    """What the file and the flags come to. An axis replaces what a file has of it."""
    from sal.cli.recipe_settings import load_recipe
    from sal.runs.sweep.axes import read_axes
    from sal.runs.sweep.folder import Grid

    if file is None:
        return Grid(said, read_axes(axes))
    loaded = load_recipe(context, file, changes, said)
    base, swept = loaded.settings, {**(loaded.sweep or {}), **axes}
    for name in axes:
        parameter = "budget" if name == "budget" else name.removeprefix("params.")
        if name in ("policy", "prm", "seed", "strategy"):
            base = replace(base, **{name: getattr(said, name)})
        elif parameter not in said.params:
            params = {key: value for key, value in base.params.items() if key != parameter}
            base = replace(base, params=params)
    return Grid(base, read_axes(swept))


def _kept(folder: Path | None) -> Path | None:
    """The file of the sweep that goes on there."""
    file = None if folder is None else folder / "sweep.yaml"
    return file if file is not None and file.is_file() else None


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()] if text else []


def _listed(flag: str, values: Iterable[str | int]) -> Entry:
    from sal.runs.recipe_yaml import Entry

    return Entry([Entry(value, flag) for value in values], flag)


def _varied(given: Iterable[str]) -> dict[str, Entry]:
    """NAME=VALUE,VALUE: the axis of each parameter, its values read as YAML."""
    from sal.runs.recipe_yaml import read_value

    found: dict[str, Entry] = {}
    for text in given:
        name, equals, values = text.partition("=")
        axis = f"params.{name.replace('-', '_')}"
        if not name or not equals or axis in found:
            raise typer.BadParameter(f"--vary wants NAME=VALUE,VALUE, once a name, not {text!r}")
        found[axis] = read_value(f"[{values}]", f"--vary {name}")
    return found
