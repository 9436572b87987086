"""Outcome reward models: one score for a whole solution, and none for its steps.

RLHFlow's (Xiong et al., 2024) reads the whole solution where its PRM reads the first step:

    user: {question} {solution}   assistant: +

The score is the softmax over the two verdicts at the token before the reply.
"""

from __future__ import annotations

from collections.abc import Sequence

from sal.verifiers.chat_turn import ChatTurnFamily
from sal.verifiers.contract import Prm
from sal.verifiers.interface import Scored, Traits, Verifier

SEPARATOR = "\n\n"


class OutcomeVerifier:
    """A `Verifier` of whole solutions over one of steps, to which each is a single step.

    Its `outcome` tells that it must not be asked about a solution that goes on: the score of every
    step is that of the solution which ends with the last of them.
    """

    outcome = True
    aggregate = "last"

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        traits = Traits.of(verifier)
        self.prefills, self.window = traits.prefills, traits.window
        self.check_question = traits.check_question

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """See `Verifier`; the same score for each of `steps`."""
        if not steps:
            return Scored(())
        scored = self._verifier.score(question, (), [SEPARATOR.join([*prefix, *steps])])
        return Scored(scored.scores * len(steps), scored.usage)


class OutcomeChatFamily(ChatTurnFamily):
    """RLHFlow's outcome reward models."""

    name = "outcome-chat"
    authors = "RLHFlow"
    aggregate = "last"  # one score
    pattern = r"Llama-?3\.1-8B-ORM-(Mistral|Deepseek)-Data"
    outcome = True

    def build(self, prm: Prm) -> OutcomeVerifier:
        return OutcomeVerifier(super().build(prm))


RLHFLOW = OutcomeChatFamily()
