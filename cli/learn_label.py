"""`sal learn label`: step labels, out of rollouts or out of what is there."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sal.cli import options
from sal.cli.run import run
from sal.cli.said import access_said, check_folders, settings_said, with_flags_of

if TYPE_CHECKING:
    from sal.learn.labelled import Labelled
    from sal.runs.recipe import Recipe
    from sal.runtime.usage import Usage

EPILOG = """[bold]Examples[/bold]

sal learn label --budget 8 --rollouts 8 --out labels

sal learn label --resume labels

sal learn label --rollouts 32 --adaptive --policy Qwen/Qwen2.5-Math-1.5B-Instruct --dataset openai/gsm8k:main --split train

sal learn label --first-error --budget 16 --limit 100

sal learn label runs-out/bon64 runs-out/dvts --out labels

sal learn label math-shepherd.jsonl --limit 10000 --out shepherd

sal learn label labels --judge http://127.0.0.1:8000/v1 --consensus --out agreed
"""  # noqa: E501

LABELS = "Labels"

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE]...",
        help="Runs, or files and sets with labels: PRM800K, Math-Shepherd, ProcessBench, TRL's "
        "stepwise. Without one the policy makes rollouts.",
        show_default=False,
    ),
]
Budget = Annotated[
    int | None,
    typer.Option(
        "--budget", "-n", help="Solutions of each problem; 8.", min=1, rich_help_panel=LABELS
    ),
]
Rollouts = Annotated[
    int | None,
    typer.Option(help="Rollouts from each step; 8.", min=1, rich_help_panel=LABELS),
]
Adaptive = Annotated[
    bool,
    typer.Option(
        "--adaptive",
        help="2 or 4 times as many where the policy is seldom right.",
        rich_help_panel=LABELS,
    ),
]
FirstError = Annotated[
    bool,
    typer.Option(
        "--first-error",
        help="Look only for the first wrong step of wrong solutions, by binary search.",
        rich_help_panel=LABELS,
    ),
]
Judge = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="An LLM that judges every step, too: a server with an OpenAI API.",
        envvar="SAL_JUDGE",
        rich_help_panel=LABELS,
    ),
]
JudgeFamily = Annotated[
    str,
    typer.Option(
        help="How the judge is asked: judge:model=NAME,votes=3 (docs/verifiers.md).",
        envvar="SAL_JUDGE_FAMILY",
        rich_help_panel=LABELS,
    ),
]
JudgeKey = Annotated[
    str | None,
    typer.Option(
        metavar="KEY|@FILE",
        help="The judge's API key.",
        envvar="SAL_JUDGE_KEY",
        rich_help_panel=LABELS,
        show_default=False,
    ),
]
Consensus = Annotated[
    bool,
    typer.Option(
        "--consensus",
        help="Keep the solutions on whose first wrong step the judge agrees.",
        rich_help_panel=LABELS,
    ),
]
LABELLER = "step-rollouts"
NOT_OURS = (
    "strategy", "changes", "recipe", "width", "max_steps", "max_step_tokens", "aggregate", "rule",
    "set_", "prm", "prm_family", "prm_key", "prm_header", "prm_arg", "ns", "push_to_hub", "json",
)  # fmt: skip


@with_flags_of(run, without=NOT_OURS)
def label(
    context: typer.Context,
    sources: Sources = None,
    budget: Budget = None,
    rollouts: Rollouts = None,
    adaptive: Adaptive = False,
    first_error: FirstError = False,
    judge: Judge = None,
    judge_family: JudgeFamily = "judge",
    judge_key: JudgeKey = None,
    consensus: Consensus = False,
    out: options.Out = None,
    resume: options.Resume = None,
    **flags: Any,
) -> int:
    """Label the steps of solutions by rollouts, or bring in labels that are there.

    The policy solves each problem several times, and from every step it goes on several times more:
    how often it comes to the right answer is the step's label, a count. Problems that it always or
    never solves are left out. The folder holds labels.parquet, a folder for load_from_disk and a
    card.
    """
    began = time.monotonic()
    check_folders({**flags, "out": out, "resume": resume})
    if consensus and judge is None:
        raise typer.BadParameter("--consensus goes with --judge")
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()  # before a program is imported: the whole of sglang takes 10 s
    from sal.learn.labelled import Labelled
    from sal.learn.sources import labels_from
    from sal.runs.found import read_run
    from sal.runtime.usage import Usage

    folder = resume or out or Path("runs-out") / f"labels-{datetime.now():%Y%m%d-%H%M%S}"
    code = 0
    recipe: Recipe | None = None
    spent: dict[str, Usage] = {}
    if sources:
        _check_new(folder)
        labelled = Labelled()
        for source in sources:
            labelled.add(labels_from(source, flags["split"], flags["limit"]))
    else:
        asked = {
            "budget": budget,
            "rollouts": rollouts,
            "adaptive": adaptive or None,
            "first_error": first_error or None,
        }
        code = _roll_out(context, folder, resume, asked, flags, began)
        if code > 1 or flags["dry_run"]:
            return code
        labelled = labels_from(str(folder))
        made = read_run(folder)
        recipe = made.recipe
        spent["policy"] = sum((row.policy for row in made.rows), Usage())
    if judge is not None:
        labelled, spent["judge"] = _judged(labelled, folder, judge, judge_family, judge_key)
    if consensus:
        from sal.learn.consensus import agreed

        labelled = agreed(labelled)
    _write(labelled, sources or [], spent, folder, recipe)
    return code


def _check_new(folder: Path) -> None:
    """A folder that holds labels, or a run, is not written into by others."""
    from sal.learn.files import PARQUET
    from sal.runs.errors import FolderError

    for name in (PARQUET, "recipe.yaml"):
        if (folder / name).exists():
            raise FolderError(f"{folder}: holds {name} already; give another --out")


def _roll_out(
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
        said=said,
        access=access_said(flags),
        secrets=secrets_of(context),
        command="learn label",
    )
    return search(settings, chosen, began)


def _judged(
    labelled: Labelled, folder: Path, url: str, family: str, key: str | None
) -> tuple[Labelled, Usage]:
    """With the second opinion, and what it cost."""
    from sal.learn.consensus import Judged, judged
    from sal.runs.errors import RunError
    from sal.runtime.access import AccessError, read_access
    from sal.runtime.client import Engine
    from sal.runtime.usage import Usage
    from sal.verifiers.family import load_verifier

    seen = Judged(0, 0, Usage())
    shown = time.monotonic()

    def tick(now: Judged) -> None:
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
            return judged(
                labelled, verifier, name, folder, tick=tick, abort=engine.close
            ), seen.usage
    except (ValueError, AccessError) as error:
        raise RunError(f"--judge {url}: {' '.join(str(error).split())}") from error


def _write(
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
