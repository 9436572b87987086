"""What `sal learn label` does: rollouts, the judge, the files."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sal.cli.said import access_said, settings_said

if TYPE_CHECKING:
    from sal.learn.labelled import Labelled
    from sal.runs.recipe import Recipe
    from sal.runtime.usage import Usage

LABELLER = "step-rollouts"


def check_new(folder: Path, data: str) -> None:
    """A folder that holds the file `data`, or a run, is not written into by others."""
    from sal.runs.errors import FolderError

    for name in (data, "recipe.yaml"):
        if (folder / name).exists():
            raise FolderError(f"{folder}: holds {name} already; give another --out")


def roll_out(
    context: typer.Context,
    folder: Path,
    resume: Path | None,
    asked: Mapping[str, Any],
    flags: Mapping[str, Any],
    began: float,
) -> int:
    """The run whose traces hold the rollouts; its exit code."""
    from dataclasses import replace

    from sal.cli.resume import resumed, secrets_of
    from sal.cli.search import Options, search
    from sal.runs.errors import RunError
    from sal.runtime.hardware import detect

    said = settings_said(flags)
    params = {name: value for name, value in asked.items() if value is not None}
    said = replace(said, params={**said.params, **params})
    settings = said if resume is None else resumed(said, resume)
    if settings.strategy not in ("", LABELLER):
        raise RunError(
            f"{resume}: holds a run of {settings.strategy}; for its labels name it alone"
        )
    if not settings.strategy:
        settings = replace(settings, strategy=LABELLER)
        if settings.dataset is None and detect().gpus:
            raise RunError("say which problems: --dataset, and a --split that is no benchmark")
        if settings.dataset in (None, "tiny") and settings.split is None:
            settings = replace(settings, split="train")
    chosen = Options(
        out=None if resume else folder,
        resume=resume,
        retry_failed=flags["retry_failed"],
        push_to_hub=None,
        dry_run=flags["dry_run"],
        display=flags["display"],
        json=False,
        said=settings if resume is None else said,
        access=access_said(flags),
        secrets=secrets_of(context),
        command="learn label",
    )
    return search(settings, chosen, began)


def with_judge(
    labelled: Labelled, folder: Path, url: str, family: str, key: str | None
) -> tuple[Labelled, Usage]:
    """With the second opinion, and what it cost."""
    from sal.learn.consensus import Judging, judged
    from sal.runs.errors import RunError
    from sal.runtime.access import AccessError, read_access
    from sal.runtime.client import Engine
    from sal.runtime.usage import Usage
    from sal.verifiers.family import load_verifier

    seen = Judging(0, 0, Usage())
    shown = time.monotonic()

    def tick(now: Judging) -> None:
        nonlocal seen, shown
        seen = now
        if now.done == now.total or time.monotonic() - shown > 10:
            shown = time.monotonic()
            tokens = now.usage.completion_tokens
            print(f"judge: {now.done} of {now.total} solutions, {tokens} tokens", file=sys.stderr)

    try:
        with Engine(url, read_access("judge", key, None)) as engine:
            verifier = load_verifier(engine, None, family)
            name = f"{getattr(verifier, 'model', url)} as {family}"
            found = judged(labelled, verifier, name, folder, tick=tick, abort=engine.close)
            return found, seen.usage
    except KeyboardInterrupt:
        print("sal: interrupted; the same command goes on from here", file=sys.stderr)
        raise
    except (ValueError, AccessError) as error:
        raise RunError(f"--judge {url}: {' '.join(str(error).split())}") from error


def write(
    labelled: Labelled,
    sources: list[str],
    spent: Mapping[str, Usage],
    folder: Path,
    recipe: Recipe | None,
) -> None:
    """The files, and the figures on stdout. Raises `LabelError` where no row is left."""
    from sal.learn.card import figures, write_card
    from sal.learn.errors import LabelError
    from sal.learn.files import write_labels
    from sal.runs.export.markdown import table

    if not labelled.rows:
        left_out = ", ".join(f"{n} {what}" for what, n in labelled.dropped.items())
        raise LabelError(f"no labels: left out are {left_out or 'none'}")
    write_labels(labelled.rows, folder)
    write_card(labelled, sources, spent, folder, recipe)
    print(f"\n{table(figures(labelled, spent) | {'folder': str(folder)}, 'labels')}")
