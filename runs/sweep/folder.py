"""A sweep's folder: `sweep.yaml`, and a run's folder for every cell."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import yaml

from sal.runs.errors import FolderError
from sal.runs.folder import write_atomically
from sal.runs.recipe import (
    Readable,
    Recipe,
    differences,
    installed_versions,
    listed,
    read_recipe,
)
from sal.runs.recipe_file import load
from sal.runs.settings import Settings
from sal.runs.sweep.axes import Axes, read_axes
from sal.runs.sweep.cells import Cell, plan_cells
from sal.runtime.access import Access
from sal.runtime.model_files import is_url
from sal.runtime.plan import Role

_FILE = "sweep.yaml"


@dataclass(frozen=True, slots=True)
class Grid:
    """What a sweep is: `base` at every point of `axes`."""

    base: Settings
    axes: Axes

    def cells(self, *, gpu: bool, access: Mapping[Role, Access] | None = None) -> list[Cell]:
        """See `plan_cells`."""
        return plan_cells(self.base, self.axes, gpu=gpu, access=access)


def grid_of(folder: Path) -> Grid | None:
    """The grid of the sweep in `folder`; None where there is none.

    Raises `RecipeError` for a sweep.yaml that cannot be read, and `FolderError` for a folder of
    something else.
    """
    if (folder / _FILE).is_file():
        loaded = load(folder / _FILE)
        return Grid(loaded.settings, read_axes(loaded.sweep or {}))
    if folder.is_dir() and any(item.name != ".lock" for item in folder.iterdir()):
        raise FolderError(f"{folder}: not empty, and holds no sweep")
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder}: not a folder")
    return None


def check_grown(there: Sequence[Cell], ours: Sequence[Cell], folder: Path) -> int:
    """How many cells `ours` adds to those that are `there`.

    Raises `FolderError` when it has not all of them, and names the keys that differ.
    """
    digests = {cell.prepared.recipe.digest for cell in ours}
    for cell in there:
        recipe = cell.prepared.recipe
        if recipe.digest not in digests:
            nearest = min((differences(recipe, c.prepared.recipe) for c in ours), key=len)
            raise FolderError(
                f"{folder}: cells may be added to a sweep, and none left out or changed: "
                f"{cell.name} is there and not here; these differ: {', '.join(nearest)}"
            )
    return len(digests) - len({cell.prepared.recipe.digest for cell in there})


def check_problems(folder: Path, cells: Sequence[Cell]) -> None:
    """Raises `FolderError` when the data set holds other problems than when the sweep began."""
    content = yaml.safe_load((folder / _FILE).read_text(encoding="utf-8"))
    problems = cells[0].prepared.problems
    if content.get("problems_digest") not in (None, problems.digest):
        raise FolderError(f"{folder}: {problems.dataset} holds other problems than at its start")


def moved_to(there: Grid, ours: Settings) -> Grid:
    """`there` at the addresses of `ours`: a server may come back at another port."""
    addresses: dict[str, Any] = {
        role: getattr(ours, role)
        for role in ("policy", "prm")
        if is_url(getattr(ours, role) or "") and is_url(getattr(there.base, role) or "")
    }
    return replace(there, base=replace(there.base, **addresses))


def places(folder: Path, cells: Sequence[Cell]) -> list[Path]:
    """The folder of each cell: the one that holds its run, else a new one of its name.

    Names say what varies, so a cell that was there before another axis was added keeps its own.
    """
    held: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*/recipe.yaml")):
        held.setdefault(read_recipe(path).digest, []).append(path.parent)
    found = []
    for cell in cells:
        own, same = folder / cell.name, held.get(cell.prepared.recipe.digest, [])
        found.append(own if own in same or not same else same[0])
    return found


class SweepFolder:
    """The folder of a sweep, for one process at a time; it is made where it is not there.

    Raises `FolderError` while another process sweeps there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = open(path / ".lock", "w")  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise FolderError(f"{path}: {error.strerror or error}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise FolderError(f"{path}: another sweep is writing there") from error

    def write(self, grid: Grid, cells: Sequence[Cell]) -> None:
        """Say in sweep.yaml what is swept, every default resolved; with versions and a digest."""
        content = _resolved(grid, cells)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        content |= {
            "digest": hashlib.sha256(canonical.encode()).hexdigest(),
            "versions": installed_versions(),
        }
        text = yaml.dump(content, Dumper=Readable, sort_keys=False, allow_unicode=True)
        write_atomically(self.path / _FILE, text.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()


_VARIED = {"strategy": "methods", "policy": "policies", "prm": "prms", "seed": "seeds"}


def _resolved(grid: Grid, cells: Sequence[Cell]) -> dict[str, Any]:
    """A recipe file of the sweep: what its cells have in common, and its axes."""
    recipes = [cell.prepared.recipe for cell in cells]
    whole = next((recipe for recipe in recipes if recipe.prm is not None), recipes[0])
    both = {f.name for f in fields(Settings)} & {f.name for f in fields(Recipe)}
    content: dict[str, Any] = {}
    for name in (f.name for f in fields(Recipe)):
        if name not in both or name in ("params", "strategy"):
            continue
        value = getattr(whole, name)
        if name not in _VARIED or not getattr(grid.axes, _VARIED[name]):
            content[name] = listed(value)
    if not grid.axes.methods:
        content["strategy"] = grid.base.strategy
    content["problems_digest"] = whole.problems_digest
    content["params"] = {name: listed(value) for name, value in grid.base.params.items()}
    content["sweep"] = grid.axes.as_mapping()
    return content
