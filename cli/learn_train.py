"""`sal learn train`: a PRM from step labels."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from sal.cli import options
from sal.cli.interrupt import Interrupt
from sal.cli.said import parameters_said

EPILOG = r"""[bold]Examples[/bold]

sal learn train labels --base Qwen/Qwen2.5-Math-1.5B-Instruct --family chat-turn --out prm

sal learn train labels --base smollm2 --family token-classifier --lora 16 --out prm

accelerate launch --config_file learn/gpus/fsdp.yaml $(which sal) learn train labels --base MODEL --out prm
"""  # noqa: E501


def train(
    labels: Annotated[
        list[str],
        typer.Argument(
            metavar="LABELS...", help="What sal learn label wrote, runs, or sets with step labels."
        ),
    ],
    base: Annotated[
        str, typer.Option(help="The model to begin with: a folder, a Hub name, smollm2 or tiny.")
    ],
    out: Annotated[Path, typer.Option(help="The PRM's folder; a training there goes on.")],
    family: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|NAME:key=value,...",
            help="What kind of PRM: a causal family (step-token, chat-turn, ...) or "
            "token-classifier. Its config tells by default, else step-token.",
        ),
    ] = None,
    targets: Annotated[
        Literal["hard", "soft", "progress"],
        typer.Option(
            help="hard: right or wrong. soft: the share of rollouts that end right. progress: "
            "whether that share holds from step to step."
        ),
    ] = "hard",
    right_above: Annotated[
        float, typer.Option(help="A step is right where its share or label is more than this.")
    ] = 0.0,
    after_error: Annotated[
        bool,
        typer.Option("--after-error", help="Learn from steps behind the first wrong one, too."),
    ] = False,
    held_out: Annotated[
        str,
        typer.Option(
            metavar="SHARE|LABELS",
            help="What to measure by: a share of the questions, or labelled solutions.",
        ),
    ] = "0.05",
    leave_out: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="SET",
            help="Learn nothing about the questions of a set that the PRM will be measured on, as "
            "sal learn bench names it; those of --held-out LABELS are left out anyway.",
        ),
    ] = None,
    epochs: Annotated[float, typer.Option(help="Passes over the labels.")] = 1.0,
    learning_rate: Annotated[
        float | None, typer.Option(help="Its peak; 1e-5 by default, 1e-4 with --lora.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Solutions per device and batch.")] = 8,
    max_length: Annotated[
        int, typer.Option(min=1, help="Tokens of a solution; steps behind are left out.")
    ] = 2048,
    lora: Annotated[
        int, typer.Option(metavar="RANK", min=0, help="Train a LoRA adapter; 0: all weights.")
    ] = 0,
    evaluate_every: Annotated[
        int,
        typer.Option(metavar="STEPS", min=0, help="Measure, and keep a checkpoint; 0: ten times."),
    ] = 0,
    patience: Annotated[
        int,
        typer.Option(min=0, help="Stop after so many evaluations that are no better; 0: never."),
    ] = 0,
    aggregate: Annotated[
        Literal["last", "min", "prod", "mean"] | None,
        typer.Option(
            help="How searches are to make one score of its step scores; last where it learned "
            "from rollouts, else min."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, the order and new weights.")] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A field of transformers.TrainingArguments: --set gradient_accumulation_steps=4.",
        ),
    ] = None,
    push_to_hub: options.PushLearned = None,
) -> int:
    """Train a PRM from the step labels in LABELS, and leave it in OUT, where --prm takes it.

    It learns from the very token ids that a search will send it. Stopped or killed, the same
    command goes on from the last checkpoint.
    """
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()
    from sal.cli.push import push_after
    from sal.learn.base import base_model
    from sal.learn.held_out import without
    from sal.learn.model_card import ModelCard
    from sal.learn.sources import labels_from, solutions_in
    from sal.learn.targets import Targets
    from sal.learn.train import TrainSettings, plan
    from sal.learn.train import train as train_prm
    from sal.runs.export.hub import check_push

    if push_to_hub is not None:
        check_push(push_to_hub)
    share, measured_by = _held_out(held_out)
    settings = TrainSettings(
        base=base_model(base),
        family=family,
        targets=Targets(targets, right_above, after_error=after_error),
        held_out=share,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        max_length=max_length,
        rank=lora,
        evaluate_every=evaluate_every,
        patience=patience,
        seed=seed,
        aggregate=aggregate,
        overrides=parameters_said(set_ or ()),
    )
    found = [row for source in labels for row in labels_from(source).rows]
    apart = None if measured_by is None else solutions_in(measured_by)
    unseen = [row for name in leave_out or () for row in solutions_in(name)]
    rows = without(found, [*(apart or ()), *unseen])
    say = _say if os.environ.get("RANK", "0") == "0" else lambda _: None  # one of many processes
    if asked := len(found) - len(rows):
        say(f"{asked:,} solutions are left out: the PRM is to be measured on their questions")
    planned = plan(settings, rows, apart)
    for name, examples in (("train", planned.train), ("held out", planned.held_out)):
        left = "".join(f", {n:,} {why}" for why, n in sorted(examples.dropped.items()))
        say(
            f"{name}: {len(examples.rows):,} solutions, {examples.steps:,} steps, mean target "
            f"{examples.right:.3f}{left}"
        )
    with Interrupt() as interrupt, interrupt.deferred():
        figures = train_prm(planned, out, say, lambda: interrupt.asked)
    if figures is None:
        say("interrupted: a checkpoint is kept, and the same command goes on")
        return interrupt.exit_code
    if say is not _say:
        return 0
    ModelCard(
        title=f"A process reward model ({planned.taught.family.name})",
        tags=["process-reward-model"],
        base=settings.base,
        sources=labels,
        data={
            f"{name}: {what}": f"{n:,}"
            for name, examples in (("train", planned.train), ("held out", planned.held_out))
            for what, n in (("solutions", len(examples.rows)), ("steps", examples.steps))
        },
        training={**planned.told, **planned.about},
        figures=figures,
        use="sal run dvts --prm MODEL",
    ).write(out)
    print(json.dumps(figures))
    say(f"{out}: sal run STRATEGY --prm {out}, or sal learn bench --prm {out}")
    return 0 if push_to_hub is None else push_after(out, push_to_hub)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _held_out(said: str) -> tuple[float, str | None]:
    """A share and no source, or a source."""
    try:
        share = float(said)
    except ValueError:
        return 0.0, said
    if not 0 < share < 1:
        raise typer.BadParameter(f"--held-out wants a share between 0 and 1, not {said}")
    return share, None
