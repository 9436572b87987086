"""`sal grade`: verdicts on a file of completions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sal.grading.extract import Extraction
from sal.grading.grader import Grader
from sal.grading.jsonl import GradeFileError, GradeSummary, grade_file


def grade(
    file: Annotated[Path, typer.Argument(help="JSON lines, one completion a row.")],
    prediction_field: Annotated[
        str, typer.Option(help="Field with the completion; its final answer is extracted.")
    ],
    answer_field: Annotated[
        str, typer.Option(help="Field with the reference: a bare answer or a full solution.")
    ],
    out: Annotated[Path, typer.Option(help="Where the rows go, with `correct` and `reason`.")],
    workers: Annotated[int, typer.Option(min=1, help="Worker processes for algebra.")] = 1,
    extract: Annotated[
        Extraction, typer.Option(help="flexible: the last number where no answer is stated.")
    ] = "strict",
    explain: Annotated[
        bool, typer.Option("--explain", help="Add `explanation`: what was compared with what.")
    ] = False,
) -> None:
    """Grade the answers in a file of completions.

    Every row comes back with `correct` and `reason`: match, mismatch, no_answer, guarded, timeout
    or error.
    """
    console = Console(stderr=True)
    try:
        with (
            Grader(workers, flexible=extract == "flexible") as grader,
            _progress(console) as progress,
        ):
            size = _lines(file)
            task = progress.add_task("grading", total=size, accuracy=0.0)

            def show(summary: GradeSummary) -> None:
                progress.update(task, completed=summary.total, accuracy=summary.accuracy)

            summary = grade_file(
                file, out, prediction_field, answer_field, grader, show, explain=explain
            )
    except GradeFileError as error:
        console.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    reasons = ", ".join(f"{name} {count}" for name, count in summary.reasons.most_common())
    console.print(
        f"accuracy {summary.accuracy:.2%} ({summary.correct} of {summary.total}): {reasons or '-'}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"wrote {out}", markup=False, highlight=False, soft_wrap=True)


def _lines(file: Path) -> int:
    try:
        with file.open("rb") as source:
            return sum(1 for line in source if line.strip())
    except OSError as error:
        raise GradeFileError(f"{file}: {error.strerror}") from error


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("accuracy {task.fields[accuracy]:.1%}"),
        console=console,
        refresh_per_second=4,
        transient=True,
    )
