"""From what a user said to a resolved recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sal.grading.extract import Extraction
from sal.grading.graders import grader_digest
from sal.grading.names import MATH, GraderError
from sal.programs.caps import Caps
from sal.runs.aggregate import settle_aggregate
from sal.runs.errors import RunError
from sal.runs.golds import Answers
from sal.runs.preset_data import filled_in, read_problems
from sal.runs.problems import TINY, ProblemSet
from sal.runs.recipe import Recipe, installed_versions
from sal.runs.registry import Strategy, find_strategy
from sal.runs.rule_choice import check_rule
from sal.runs.shard import Shard
from sal.runtime.access import Access
from sal.runtime.model_files import is_url
from sal.runtime.plan import Role

HUB_POLICY = "meta-llama/Llama-3.2-1B-Instruct"
HUB_PRM = "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data"
HUB_DATASET = "HuggingFaceH4/MATH-500"

UNSAID: dict[str, Any] = {"seed": 0, "extract": "strict", "grader": MATH}
"""What a run has where its settings do not say."""

# The prompt of Llama's own MATH evaluation, as in huggingface/search-and-learn (config.py).
SYSTEM_PROMPT = """\
Solve the following math problem efficiently and clearly:

- For simple problems (2 steps or fewer):
Provide a concise solution with minimal explanation.

- For complex problems (3 steps or more):
Use this step-by-step format:

## Step 1: [Concise description]
[Brief explanation and calculations]

## Step 2: [Concise description]
[Brief explanation and calculations]

...

Regardless of the approach, always conclude with:

Therefore, the final answer is: $\\boxed{answer}$. I hope it is correct.

Where [answer] is just the final number or expression that solves the problem."""


def default_names(*, gpu: bool) -> dict[str, str]:
    """The models and the problems of a run that names none."""
    if not gpu:
        return dict.fromkeys(("policy", "prm", "dataset"), TINY)
    return {"policy": HUB_POLICY, "prm": HUB_PRM, "dataset": HUB_DATASET}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was said; None where the default is wanted. `params` holds only what was given."""

    strategy: str
    params: Mapping[str, Any]
    seed: int | None = None
    max_problem_tokens: int | None = None
    max_problem_seconds: float | None = None
    policy: str | None = None
    prm: str | None = None
    prm_family: str | None = None
    system_prompt: str | None = None
    prompt_template: str | None = None
    thinking: bool | None = None
    policy_args: tuple[str, ...] = ()
    prm_args: tuple[str, ...] = ()
    deterministic: bool = False
    dataset: str | None = None
    split: str | None = None
    limit: int | None = None
    question_field: str | None = None
    answer_field: str | None = None
    choices_field: str | None = None
    grader: str | None = None
    extract: Extraction | None = None
    ns: tuple[int, ...] = ()
    answers: Answers | None = None
    skip_bad_rows: bool = False
    shard: str | None = None

    def given(self) -> dict[str, str]:
        """What differs from the defaults, as the header of a run shows it."""
        said = asdict(self)
        said.pop("strategy")
        shown = dict(self.params) | {k: v for k, v in said.items() if k != "params"}
        if self.system_prompt:
            shown["system_prompt"] = repr(self.system_prompt[:20])
        if self.prompt_template:
            shown["prompt_template"] = repr(self.prompt_template[:20])
        for name in ("separator", "stop_strings"):
            if shown.get(name):
                shown[name] = repr(shown[name])
        defaults = Settings(strategy="", params={})
        return {
            key: " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            for key, value in shown.items()
            if value != getattr(defaults, key, None)
        }


_RECORDED = {f.name for f in fields(Settings)} & {f.name for f in fields(Recipe)}
"""What was said, in both."""


def continued(recipe: Recipe, said: Settings) -> Settings:
    """`recipe` said again, with what was `said` beside it: where they differ, it is another."""
    if said.strategy not in ("", recipe.strategy):
        return said
    nothing = Settings(strategy="", params={})
    values = {name: getattr(recipe, name) for name in _RECORDED}
    values["system_prompt"] = recipe.system_prompt or ""
    for f in fields(Settings):
        value = getattr(said, f.name)
        if value != getattr(nothing, f.name):
            values[f.name] = value
    values["params"] = {**recipe.params, **said.params}
    return Settings(**values)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that could start: nothing was started, and nothing was written."""

    recipe: Recipe
    strategy: Strategy
    params: Any
    problems: ProblemSet
    ns: tuple[int, ...] = ()
    """The n for which the summary says what fewer samples had found, beside its own choice."""

    @property
    def budget(self) -> int:
        """N, the completions that may be sampled on a problem; 1 for a strategy without search."""
        return int(getattr(self.params, "budget", 1))

    @property
    def caps(self) -> Caps:
        """The ends of a problem's search beside N. Raises ValueError for a limit that is none."""
        return Caps(self.recipe.max_problem_tokens, self.recipe.max_problem_seconds)


def prepare(
    settings: Settings,
    *,
    gpu: bool,
    access: Mapping[Role, Access] | None = None,
    problems: ProblemSet | None = None,
) -> Prepared:
    """Resolve every default; without a GPU they are the embedded tiny suite's.

    `problems` are those of the settings, where they were read before.
    Raises `RunError` for a strategy that is not there, parameters that it refuses, caps that are
    not positive, an n beyond the budget, a PRM of a family that is not served, problems that cannot
    be read, a grader that is not there, and a shard that is none.
    """
    # As late as this: they import the frontend.
    from sal.runs.endpoints import prm_spec
    from sal.runs.prompts import check_template

    strategy = find_strategy(settings.strategy)
    defaults = default_names(gpu=gpu)
    named = [getattr(settings, name) or default for name, default in defaults.items()]
    check_rule(settings.strategy, settings.params, named)
    params = strategy.params(settings.params)
    settings, preset = filled_in(settings, defaults["dataset"])
    grader = settings.grader or UNSAID["grader"]
    try:
        digest = grader_digest(grader)
    except GraderError as error:
        raise RunError(f"--grader {error}") from error
    problems = problems or read_problems(settings, preset)
    shard = None if settings.shard is None else _shard(settings.shard)
    if shard is not None:
        problems = problems.shard(shard)
    prm = settings.prm or (defaults["prm"] if strategy.program.needs_prm else None)
    try:
        params, aggregate = settle_aggregate(
            params, settings.params, lambda: prm_spec(prm, settings.prm_family, access)
        )
    except (ValueError, OSError) as error:
        raise RunError(" ".join(str(error).split())) from error
    check_template(settings.prompt_template)
    prompt = SYSTEM_PROMPT if settings.system_prompt is None else settings.system_prompt
    resolved = {
        "params": asdict(params),
        "policy": settings.policy or defaults["policy"],
        "prm": prm,
        "dataset": problems.dataset,
        "split": problems.split,
        "question_field": problems.question_field,
        "answer_field": problems.answer_field,
        "choices_field": problems.choices_field,
        "problems_digest": problems.digest,
        "preset": preset.name if preset else None,
        "grader": grader,
        "grader_digest": digest,
        "shard": str(shard) if shard else None,
        "system_prompt": prompt or None,
        "seed": settings.seed or UNSAID["seed"],
        "extract": settings.extract or UNSAID["extract"],
        "aggregate": aggregate,
        "sampling": _sampling(settings, gpu=gpu),
        "cache": "warm" if any(is_url(m) for m in (settings.policy, settings.prm) if m) else "cold",
        "versions": installed_versions(),
    }
    recipe = Recipe(**{name: getattr(settings, name) for name in _RECORDED} | resolved)
    prepared = Prepared(recipe, strategy, params, problems, settings.ns)
    if any(n > prepared.budget for n in settings.ns):
        raise RunError(f"--ns: this run samples N = {prepared.budget} completions and no more")
    try:
        _ = prepared.caps
    except ValueError as error:
        raise RunError(str(error)) from error
    return prepared


def _shard(text: str) -> Shard:
    try:
        return Shard.parse(text)
    except ValueError as error:
        raise RunError(f"--shard {error}") from error


def _sampling(settings: Settings, *, gpu: bool) -> str:
    """Whether the seeds of requests decide what the policy samples (docs/seeds.md)."""
    if settings.policy is not None and is_url(settings.policy):
        return "as the endpoint was started"
    if settings.deterministic:
        return "seeded, to the last bit"
    return "not seeded" if gpu else "seeded"
