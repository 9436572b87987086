"""`sal grade`: verdicts on a file of completions."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sal.cli import options
from sal.grading.extract import Extraction
from sal.grading.graders import AnyGrader, make_grader
from sal.grading.jsonl import GradeFileError, GradeSummary, grade_file
from sal.grading.names import MATH, GraderError


def grade(
    file: Annotated[Path, typer.Argument(help="One completion a row: JSON, CSV or parquet.")],
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
    grader: options.Grader = None,
    answers: options.Answers = None,
    skip_bad_rows: options.SkipBadRows = False,
) -> None:
    """Grade the answers in a file of completions.

    Every row comes back with `correct` and `reason`: match, mismatch, no_answer, guarded, timeout
    or error.
    """
    console = Console(stderr=True)
    try:
        with (
            closing(_grader(grader, workers, extract)) as judge,
            _progress(console) as progress,
        ):
            size = _lines(file)
            task = progress.add_task("grading", total=size, accuracy=0.0)

            def show(summary: GradeSummary) -> None:
                progress.update(task, completed=summary.total, accuracy=summary.accuracy)

            summary = grade_file(
                file,
                out,
                prediction_field,
                answer_field,
                judge,
                show,
                explain=explain,
                any_answer=answers == "any",
                skip_bad_rows=skip_bad_rows,
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
    if summary.skipped:
        rows = summary.skipped + summary.total
        said = f"skipped {summary.skipped} of {rows} rows ({summary.fault})"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
    if judge.note:
        console.print(judge.note, markup=False, highlight=False, soft_wrap=True)
    console.print(f"wrote {out}", markup=False, highlight=False, soft_wrap=True)


def _grader(name: str | None, workers: int, extract: Extraction) -> AnyGrader:
    try:
        return make_grader(name or MATH, workers=workers, flexible=extract == "flexible")
    except GraderError as error:
        raise GradeFileError(f"--grader {error}") from error


def _lines(file: Path) -> int | None:
    """How many rows there are to come, where that is their number of lines."""
    if file.suffix.lower() not in (".jsonl", ".ndjson") or not file.is_file():
        return None
    try:
        with file.open("rb") as source:
            return sum(1 for line in source if line.strip())
    except OSError:  # told when it is read
        return None


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("accuracy {task.fields[accuracy]:.1%}"),
        console=console,
        refresh_per_second=4,
        transient=True,
    )
