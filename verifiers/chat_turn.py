"""RLHFlow's format (Xiong et al., 2024): every step is a user's turn, every verdict a reply.

    user: {question} {step 1}   assistant: +   user: {step 2}   assistant: +   ...

All earlier replies are the good verdict, whatever they were scored: that is how these models were
trained. The score of a step is the softmax over the two verdicts at the token before its reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.causal import CausalFamily
from sal.verifiers.contract import Prm
from sal.verifiers.dialogue import template_parts
from sal.verifiers.plain_text import neutraliser
from sal.verifiers.rendering import Rendered, check_verdicts, verdict_id


class ChatTurn:
    """A PRM that gives its verdict as an assistant's reply, in its own chat template."""

    def __init__(self, tokenizer: Tokenizer, good: str | int = "+", bad: str | int = "-") -> None:
        self._tokenizer = tokenizer
        self.good = verdict_id(tokenizer, good)
        self.bad = verdict_id(tokenizer, bad)
        self._plain = neutraliser(tokenizer.added)
        self._head, self._reply, self._turn = template_parts(tokenizer)

    def render(self, question: str, steps: Sequence[str]) -> Rendered:
        first, *others = steps
        ids = self._encode(self._head, f"{question} {first}")
        tags = [len(ids) - 1]
        for step in others:
            ids += [self.good, *self._encode(self._turn, step)]
            tags.append(len(ids) - 1)
        return Rendered(tuple(ids), tuple(tags))

    def _encode(self, before: str, content: str) -> list[int]:
        """From where a turn begins to where its reply is due. Templates trim what users say."""
        text = before + self._plain(content).strip() + self._reply
        return self._tokenizer.encode(text)


@dataclass(frozen=True, slots=True)
class ChatTurnOptions:
    """The two verdicts: ids, or texts whose last token is meant."""

    good: str | int = "+"
    bad: str | int = "-"

    def __post_init__(self) -> None:
        check_verdicts(self.good, self.bad)


class ChatTurnFamily(CausalFamily):
    """RLHFlow's PRMs, and any chat model that is asked for a verdict in their way."""

    name = "chat-turn"
    authors = "RLHFlow"
    aggregate = "mean"  # RLHFlow's own evaluation
    pattern = r"Llama-?3\.1-8B-PRM-(Mistral|Deepseek)-Data"
    Options = ChatTurnOptions

    def format(self, prm: Prm) -> ChatTurn:
        return ChatTurn(prm.tokenizer, prm.options.good, prm.options.bad)


RLHFLOW = ChatTurnFamily()
