"""Examples out of a run: what its searches found, right and wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from sal.learn.distill.examples import PAIRED, Example, Method
from sal.learn.distill.siblings import siblings
from sal.learn.errors import LabelError
from sal.learn.labelled import Gathered
from sal.learn.run_labels import CUT, EQUAL, FAILED
from sal.runs.dataset_rows import TINY
from sal.runs.endpoints import model_location
from sal.runs.found import FoundRun
from sal.runs.preset_data import filled_in, read_problems
from sal.runs.problems import Question
from sal.runs.prompts import Prompts
from sal.runs.recipe import Recipe
from sal.runs.results import CompletionRow, ResultRow
from sal.runs.settings import Settings, continued
from sal.runs.turns import Turn, turn_of
from sal.runtime.model_files import is_url
from sal.runtime.tokenizer import Tokenizer

UNJUDGED = "solutions that the grader could not judge"
UNSOLVED = "problems without a right solution"
UNPAIRED = "problems without a right and a wrong solution"

_JUDGED = ("match", "mismatch", "no_answer")


def examples_of(run: FoundRun, method: Method, base: str | None = None) -> Gathered[Example]:
    """What the policy can learn by `method` from the different solutions of each problem.

    Solutions that were cut are none. The prompts are those of the run, in the chat template of
    `base`, by default of the run's own policy, where that has one. Raises `RunError` for a run
    whose prompts cannot be told.
    """
    recipe = run.recipe
    if recipe.strategy == "revise":
        raise LabelError(f"{run.path}: a revision follows other attempts, not the question alone")
    prompts = Prompts(recipe)
    served = recipe.served.get("policy", {}).get("model_path")
    tokenizer = _tokenizer(base or served or recipe.policy)
    chat = bool(tokenizer.template)
    asked = _questions(recipe, run) if chat else {}
    gathered: Gathered[Example] = Gathered()
    for row in run.rows:
        prompt: str | tuple[Turn, ...]
        if chat:
            turns = prompts.messages(asked[row.id])
            prompt = tuple(turn_of(turn, recipe.question_field) for turn in turns)
        else:
            prompt = str(prompts.problem(Question(row.id, row.question, row.answer), None).prompt)
        dropped: Counter[str] = Counter()
        found = [
            Example(
                id=f"{row.id}/{number}",
                prompt=prompt,
                reply=reply,
                rejected=rejected,
                right=right,
                thinking=recipe.thinking if chat else None,
            )
            for number, (reply, rejected, right) in enumerate(_replies(row, method, dropped))
        ]
        gathered.add(Gathered(found, +dropped))
    return gathered


def _replies(
    row: ResultRow, method: Method, dropped: Counter[str]
) -> Iterator[tuple[str, str | None, bool | None]]:
    """The reply of each example, the rejected one, and whether it is right."""
    if row.error:
        dropped[FAILED] += 1
        return
    ended = [c for c in row.completions if c.finish == "eot" and c.steps]
    judged = [c for c in ended if c.verdict in _JUDGED]
    first: dict[tuple[str, ...], CompletionRow] = {}
    for c in judged:
        first.setdefault(c.steps, c)
    different = list(first.values())
    dropped[CUT] += len(row.completions) - len(ended)
    dropped[UNJUDGED] += len(ended) - len(judged)
    dropped[EQUAL] += len(judged) - len(different)
    right = [c for c in different if c.right]
    wrong = [c for c in different if not c.right]
    if method == "sft":
        dropped[UNSOLVED] += not right
        yield from ((c.text, None, None) for c in right)
    elif method in PAIRED:
        dropped[UNPAIRED] += not (right and wrong)
        for good, bad in siblings(_steps(right), _steps(wrong)):
            yield right[good].text, wrong[bad].text, None
    else:
        yield from ((c.text, None, c.right) for c in different)


def _steps(solutions: list[CompletionRow]) -> list[tuple[str, ...]]:
    return [solution.steps for solution in solutions]


def _tokenizer(policy: str) -> Tokenizer:
    """Of the policy that was asked; raises `LabelError` where it cannot be looked at."""
    model = str(model_location(policy, "policy"))
    tokenizer = None if is_url(model) else Tokenizer.load(model)
    if tokenizer is None:
        raise LabelError(
            f"{policy}: has no tokenizer here that tells how it was asked: name the model that "
            "is to learn, --base"
        )
    return tokenizer


def _questions(recipe: Recipe, run: FoundRun) -> Mapping[str, Question]:
    """The questions with all their turns, read again from where the run had them."""
    settings, preset = filled_in(continued(recipe, Settings(strategy="", params={})), TINY)
    problems = read_problems(settings, preset)
    if problems.digest != recipe.problems_digest:
        raise LabelError(f"{run.path}: {recipe.dataset} holds other problems than it did then")
    return {question.id: question for question in problems.questions}
