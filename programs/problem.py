"""The question that a program searches on."""

from __future__ import annotations

from dataclasses import dataclass

SEPARATOR = "\n\n"
"""Ends a step (design: step boundary)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A question, its id (seeds derive from it), and the rendered prompt that the policy continues.

    `prompt` defaults to the bare question and a blank line; for a chat model, pass the text that
    its tokenizer's template renders. `prompt_ids` are that prompt's token ids where known; a
    backend that speaks token ids then never tokenises it again.
    """

    question: str
    id: str = ""
    prompt: str = ""
    prompt_ids: tuple[int, ...] | None = None

    @classmethod
    def of(cls, problem: str | Problem) -> Problem:
        """A plain question becomes a problem whose prompt is the question and a blank line."""
        if isinstance(problem, str):
            problem = cls(question=problem)
        if problem.prompt:
            return problem
        return cls(problem.question, problem.id, problem.question + SEPARATOR)
