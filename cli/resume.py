"""Going on with a run: what its folder says of it, and the command that does it."""

from __future__ import annotations

import shlex
from pathlib import Path

from sal.runs.folder import recipe_of
from sal.runs.settings import Settings, continued


def resume_command(folder: Path, *flags: str) -> str:
    """The recipe says all the rest."""
    return shlex.join(["sal", "run", "--resume", str(folder), *flags])


def resumed(said: Settings, folder: Path) -> Settings:
    """The settings of the run in `folder`, and what was `said` beside; `said` where there is none.

    Raises `FolderError` for a recipe that cannot be read.
    """
    recipe = recipe_of(folder)
    return said if recipe is None else continued(recipe, said)
