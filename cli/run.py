"""`sal run`: search the problems of a dataset."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sal.cli.display.interface import DisplayName
from sal.runs.registry import summaries

EPILOG = """[bold]Examples[/bold]

sal run dvts --budget 128

sal run beam --budget 16 --width 4 --limit 20 --seed 1

sal run adaptive-dvts --budget 64 --set stop=margin --set confidence=0.9

sal run best-of-n --budget 32 --aggregate min --out runs-out/bon32

sal run best-of-n --budget 32 --aggregate min --resume runs-out/bon32

sal run dvts --policy meta-llama/Llama-3.2-1B-Instruct --dataset openai/gsm8k:main --dry-run

sal run greedy --policy http://127.0.0.1:30000 --dataset problems.jsonl --json
"""

_STRATEGIES = summaries()
_STRATEGY_HELP = "; ".join(f"{name}: {words}" for name, words in _STRATEGIES.items()) + "."

SEARCH = "Search"
MODELS = "Models"
PROBLEMS = "Problems"
RUN = "The run"


def _known_strategy(name: str) -> str:
    if name not in _STRATEGIES:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(_STRATEGIES)}")
    return name


def _parameters(given: Iterable[str]) -> dict[str, Any]:
    """NAME=VALUE, its value read as YAML: numbers are numbers, words are words."""
    import yaml

    params = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"--set wants NAME=VALUE, not {text!r}")
        try:
            params[name.replace("-", "_")] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise typer.BadParameter(f"--set {text}: {' '.join(str(error).split())}") from error
    return params


def run(
    context: typer.Context,
    strategy: Annotated[
        str,
        typer.Argument(
            metavar="STRATEGY", help=_STRATEGY_HELP, show_default=False, callback=_known_strategy
        ),
    ],
    budget: Annotated[
        int | None,
        typer.Option(
            "--budget",
            "-n",
            help="N: completions that may be sampled on a problem.",
            envvar="SAL_BUDGET",
            rich_help_panel=SEARCH,
            min=1,
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            help="M: candidates per beam or subtree.",
            envvar="SAL_WIDTH",
            rich_help_panel=SEARCH,
            min=1,
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(
            help="Steps before a completion is truncated.",
            envvar="SAL_MAX_STEPS",
            rich_help_panel=SEARCH,
            min=1,
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Sampling temperature of the policy.",
            envvar="SAL_TEMPERATURE",
            rich_help_panel=SEARCH,
            min=0.0,
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            help="Tokens that a completion may have.",
            envvar="SAL_MAX_TOKENS",
            rich_help_panel=SEARCH,
            min=1,
        ),
    ] = None,
    max_problem_tokens: Annotated[
        int | None,
        typer.Option(
            help="Tokens that the policy may generate on a problem: what was found by then counts.",
            envvar="SAL_MAX_PROBLEM_TOKENS",
            rich_help_panel=SEARCH,
            min=1,
        ),
    ] = None,
    max_problem_seconds: Annotated[
        float | None,
        typer.Option(
            help="Seconds that the search of a problem may take: what was found by then counts.",
            envvar="SAL_MAX_PROBLEM_SECONDS",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    aggregate: Annotated[
        Literal["last", "min", "prod", "mean"] | None,
        typer.Option(
            help="How step scores become one score.",
            envvar="SAL_AGGREGATE",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other parameter of the strategy: --set window=64 --set stop=margin.",
            envvar="SAL_SET",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            help="Every request's seed derives from it.",
            envvar="SAL_SEED",
            rich_help_panel=SEARCH,
        ),
    ] = 0,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Model name or folder, the URL of an SGLang server, or tiny.",
            envvar="SAL_POLICY",
            rich_help_panel=MODELS,
        ),
    ] = None,
    prm: Annotated[
        str | None,
        typer.Option(
            help="The process reward model: as --policy.",
            envvar="SAL_PRM",
            rich_help_panel=MODELS,
        ),
    ] = None,
    prm_family: Annotated[
        str | None,
        typer.Option(
            help="How the PRM is asked; read from its config by default.",
            envvar="SAL_PRM_FAMILY",
            rich_help_panel=MODELS,
        ),
    ] = None,
    system_prompt: Annotated[
        str | None,
        typer.Option(
            help="System prompt for a policy with a chat template ('' for none).",
            envvar="SAL_SYSTEM_PROMPT",
            rich_help_panel=MODELS,
        ),
    ] = None,
    policy_arg: Annotated[
        list[str] | None,
        typer.Option(
            help="Passed through to the policy's SGLang server: --policy-arg=--tp=2.",
            envvar="SAL_POLICY_ARG",
            rich_help_panel=MODELS,
        ),
    ] = None,
    prm_arg: Annotated[
        list[str] | None,
        typer.Option(
            help="Passed through to the PRM's SGLang server.",
            envvar="SAL_PRM_ARG",
            rich_help_panel=MODELS,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Hub name (NAME or NAME:CONFIG), a .jsonl, .json or .parquet file, a folder, "
            "or tiny.",
            envvar="SAL_DATASET",
            rich_help_panel=PROBLEMS,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Split of the dataset; test where there is one.",
            envvar="SAL_SPLIT",
            rich_help_panel=PROBLEMS,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            help="The first problems only.",
            envvar="SAL_LIMIT",
            rich_help_panel=PROBLEMS,
            min=1,
        ),
    ] = None,
    question_field: Annotated[
        str | None,
        typer.Option(
            help="Field of the question; found by its name by default.",
            envvar="SAL_QUESTION_FIELD",
            rich_help_panel=PROBLEMS,
        ),
    ] = None,
    answer_field: Annotated[
        str | None,
        typer.Option(
            help="Field of the right answer; found by its name by default.",
            envvar="SAL_ANSWER_FIELD",
            rich_help_panel=PROBLEMS,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A new folder for the results; runs-out/STRATEGY-DATASET-TIME by default.",
            envvar="SAL_OUT",
            rich_help_panel=RUN,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Continue the run in this folder, or start it there.",
            envvar="SAL_RESUME",
            rich_help_panel=RUN,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the plan and the resolved recipe; start nothing.",
            envvar="SAL_DRY_RUN",
            rich_help_panel=RUN,
        ),
    ] = False,
    display: Annotated[
        DisplayName,
        typer.Option(
            help="How to follow the run, on stderr; auto is rich in a terminal, else plain.",
            envvar="SAL_DISPLAY",
            rich_help_panel=RUN,
        ),
    ] = "auto",
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print summary.json on stdout instead of the table.",
            envvar="SAL_JSON",
            rich_help_panel=RUN,
        ),
    ] = False,
) -> int:
    """Search every problem of a dataset with STRATEGY, and grade what is found.

    Without a GPU, models and problems default to the embedded tiny suite.
    """
    began = time.monotonic()
    if out is not None and resume is not None and out != resume:
        raise typer.BadParameter("give --out (a new run) or --resume, not both")
    params = {
        "budget": budget,
        "width": width,
        "max_steps": max_steps,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "aggregate": aggregate,
    }
    from sal.cli.resume import resume_command
    from sal.cli.search import Options, search
    from sal.runs.settings import Settings

    given = {name: value for name, value in params.items() if value is not None}
    settings = Settings(
        strategy=strategy,
        params=given | _parameters(set_ or ()),
        seed=seed,
        max_problem_tokens=max_problem_tokens,
        max_problem_seconds=max_problem_seconds,
        policy=policy,
        prm=prm,
        prm_family=prm_family,
        system_prompt=system_prompt,
        policy_args=tuple(policy_arg or ()),
        prm_args=tuple(prm_arg or ()),
        dataset=dataset,
        split=split,
        limit=limit,
        question_field=question_field,
        answer_field=answer_field,
    )
    options = Options(
        out=out,
        resume=resume,
        dry_run=dry_run,
        display=display,
        json=json,
        resume_command=partial(resume_command, context),
    )
    return search(settings, options, began)
