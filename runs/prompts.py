"""How a question is put to the policy: its chat template, or a prompt of the user's."""

from __future__ import annotations

from dataclasses import replace

import jinja2

from sal.programs.problem import Problem
from sal.runs.errors import RunError
from sal.runs.problems import Question
from sal.runs.recipe import Recipe
from sal.runtime.tokenizer import Tokenizer
from sal.strategies.thinking import TAGS

REVISE = (
    "There may be a mistake in the solution above. Look for it. Then write the whole solution "
    "again, from the first step to the final answer, in the same form."
)
"""Asks a chat model for a revision, whether or not there is a mistake (SCoRe, Kumar et al., arXiv
2409.12917, asks so; to say that there is one makes models leave right answers, Huang et al., arXiv
2310.01798)."""

PLACE = "{question}"
"""Where the question stands in a prompt template."""


def check_template(template: str | None) -> None:
    """Raise `RunError` for a prompt template without a place for the question."""
    if template is not None and PLACE not in template:
        raise RunError(f"--prompt-template must hold {PLACE}, where the question stands")


class Prompts:
    """The prompts of a run, by its recipe."""

    def __init__(self, recipe: Recipe) -> None:
        self._system = recipe.system_prompt
        self._template = recipe.prompt_template
        self._thinking = recipe.thinking
        self._forces = bool(
            recipe.params.get("think_budget") or recipe.params.get("think_extensions")
        )

    def check(self, tokenizer: Tokenizer | None) -> list[str]:
        """What whoever follows the run should know of its prompts, before one is sent.

        Raises `RunError` for what the policy's template cannot do.
        """
        switched = False
        if tokenizer is not None and tokenizer.template:
            try:
                tokenizer.chat("?", self._system)
                on, off = (tokenizer.chat("?", thinking=thinks) for thinks in (True, False))
            except jinja2.TemplateError as error:
                raise RunError(f"policy: its chat template takes no question: {error}") from error
            switched = on != off
        if self._thinking is not None and not switched:
            flag = "--thinking" if self._thinking else "--no-thinking"
            raise RunError(f"{flag}: the policy has no chat template with a switch for it")
        return _notes(tokenizer) if self._forces and tokenizer is not None else []

    def problem(self, question: Question, tokenizer: Tokenizer | None) -> Problem:
        """`question` in the policy's chat template where it has one; else as it is."""
        text = self._asked(question.text)
        problem = Problem(question.text, question.id)
        if self._template is not None:
            problem = replace(problem, prompt=text)
        if tokenizer is not None and tokenizer.template:
            problem = replace(
                problem,
                prompt=tokenizer.render(self.messages(question), thinking=self._thinking),
                revision=tokenizer.between_replies(REVISE, thinking=self._thinking),
            )
        return Problem.of(problem)

    def messages(self, question: Question) -> list[dict[str, str]]:
        """The turns that the policy replies to, as chat templates take them.

        A system turn of the question's own stands in place of the recipe's prompt.
        """
        turns = [turn.message() for turn in question.turns]
        if not turns:
            turns = [{"role": "user", "content": self._asked(question.text)}]
        if self._system and turns[0]["role"] != "system":
            turns.insert(0, {"role": "system", "content": self._system})
        return turns

    def _asked(self, question: str) -> str:
        return question if self._template is None else self._template.replace(PLACE, question)


def _notes(tokenizer: Tokenizer) -> list[str]:
    """What makes that the reasoning of a policy cannot be forced."""
    known = [t for t in TAGS if t.opens in tokenizer.added or t.closes in tokenizer.template]
    shown = [t for t in known if t.opens not in tokenizer.hidden]
    if shown:
        return []
    if known:
        return [
            f"policy: {known[0].opens} is a token that no text shows: its reasoning is not seen, "
            "and --think-budget does nothing"
        ]
    return [
        "policy: neither its template nor its vocabulary has a reasoning section: --think-budget "
        f"does nothing unless it opens one itself, with {TAGS[0].opens}"
    ]
