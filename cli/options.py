"""The options of the commands, each declared once; a command names those that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sal.cli.display.names import DisplayName

SEARCH = "Search"
MODELS = "Models"
PROBLEMS = "Problems"
RUN = "The run"

Recipe = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        "-c",
        metavar="FILE",
        help="Take settings from a recipe file (docs/recipes.md); flags overrule it.",
        envvar="SAL_RECIPE",
        rich_help_panel=RUN,
        show_default=False,
    ),
]
Budget = Annotated[
    int | None,
    typer.Option(
        "--budget",
        "-n",
        help="N: completions that may be sampled on a problem.",
        envvar="SAL_BUDGET",
        rich_help_panel=SEARCH,
        min=1,
    ),
]
Width = Annotated[
    int | None,
    typer.Option(
        help="M: candidates per beam or subtree.",
        envvar="SAL_WIDTH",
        rich_help_panel=SEARCH,
        min=1,
    ),
]
MaxSteps = Annotated[
    int | None,
    typer.Option(
        help="Steps before a completion is truncated.",
        envvar="SAL_MAX_STEPS",
        rich_help_panel=SEARCH,
        min=1,
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        help="Sampling temperature of the policy.",
        envvar="SAL_TEMPERATURE",
        rich_help_panel=SEARCH,
        min=0.0,
    ),
]
TopP = Annotated[
    float | None,
    typer.Option(
        help="Draw from the likeliest tokens that make up this much; the model's own by default.",
        envvar="SAL_TOP_P",
        rich_help_panel=SEARCH,
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        help="Draw from so many of the likeliest tokens, -1: all; the model's own by default.",
        envvar="SAL_TOP_K",
        rich_help_panel=SEARCH,
    ),
]
MinP = Annotated[
    float | None,
    typer.Option(
        help="Draw from tokens at least so likely, against the likeliest; the model's own by "
        "default.",
        envvar="SAL_MIN_P",
        rich_help_panel=SEARCH,
    ),
]
MaxStepTokens = Annotated[
    int | None,
    typer.Option(
        help="Tokens that a step may have: there it is cut, and the search goes on behind it.",
        envvar="SAL_MAX_STEP_TOKENS",
        rich_help_panel=SEARCH,
    ),
]
Stop = Annotated[
    list[str] | None,
    typer.Option(
        help=r"A text that ends a completion, and is no part of it; may be given again. \n is a "
        "new line.",
        envvar="SAL_STOP",
        rich_help_panel=SEARCH,
    ),
]
Separator = Annotated[
    str | None,
    typer.Option(
        help=r"The text that ends a step; \n is a new line.",
        envvar="SAL_SEPARATOR",
        rich_help_panel=SEARCH,
    ),
]
ThinkBudget = Annotated[
    int | None,
    typer.Option(
        help="Tokens of reasoning (<think>) before its end is written for the policy, and the "
        "answer follows (docs/policies.md).",
        envvar="SAL_THINK_BUDGET",
        rich_help_panel=SEARCH,
    ),
]
ThinkExtensions = Annotated[
    int | None,
    typer.Option(
        help='How often "Wait" stands in place of an end of the reasoning that comes before that; '
        "0 by default.",
        envvar="SAL_THINK_EXTENSIONS",
        rich_help_panel=SEARCH,
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        help="Tokens that a completion may have.",
        envvar="SAL_MAX_TOKENS",
        rich_help_panel=SEARCH,
        min=1,
    ),
]
MaxProblemTokens = Annotated[
    int | None,
    typer.Option(
        help="Tokens that the policy may generate on a problem: what was found by then counts.",
        envvar="SAL_MAX_PROBLEM_TOKENS",
        rich_help_panel=SEARCH,
        min=1,
    ),
]
MaxProblemSeconds = Annotated[
    float | None,
    typer.Option(
        help="Seconds that the search of a problem may take: what was found by then counts.",
        envvar="SAL_MAX_PROBLEM_SECONDS",
        rich_help_panel=SEARCH,
    ),
]
Aggregate = Annotated[
    Literal["last", "min", "prod", "mean"] | None,
    typer.Option(
        help="How step scores become one score.",
        envvar="SAL_AGGREGATE",
        rich_help_panel=SEARCH,
    ),
]
Rule = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="What auto follows: a rule of `sal optimal fit`, or tiny.",
        envvar="SAL_RULE",
        rich_help_panel=SEARCH,
    ),
]
SetParameters = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other parameter of the strategy: --set window=64 --set stop=margin.",
        envvar="SAL_SET",
        rich_help_panel=SEARCH,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        help="Every request's seed derives from it; 0 by default.",
        envvar="SAL_SEED",
        rich_help_panel=SEARCH,
    ),
]
Policy = Annotated[
    str | None,
    typer.Option(
        help="Model name, folder or .gguf file, the URL of an SGLang server, smollm2 or tiny.",
        envvar="SAL_POLICY",
        rich_help_panel=MODELS,
    ),
]
Prm = Annotated[
    str | None,
    typer.Option(
        help="The process reward model: as --policy, or module:function, your own.",
        envvar="SAL_PRM",
        rich_help_panel=MODELS,
    ),
]
PrmFamily = Annotated[
    str | None,
    typer.Option(
        help="How the PRM is asked: a family, or NAME:key=value,... Its config tells by default.",
        envvar="SAL_PRM_FAMILY",
        rich_help_panel=MODELS,
    ),
]
PolicyKey = Annotated[
    str | None,
    typer.Option(
        metavar="KEY|@FILE",
        help="The API key of a policy given by its URL; in a file or in the environment it is not "
        "seen in the process list.",
        envvar="SAL_POLICY_KEY",
        rich_help_panel=MODELS,
        show_default=False,
    ),
]
PrmKey = Annotated[
    str | None,
    typer.Option(
        metavar="KEY|@FILE",
        help="The API key of a PRM given by its URL.",
        envvar="SAL_PRM_KEY",
        rich_help_panel=MODELS,
        show_default=False,
    ),
]
PolicyHeader = Annotated[
    list[str] | None,
    typer.Option(
        metavar="'NAME: VALUE'|@FILE",
        help="A header that the policy's server wants; may be repeated.",
        envvar="SAL_POLICY_HEADER",
        rich_help_panel=MODELS,
        show_default=False,
    ),
]
PrmHeader = Annotated[
    list[str] | None,
    typer.Option(
        metavar="'NAME: VALUE'|@FILE",
        help="A header that the PRM's server wants; may be repeated.",
        envvar="SAL_PRM_HEADER",
        rich_help_panel=MODELS,
        show_default=False,
    ),
]
SystemPrompt = Annotated[
    str | None,
    typer.Option(
        help="System prompt for a policy with a chat template ('' for none).",
        envvar="SAL_SYSTEM_PROMPT",
        rich_help_panel=MODELS,
    ),
]
PromptTemplate = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help=r"What the policy is asked, with {question} in it: the user's turn, or the whole "
        r"prompt of a base model; \n is a new line. The bare question by default.",
        envvar="SAL_PROMPT_TEMPLATE",
        rich_help_panel=MODELS,
        show_default=False,
    ),
]
Thinking = Annotated[
    bool | None,
    typer.Option(
        "--thinking/--no-thinking",
        help="The switch for reasoning in the policy's chat template; the template's own default "
        "else.",
        envvar="SAL_THINKING",
        rich_help_panel=MODELS,
        show_default=False,
    ),
]
PolicyReplicas = Annotated[
    int | None,
    typer.Option(
        help="As many servers of the policy, behind SGLang's model gateway on a CPU.",
        envvar="SAL_POLICY_REPLICAS",
        rich_help_panel=MODELS,
        min=1,
    ),
]
PrmReplicas = Annotated[
    int | None,
    typer.Option(
        help="As many servers of the PRM.",
        envvar="SAL_PRM_REPLICAS",
        rich_help_panel=MODELS,
        min=1,
    ),
]
PolicyArg = Annotated[
    list[str] | None,
    typer.Option(
        help="Passed through to the policy's SGLang server: --policy-arg=--tp=2.",
        envvar="SAL_POLICY_ARG",
        rich_help_panel=MODELS,
    ),
]
PrmArg = Annotated[
    list[str] | None,
    typer.Option(
        help="Passed through to the PRM's SGLang server.",
        envvar="SAL_PRM_ARG",
        rich_help_panel=MODELS,
    ),
]
Deterministic = Annotated[
    bool,
    typer.Option(
        "--deterministic",
        help="Servers that repeat themselves to the last bit; the plan says what it costs "
        "(docs/seeds.md).",
        envvar="SAL_DETERMINISTIC",
        rich_help_panel=MODELS,
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        help="Hub name (NAME or NAME:CONFIG), a preset (gsm8k, math500, aime24, ...), a JSON, CSV "
        "or parquet file, packed or not, a folder, or tiny (docs/data.md).",
        envvar="SAL_DATASET",
        rich_help_panel=PROBLEMS,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        help="Split of the dataset; test where there is one.",
        envvar="SAL_SPLIT",
        rich_help_panel=PROBLEMS,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        help="The first problems only.",
        envvar="SAL_LIMIT",
        rich_help_panel=PROBLEMS,
        min=1,
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Part I of N of the problems, every N-th, in a folder of its own: for job arrays; "
        "`sal merge` puts them together (docs/clusters.md).",
        envvar="SAL_SHARD",
        rich_help_panel=PROBLEMS,
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Search on a Ray cluster, with a worker on each node: HOST:6379, or auto on one of "
        "them (docs/scale.md).",
        envvar="SAL_RAY",
        rich_help_panel=RUN,
    ),
]
QuestionField = Annotated[
    str | None,
    typer.Option(
        help="Field of the question, or its path (a.b); found by its name by default.",
        envvar="SAL_QUESTION_FIELD",
        rich_help_panel=PROBLEMS,
    ),
]
AnswerField = Annotated[
    str | None,
    typer.Option(
        help="Field of the right answer, or its path (a.b); found by its name by default.",
        envvar="SAL_ANSWER_FIELD",
        rich_help_panel=PROBLEMS,
    ),
]
ChoicesField = Annotated[
    str | None,
    typer.Option(
        help="Field with the choices of a multiple choice: a list, or fields joined with +.",
        envvar="SAL_CHOICES_FIELD",
        rich_help_panel=PROBLEMS,
    ),
]
Grader = Annotated[
    str | None,
    typer.Option(
        metavar="math|exact|MODULE:FUNCTION",
        help="Who says what is right: mathematics (by default), exact match, or a function of "
        "yours of a completion and the right answer.",
        envvar="SAL_GRADER",
        rich_help_panel=PROBLEMS,
    ),
]
Extract = Annotated[
    Literal["strict", "flexible"] | None,
    typer.Option(
        help="How the answer of a completion is found; flexible: its last number where it states "
        "none; strict by default.",
        envvar="SAL_EXTRACT",
        rich_help_panel=PROBLEMS,
    ),
]
Ns = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,...",
        help="Show what fewer samples of the same run come to, at these n.",
        envvar="SAL_NS",
        rich_help_panel=RUN,
    ),
]
Answers = Annotated[
    Literal["any", "all"] | None,
    typer.Option(
        help="Where a row holds several right answers: any of them is enough, or all are wanted.",
        envvar="SAL_ANSWERS",
        rich_help_panel=PROBLEMS,
    ),
]
SkipBadRows = Annotated[
    bool,
    typer.Option(
        "--skip-bad-rows",
        help="Pass over rows that are no problems, and count them in the summary.",
        envvar="SAL_SKIP_BAD_ROWS",
        rich_help_panel=PROBLEMS,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="A new folder for the results; runs-out/STRATEGY-DATASET-TIME by default.",
        envvar="SAL_OUT",
        rich_help_panel=RUN,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        help="Go on with the run in this folder, as its recipe says; or start it there.",
        envvar="SAL_RESUME",
        rich_help_panel=RUN,
    ),
]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="With --resume: also search the problems again that failed.",
        envvar="SAL_RETRY_FAILED",
        rich_help_panel=RUN,
    ),
]
PushToHub = Annotated[
    str | None,
    typer.Option(
        metavar="REPO_ID",
        help="Publish the results as a dataset on the Hub, a revision a run (docs/export.md).",
        envvar="SAL_PUSH_TO_HUB",
        rich_help_panel=RUN,
    ),
]
PushLearned = Annotated[
    str | None,
    typer.Option(
        "--push-to-hub",
        metavar="REPO_ID",
        help="Publish the folder on the Hub, private (docs/export.md).",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print the plan and the resolved recipe; start nothing.",
        envvar="SAL_DRY_RUN",
        rich_help_panel=RUN,
    ),
]
Display = Annotated[
    DisplayName,
    typer.Option(
        help="How to follow the run, on stderr; auto is rich in a terminal, else plain.",
        envvar="SAL_DISPLAY",
        rich_help_panel=RUN,
    ),
]
StatusJson = Annotated[
    bool, typer.Option("--json", help="As JSON of a stable schema (docs/clusters.md).")
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print summary.json on stdout instead of the table.",
        envvar="SAL_JSON",
        rich_help_panel=RUN,
    ),
]
