"""The question that a program searches on."""

from __future__ import annotations

from dataclasses import dataclass, replace

SEPARATOR = "\n\n"
"""Ends a step (design: step boundary)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A question, its id (seeds derive from it), and the rendered prompt that the policy continues.

    `prompt` defaults to the bare question and a blank line; for a chat model, pass the text that
    its tokenizer's template renders. `prompt_ids` are that prompt's token ids where known; a
    backend that speaks token ids then never tokenises it again.

    `revision` stands between one attempt and the next where a program has the policy try again
    with its attempts in view. It defaults to the bare question once more, between blank lines; for
    a chat model, pass what its template renders there (the end of the assistant's turn, a request
    of the user's, the start of the next turn).
    """

    question: str
    id: str = ""
    prompt: str = ""
    prompt_ids: tuple[int, ...] | None = None
    revision: str = ""

    @classmethod
    def of(cls, problem: str | Problem) -> Problem:
        """A problem with all its texts: what it lacks is made of the bare question."""
        if isinstance(problem, str):
            problem = cls(question=problem)
        prompt = problem.question + SEPARATOR
        return replace(
            problem,
            prompt=problem.prompt or prompt,
            revision=problem.revision or SEPARATOR + prompt,
        )
