"""Going on with a run: what its folder says of it, and the command that does it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import typer

from sal.runs.folder import recipe_of
from sal.runs.settings import Settings, continued

_SECRET = ("policy_key", "prm_key", "policy_header", "prm_header")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What no recipe holds: flags that name the file of a key or header, and those `withheld`."""

    flags: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


def secrets_of(context: typer.Context) -> Secrets:
    """Those that were given as flags: what the environment holds, it holds still."""
    flags: list[str] = []
    withheld: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name not in _SECRET or source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        said = value if isinstance(value, list | tuple) else [value]
        files = [item for item in said if item.startswith("@")]
        flags += [word for item in files for word in (parameter.opts[0], item)]
        if len(files) < len(said):
            withheld.append(parameter.opts[0])
    return Secrets(tuple(flags), tuple(withheld))


def resume_command(
    folder: Path, *flags: str, command: str = "run", secrets: Secrets | None = None
) -> str:
    """The command that goes on with a run, or with what another `command` began.

    The folder says all the rest, but for secrets: a line below names those not repeated.
    """
    kept = secrets or Secrets()
    line = shlex.join(["sal", *command.split(), "--resume", str(folder), *kept.flags, *flags])
    withheld = " and ".join(kept.withheld)
    return f"{line}\n  and {withheld} as before" if withheld else line


def resumed(said: Settings, folder: Path) -> Settings:
    """The settings of the run in `folder`, and what was `said` beside; `said` where there is none.

    Raises `FolderError` for a recipe that cannot be read.
    """
    recipe = recipe_of(folder)
    return said if recipe is None else continued(recipe, said)
