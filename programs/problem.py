"""The question that a program searches on."""

from __future__ import annotations

from dataclasses import dataclass, replace

SEPARATOR = "\n\n"
"""Ends a step (design: step boundary)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A question, its id (seeds derive from it), and the rendered prompt that the policy continues.

    `prompt` defaults to the bare question and a blank line; for a chat model, pass the text that
    its tokenizer's template renders. A program that is called inside an app's own puts it behind
    the app's text: pass "" where that holds the question already.

    `revision` stands between one attempt and the next where a program has the policy try again
    with its attempts in view. It defaults to the bare question once more, between blank lines; for
    a chat model, pass what its template renders there (the end of the assistant's turn, a request
    of the user's, the start of the next turn).
    """

    question: str
    id: str = ""
    prompt: str | None = None
    revision: str | None = None

    @property
    def name(self) -> str:
        """The problem, as seeds know it."""
        return self.id or self.question

    @classmethod
    def of(cls, problem: str | Problem) -> Problem:
        """A problem with all its texts: what it lacks is made of the bare question."""
        if isinstance(problem, str):
            problem = cls(question=problem)
        bare = problem.question + SEPARATOR
        return replace(
            problem,
            prompt=bare if problem.prompt is None else problem.prompt,
            revision=SEPARATOR + bare if problem.revision is None else problem.revision,
        )
