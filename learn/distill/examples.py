"""What a policy learns from, one example at a time, and its columns in TRL's formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sal.runs.turns import Turn

Method = Literal["sft", "kto", "dpo", "orpo"]
"""Supervised fine-tuning on right replies; Kahneman-Tversky optimisation (Ethayarajh et al., arXiv
2402.01306) on right and wrong ones; direct (Rafailov et al., arXiv 2305.18290) and odds-ratio
(Hong et al., arXiv 2403.07691) preference optimisation on pairs of the two."""

METHODS: tuple[Method, ...] = get_args(Method)

PAIRED = ("dpo", "orpo")
"""Methods whose examples are pairs of a chosen reply and a rejected one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A prompt, and the reply that the policy is to give.

    `prompt` is a text that the policy goes on from, or the turns of a conversation that it replies
    to. `rejected` is the other reply of a pair; `right` says, for KTO, whether this is one to give
    or one not to give. `thinking` is the switch of the chat template, None where nobody said.
    """

    id: str
    prompt: str | tuple[Turn, ...]
    reply: str
    rejected: str | None = None
    right: bool | None = None
    thinking: bool | None = None

    def row(self, method: Method) -> dict[str, Any]:
        """The columns of TRL's format for `method`, the id beside them."""
        prompt: Any = self.prompt
        plain = isinstance(prompt, str)
        row: dict[str, Any] = {
            "id": self.id,
            "prompt": prompt if plain else [turn.message() for turn in prompt],
        }
        replies = {"completion": self.reply}
        if method in PAIRED:
            replies = {"chosen": self.reply, "rejected": str(self.rejected)}
        for name, text in replies.items():
            row[name] = text if plain else [{"role": "assistant", "content": text}]
        if method == "kto":
            row["label"] = self.right
        if self.thinking is not None:
            row["chat_template_kwargs"] = {"enable_thinking": self.thinking}
        return row


def thinking_of(content: Mapping[str, Any]) -> bool | None:
    """The switch that a row says."""
    said = content.get("chat_template_kwargs") or {}
    value = said.get("enable_thinking", said.get("thinking"))
    return value if isinstance(value, bool) else None
