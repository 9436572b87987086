"""What `sal learn distill` does: examples into a folder, or into a policy."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sal.cli.interrupt import Interrupt
from sal.cli.said import parameters_said

if TYPE_CHECKING:
    from sal.learn.distill.examples import Example
    from sal.learn.distill.settings import DistillSettings
    from sal.learn.labelled import Gathered


def settings_said(recipe: Path | None, words: list[str], **flags: Any) -> DistillSettings:
    """What the flags say, above what the recipe does; `words` are NAME=VALUE."""
    from sal.learn.distill.settings import DistillSettings, read_recipe

    told = {} if recipe is None else read_recipe(recipe)
    told["set"] = {**told.get("set", {}), **parameters_said(words)}
    return DistillSettings(**(told | {name: v for name, v in flags.items() if v is not None}))


def write(gathered: Gathered[Example], settings: DistillSettings, out: Path) -> None:
    """The files, and the figures on stdout; raises `FolderError` for a folder that holds some."""
    from sal.cli.labelling import check_new
    from sal.learn.distill.card import figures, write_card
    from sal.learn.distill.files import PARQUET, write_examples
    from sal.runs.export.markdown import table

    check_new(out, PARQUET)
    write_examples(gathered.rows, settings.method, out)
    write_card(gathered, settings.method, settings.sources, out)
    told = figures(gathered, settings.method) | {"folder": str(out)}
    print(f"\n{table(told, settings.method)}")


def teach(gathered: Gathered[Example], settings: DistillSettings, base: str, out: Path) -> int:
    """Train, or go on; the exit code. The last figures are on stdout."""
    from sal.learn.distill.card import figures
    from sal.learn.distill.train import plan, train
    from sal.learn.model_card import ModelCard

    planned = plan(settings, base, gathered.rows)
    say = _say if os.environ.get("RANK", "0") == "0" else lambda _: None  # one of many processes
    gathered.dropped += planned.rendered.dropped
    left = "".join(f", {n:,} {why}" for why, n in sorted(gathered.dropped.items()))
    rows, tokens = len(planned.rendered.rows), planned.rendered.tokens
    say(f"{settings.method}: {rows:,} examples, {tokens:,} tokens{left}")
    with Interrupt() as interrupt, interrupt.deferred():
        came_to = train(planned, out, say, lambda: interrupt.asked)
    if came_to is None:
        say("interrupted: a checkpoint is kept, and the same command goes on")
        return interrupt.exit_code
    if say is _say:
        ModelCard(
            title=f"A policy that learned from searches ({settings.method.upper()})",
            tags=[settings.method, "trl"],
            base=base,
            sources=settings.sources,
            data=figures(gathered, settings.method) | {"taught": f"{rows:,}, of {tokens:,} tokens"},
            training=planned.told,
            figures=came_to,
            use="sal run dvts --policy MODEL",
        ).write(out)
        print(json.dumps(came_to))
    say(f"{out}: sal run STRATEGY --policy {out}")
    return 0


def _say(text: str) -> None:
    typer.echo(text, err=True)
