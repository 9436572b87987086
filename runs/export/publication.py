"""What a push sends of a run: its files, made in a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sal.runs.errors import RunError
from sal.runs.export.card import recipe_text, run_card
from sal.runs.export.files import write_parquet
from sal.runs.export.names import run_name
from sal.runs.found import FoundRun


@dataclass(frozen=True, slots=True)
class Publication:
    """A run's `revision`, and the folder whose files are to be in it."""

    revision: str
    title: str
    folder: Path

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())


def publish(run: FoundRun, repo: str, work: Path, *, traces: bool = False) -> Publication:
    """Write the files into a new folder in `work`; the same rows make the same bytes.

    Raises `RunError` where a run of the same name is there, and OSError.
    """
    revision = run_name(run.recipe)
    folder = work / revision
    try:
        folder.mkdir()
    except FileExistsError:
        raise RunError(f"{run.path}: another run of the same recipe is pushed with it") from None
    write_parquet(run, folder / "results.parquet", traces=traces)
    (folder / "README.md").write_text(run_card(run, repo, revision), encoding="utf-8")
    (folder / "recipe.yaml").write_text(recipe_text(run.recipe), encoding="utf-8")
    summary = json.dumps(run.summary().as_json(), indent=2)
    (folder / "summary.json").write_text(summary + "\n", encoding="utf-8")
    return Publication(revision, f"{run.recipe.strategy}, N = {run.budget}", folder)
