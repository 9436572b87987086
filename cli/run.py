"""`sal run`: search the problems of a dataset."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

import typer

from sal.cli import options
from sal.cli.said import access_said, check_folders, settings_said
from sal.runs.registry import summaries

EPILOG = """[bold]Examples[/bold]

sal run dvts --budget 128

sal run beam --budget 16 --width 4 --limit 20 --seed 1

sal run rebase --budget 16 --temperature 1 --top-p 0.95 --max-step-tokens 256 --stop '</answer>'

sal run beam --budget 16 --max-tokens 8192 --think-budget 4096 --think-extensions 1

sal run adaptive-dvts --budget 64 --set stop=margin --set confidence=0.9

sal run -c recipes/tiny/dvts.yaml seed=1 params.width=2 --limit 20

sal run best-of-n --budget 32 --aggregate min --ns 1,4,16 --out runs-out/bon32

sal run auto --budget 16 --rule rule.json

sal run --resume runs-out/bon32

sal run --resume runs-out/bon32 --retry-failed

sal run dvts --budget 64 --shard 2/8 --out runs-out/dvts/2-of-8

sal run dvts --policy meta-llama/Llama-3.2-1B-Instruct --dataset openai/gsm8k:main --dry-run

sal run greedy --policy http://127.0.0.1:30000 --dataset problems.jsonl --json

sal run best-of-n --budget 16 --dataset gpqa --grader mine:grade

sal run dvts --budget 64 --ray auto --policy http://gateway:30000 --prm http://gateway:30001
"""

_STRATEGIES = summaries()
_STRATEGY_HELP = "; ".join(f"{name}: {words}" for name, words in _STRATEGIES.items()) + "."


def _known_strategy(name: str | None) -> str | None:
    if name is not None and "=" not in name and name not in _STRATEGIES:
        if name.endswith((".yaml", ".yml")):
            raise typer.BadParameter(f"{name} is given with -c, if it is a recipe")
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(_STRATEGIES)}")
    return name


def run(
    context: typer.Context,
    strategy: Annotated[
        str | None,
        typer.Argument(
            metavar="STRATEGY", help=_STRATEGY_HELP, show_default=False, callback=_known_strategy
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Changes to the recipe of -c: seed=1 params.width=2.",
            show_default=False,
        ),
    ] = None,
    recipe: options.Recipe = None,
    budget: options.Budget = None,
    width: options.Width = None,
    max_steps: options.MaxSteps = None,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    top_k: options.TopK = None,
    min_p: options.MinP = None,
    max_tokens: options.MaxTokens = None,
    max_step_tokens: options.MaxStepTokens = None,
    stop: options.Stop = None,
    separator: options.Separator = None,
    think_budget: options.ThinkBudget = None,
    think_extensions: options.ThinkExtensions = None,
    max_problem_tokens: options.MaxProblemTokens = None,
    max_problem_seconds: options.MaxProblemSeconds = None,
    aggregate: options.Aggregate = None,
    rule: options.Rule = None,
    set_: options.SetParameters = None,
    seed: options.Seed = None,
    policy: options.Policy = None,
    prm: options.Prm = None,
    prm_family: options.PrmFamily = None,
    policy_key: options.PolicyKey = None,
    prm_key: options.PrmKey = None,
    policy_header: options.PolicyHeader = None,
    prm_header: options.PrmHeader = None,
    system_prompt: options.SystemPrompt = None,
    prompt_template: options.PromptTemplate = None,
    thinking: options.Thinking = None,
    policy_arg: options.PolicyArg = None,
    prm_arg: options.PrmArg = None,
    deterministic: options.Deterministic = False,
    dataset: options.Dataset = None,
    split: options.Split = None,
    limit: options.Limit = None,
    shard: options.Shard = None,
    ray: options.Ray = None,
    question_field: options.QuestionField = None,
    answer_field: options.AnswerField = None,
    choices_field: options.ChoicesField = None,
    grader: options.Grader = None,
    extract: options.Extract = None,
    ns: options.Ns = None,
    answers: options.Answers = None,
    skip_bad_rows: options.SkipBadRows = False,
    out: options.Out = None,
    resume: options.Resume = None,
    retry_failed: options.RetryFailed = False,
    push_to_hub: options.PushToHub = None,
    dry_run: options.DryRun = False,
    display: options.Display = "auto",
    json: options.Json = False,
) -> int:
    """Search every problem of a dataset with STRATEGY, and grade what is found.

    A run that goes on (--resume) needs no other word. Without a GPU, models and problems default to
    the embedded tiny suite.
    """
    flags = locals()
    began = time.monotonic()
    check_folders(flags)
    from sal.cli.resume import resumed, secrets_of
    from sal.cli.search import Options, search

    access, settings = access_said(flags), settings_said(flags)
    if strategy is not None and "=" in strategy:
        settings, changes = replace(settings, strategy=""), [strategy, *(changes or ())]
    if recipe is not None:
        from sal.cli.recipe_settings import with_recipe

        settings = with_recipe(context, recipe, changes or (), settings)
    elif changes:
        raise typer.BadParameter(f"{changes[0]} changes a recipe, and none is given with -c FILE")
    again = settings if resume is None or recipe is not None else resumed(settings, resume)
    if not again.strategy:
        raise typer.BadParameter(
            "Missing argument 'STRATEGY'"
            if resume is None or recipe is not None
            else f"{resume}: no recipe to go on with; a new run there needs a STRATEGY"
        )
    chosen = Options(
        out=out,
        resume=resume,
        retry_failed=retry_failed,
        push_to_hub=push_to_hub,
        dry_run=dry_run,
        display=display,
        json=json,
        said=settings,
        access=access,
        secrets=secrets_of(context),
        ray=ray,
    )
    return search(again, chosen, began)
