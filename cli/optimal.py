"""`sal optimal`: learn from a sweep what to spend on which problems."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    help="Learn from a sweep which strategy and which N to use on which problems.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RuleFile = Annotated[str, typer.Argument(metavar="RULE", help="A rule's file, or tiny.")]
Json = Annotated[bool, typer.Option("--json", help="Print the rule's file instead of the table.")]


@app.command("fit")
def fit(
    sweep: Annotated[
        Path, typer.Argument(help="A folder with complete runs on the same problems.")
    ],
    out: Annotated[Path, typer.Option(help="The file that the rule goes to.")] = Path("rule.json"),
    budgets: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="Budgets of the rule; those of the sweep by default."),
    ] = None,
    probes: Annotated[
        str, typer.Option(metavar="N0,N0,...", help="Sizes of a probe among which to choose.")
    ] = "1,2,4,8",
    bins: Annotated[int, typer.Option(min=1, help="Bins of difficulty, of equal size.")] = 5,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="Instead bins under 10 %, under 50 %, and above.")
    ] = False,
    cost: Annotated[
        Literal["completions", "tokens", "flops"],
        typer.Option(help="What a budget is met in: N completions, or what Best-of-N pays for N."),
    ] = "completions",
    resamples: Annotated[
        int, typer.Option(min=2, help="Draws of the bootstrap behind the intervals.")
    ] = 200,
    json: Json = False,
) -> None:
    """Fit a rule for `sal run auto` on the runs of SWEEP.

    It needs a run of best-of-n with spare samples, and runs of the strategies to choose among, each
    at several N, on problems that the rule will not be judged on.
    """
    from sal.cli.optimal_table import rule_table
    from sal.runs.folder import write_atomically
    from sal.runs.optimal.fit import FitSettings
    from sal.runs.optimal.fit import fit as fit_rule
    from sal.runtime.frontend.light import use_light_frontend
    from sal.strategies.cross_fit import Bins

    use_light_frontend()
    settings = FitSettings(
        budgets=_numbers("--budgets", budgets),
        probes=_numbers("--probes", probes),
        bins=Bins(bins, absolute),
        cost=cost,
        resamples=resamples,
    )
    content = fit_rule(sweep, settings).as_json()
    write_atomically(out, (json_format.dumps(content, indent=1) + "\n").encode())
    print(json_format.dumps(content, indent=1) if json else f"{rule_table(content)}\n\n{out}")


@app.command("show")
def show(rule: RuleFile, json: Json = False) -> None:
    """Show a fitted rule: what it does at each budget, and how good that was."""
    from sal.cli.optimal_table import rule_table
    from sal.programs.rule_file import rule_content
    from sal.runs.errors import RunError

    try:
        content = rule_content(rule)
    except ValueError as error:
        raise RunError(str(error)) from error
    print(json_format.dumps(content, indent=1) if json else rule_table(content))


def _numbers(flag: str, text: str | None) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(f"{flag} wants whole numbers from 1 on, as in 1,4,16: {text!r}")
    return tuple(sorted({int(part) for part in parts}))
