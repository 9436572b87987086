"""`sal learn label`: step labels, out of rollouts or out of what is there."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sal.cli import options
from sal.cli.run import run
from sal.cli.said import check_folders, with_flags_of

if TYPE_CHECKING:
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
        help="Runs, or files and sets with labels: PRM800K, Math-Shepherd, ProcessBench, PRMBench, "
        "TRL's stepwise, or what this command wrote. Without one the policy makes rollouts.",
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
Out = Annotated[
    Path | None,
    typer.Option(
        help="A new folder for the labels; runs-out/labels-TIME by default.",
        envvar="SAL_OUT",
        rich_help_panel=options.RUN,
    ),
]
NOT_OURS = (
    "strategy", "changes", "recipe", "width", "max_steps", "max_step_tokens", "aggregate", "rule",
    "set_", "prm", "prm_family", "prm_key", "prm_header", "prm_arg", "ns", "push_to_hub", "json",
    "ray",
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
    out: Out = None,
    resume: options.Resume = None,
    push_to_hub: options.PushLearned = None,
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
    asked = {
        "budget": budget,
        "rollouts": rollouts,
        "adaptive": adaptive or None,
        "first_error": first_error or None,
    }
    if sources and (any(asked.values()) or flags["dry_run"]):
        raise typer.BadParameter("what is said of rollouts, and --dry-run, go without a SOURCE")
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()  # before a program is imported: the whole of sglang takes 10 s
    from sal.cli.labelling import check_new, roll_out, with_judge, write
    from sal.cli.push import push_after
    from sal.learn.files import PARQUET
    from sal.learn.labelled import Labelled
    from sal.learn.run_labels import labels_of
    from sal.learn.sources import labels_from
    from sal.runs.export.hub import check_push
    from sal.runs.found import read_run
    from sal.runtime.usage import Usage

    if push_to_hub is not None:
        check_push(push_to_hub)
    folder = resume or out or Path("runs-out") / f"labels-{datetime.now():%Y%m%d-%H%M%S}"
    code = 0
    recipe: Recipe | None = None
    spent: dict[str, Usage] = {}
    if sources:
        check_new(folder, PARQUET)
        labelled = Labelled()
        for source in sources:
            labelled.add(labels_from(source, flags["split"], flags["limit"]))
    else:
        code = roll_out(context, folder, resume, asked, flags, began)
        if code > 1 or flags["dry_run"]:
            return code
        made = read_run(folder)
        labelled = labels_of(made)
        recipe = made.recipe
        spent["policy"] = sum((row.policy for row in made.rows), Usage())
    if judge is not None:
        labelled, spent["judge"] = with_judge(labelled, folder, judge, judge_family, judge_key)
    if consensus:
        from sal.learn.consensus import agreed

        labelled = agreed(labelled)
    write(labelled, sources or [], spent, folder, recipe)
    return code if push_to_hub is None else max(code, push_after(folder, push_to_hub))
