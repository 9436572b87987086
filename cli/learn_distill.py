"""`sal learn distill`: what searches found, as examples, or taught to the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sal.cli import options

EPILOG = r"""[bold]Examples[/bold]

sal learn distill runs-out/dvts --method sft --out examples

sal learn distill runs-out/dvts --method sft --base Qwen/Qwen2.5-1.5B-Instruct --out lifted

sal learn distill runs-out/bon64 --method dpo --base lifted --lora 16 --out preferring

sal learn distill -c recipes/learn/orpo-7k.yaml --base Qwen/Qwen2.5-1.5B --out aligned
"""


def distill(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Runs, or sets in TRL's formats: prompt and completion, chosen and rejected, "
            "messages.",
            show_default=False,
        ),
    ] = None,
    *,
    out: Annotated[
        Path, typer.Option(help="The folder of the examples, or of the policy; a training goes on.")
    ],
    method: Annotated[
        Literal["sft", "kto", "dpo", "orpo"] | None,
        typer.Option(
            help="sft (the default): on right solutions. kto: on right and wrong ones. dpo, orpo: "
            "on pairs of the two that begin alike.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="The model to train: a folder, a Hub name, smollm2 or tiny. Without one, the "
            "examples alone are written.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            "--recipe", "-c", help="A file that says what is not said here.", dir_okay=False
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of a set.", show_default=False)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Rows of a set.")] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the examples; 1.", show_default=False)
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Its peak; 2e-5 for sft, 1e-6 for the others, ten times that with --lora.",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Examples per device and batch; 8.", show_default=False),
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Tokens of an example; 2048.", show_default=False)
    ] = None,
    lora: Annotated[
        int | None,
        typer.Option(
            metavar="RANK", min=0, help="Train a LoRA adapter; 0: all weights.", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of the order of the examples; 0.", show_default=False),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A field of TRL's configuration of the method: --set beta=0.05.",
        ),
    ] = None,
    push_to_hub: options.PushLearned = None,
) -> int:
    r"""Make examples of what searches found, in TRL's formats, and teach them to a policy.

    The policy learns from the very texts that the search sent and was sent. Training needs TRL
    (pip install 'sal-sglang\[learn]'). Stopped or killed, the same command goes on from the last
    checkpoint.
    """
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()
    from sal.cli.distilling import settings_said, teach, write
    from sal.cli.push import push_after
    from sal.learn.base import base_model
    from sal.learn.distill.sources import gather
    from sal.runs.export.hub import check_push

    settings = settings_said(
        recipe,
        set_ or [],
        sources=tuple(sources) if sources else None,
        method=method,
        base=base,
        split=split,
        limit=limit,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        max_length=max_length,
        lora=lora,
        seed=seed,
    )
    if push_to_hub is not None:
        check_push(push_to_hub)
    model = None if settings.base is None else base_model(settings.base)
    found = gather(settings.sources, settings.method, model, settings.split, settings.limit)
    if model is None:
        write(found, settings, out)
    elif code := teach(found, settings, model, out):
        return code
    return 0 if push_to_hub is None else push_after(out, push_to_hub)
