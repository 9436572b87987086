"""What the output of a response is made of: what was thought, what was said, what was called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]

_PREFIX = {"reasoning": "rs", "message": "msg", "function_call": "fc"}
_EVENTS = {
    "reasoning": "reasoning_summary_text",
    "message": "output_text",
    "function_call": "function_call_arguments",
}
"""The events that tell an item's text are called so."""

_PART = {"reasoning": "reasoning_summary_part", "message": "content_part"}
_INDEX = {"reasoning": {"summary_index": 0}, "message": {"content_index": 0}}


@dataclass
class Item:
    """One, of `kind` reasoning, message or function_call, whose text grows.

    `told` is what a call has beside its arguments: its id and its name.
    """

    kind: str
    index: int
    response: str
    told: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    @property
    def id(self) -> str:
        return f"{_PREFIX[self.kind]}_{self.response}_{self.index}"

    def shown(self, status: str) -> dict[str, Any]:
        """As it stands in the output."""
        common = {"id": self.id, "type": self.kind}
        if self.kind == "reasoning":
            return {**common, "summary": [self._part()] if self.text else []}
        if self.kind == "message":
            return {**common, "role": "assistant", "status": status, "content": [self._part()]}
        return {**common, **self.told, "arguments": self.text, "status": status}

    def opened(self) -> list[Event]:
        """It begins."""
        empty = self.shown("in_progress")
        empty |= {"content": []} if self.kind == "message" else {}
        added = {
            "type": "response.output_item.added",
            "output_index": self.index,
            "item": empty,
        }
        return [added, *self._about_part("added")]

    def add(self, text: str) -> Event:
        """More of its text."""
        self.text += text
        return self._event(f"{_EVENTS[self.kind]}.delta", delta=text, **self._logprobs)

    def closed(self, status: str) -> list[Event]:
        """It is whole."""
        if self.kind == "function_call":
            last = {"arguments": self.text, "name": self.told["name"]}
        else:
            last = {"text": self.text, **self._logprobs}
        over = {
            "type": "response.output_item.done",
            "output_index": self.index,
            "item": self.shown(status),
        }
        done = self._event(f"{_EVENTS[self.kind]}.done", **last)
        return [done, *self._about_part("done"), over]

    @property
    def _logprobs(self) -> Mapping[str, Any]:
        return {"logprobs": []} if self.kind == "message" else {}

    def _part(self) -> dict[str, Any]:
        if self.kind == "reasoning":
            return {"type": "summary_text", "text": self.text}
        return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": []}

    def _about_part(self, what: str) -> list[Event]:
        if self.kind not in _PART:
            return []
        return [self._event(f"{_PART[self.kind]}.{what}", part=self._part())]

    def _event(self, name: str, /, **more: Any) -> Event:
        return {
            "type": f"response.{name}",
            "item_id": self.id,
            "output_index": self.index,
            **_INDEX.get(self.kind, {}),
            **more,
        }
