"""Questions that are conversations: lists of turns, as data sets for chat models hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sal.runs.errors import BadRow

Role = Literal["system", "user", "assistant"]

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
}

_NAMES = ({"role", "content"}, {"from", "value"})


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said."""

    role: Role
    content: str

    def message(self) -> dict[str, str]:
        """As chat templates take it."""
        return {"role": self.role, "content": self.content}


def is_turns(value: Any) -> bool:
    """Whether `value` is a list of turns: `role` and `content`, or ShareGPT's `from`, `value`."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(turn, dict) and any(names <= turn.keys() for names in _NAMES)
            for turn in value
        )
    )


def prompt_turns(value: Sequence[dict[str, Any]], field: str) -> tuple[Turn, ...]:
    """The turns up to and with the user's last; a reply behind it is the answer, and no prompt.

    Raises `BadRow` for turns that are no question: of another role, without text, or none of the
    user's.
    """
    turns = [turn_of(turn, field) for turn in value]
    if turns[-1].role == "assistant":
        turns.pop()
    if not turns or turns[-1].role != "user":
        raise BadRow(f"field {field!r} has no turn of the user's for the policy to reply to")
    if any(turn.role == "system" for turn in turns[1:]):
        raise BadRow(f"field {field!r} has a system turn behind another turn")
    return tuple(turns)


def replied(value: Sequence[dict[str, Any]], field: str) -> str | None:
    """What the assistant says last, if nothing is behind it; raises `BadRow` as `prompt_turns`."""
    last = turn_of(value[-1], field)
    return last.content if last.role == "assistant" else None


def question_of(turns: Sequence[Turn]) -> str:
    """What was said but for the system's turn, as one text: what a PRM is asked about."""
    return "\n\n".join(turn.content for turn in turns if turn.role != "system")


def turn_of(turn: dict[str, Any], field: str) -> Turn:
    """One turn of the column `field`; raises `BadRow` for what is none."""
    openai = {"role", "content"} <= turn.keys()
    said, content = (turn[name] for name in (("role", "content") if openai else ("from", "value")))
    role = _ROLES.get(str(said).strip().lower())
    if role is None:
        known = "system, user and assistant"
        raise BadRow(f"field {field!r} has a turn of {said!r:.40}; there are {known}")
    if isinstance(content, list):  # OpenAI's parts
        texts = [part["text"] for part in content if _is_text(part)]
        if len(texts) < len(content):
            raise BadRow(f"field {field!r} has a turn with more than text in it")
        content = "".join(texts)
    if not isinstance(content, str) or not content.strip():
        raise BadRow(f"field {field!r} has a turn without text")
    return Turn(role, content)


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)
