"""Replies of /v1/responses, made from those of a chat: whole, or event by event as it comes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sal.serve.errors import ApiError
from sal.serve.gateway import Chunks, Tell, untold
from sal.serve.response_items import Event, Item
from sal.serve.streams import Work

_CUT = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a response is incomplete, by what ended the chat."""

_ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "user": None,
}
"""Fields of the request that a response tells again, and what it tells where they were not said."""


@dataclass
class ApiResponse:
    """One reply to `body`, which grows by the chunks of a chat's stream."""

    body: Mapping[str, Any]
    _id: str = ""
    _created: int = field(default_factory=lambda: int(time.time()))
    _items: list[Item] = field(default_factory=list)
    _calls: dict[int, Item] = field(default_factory=dict)
    _finish: str = "stop"
    _usage: Mapping[str, Any] | None = None
    _sal: Mapping[str, Any] | None = None
    _events: int = 0

    async def made_of(self, chat: Work, stream: bool, tell: Tell) -> dict[str, Any]:
        """The reply that `chat` makes; of a stream, told while it does, and then empty."""
        if not stream:
            return self.whole(await chat(untold))

        async def told(chunks: Chunks) -> None:
            await tell(self.events(chunks))

        await chat(told)
        await tell(self.end())
        return {}

    def whole(self, chat: Mapping[str, Any]) -> dict[str, Any]:
        """The reply in which a whole chat ended."""
        for choice in chat.get("choices") or []:
            calls = choice["message"].get("tool_calls") or []
            calls = [{**call, "index": i} for i, call in enumerate(calls)]
            delta = {**choice["message"], "tool_calls": calls}
            list(self._chunk({**chat, "choices": [{**choice, "delta": delta}]}))
        list(self._answered())
        return self._shown(self._status)

    def events(self, chunks: Chunks) -> list[Event]:
        """What a stream tells of some more chunks."""
        return [event for chunk in chunks for event in self._numbered(self._chunk(chunk))]

    def end(self) -> list[Event]:
        """What it tells behind the last one."""
        last = [*self._answered(), *self._close()]
        reply = self._shown(self._status)
        over = {"type": f"response.{reply['status']}", "response": reply}
        return list(self._numbered([*last, over]))

    def failed(self, error: ApiError) -> list[Event]:
        """What it tells where the reply breaks off."""
        reply = self._shown("failed")
        reply["error"] = {"code": "server_error", "message": str(error)}
        return list(self._numbered([{"type": "response.failed", "response": reply}]))

    def _chunk(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        if not self._id:
            self._id = "resp_" + str(chunk.get("id", "")).removeprefix("chatcmpl-")
            for name in ("created", "in_progress"):
                yield {"type": f"response.{name}", "response": self._shown("in_progress")}
        self._usage = chunk.get("usage") or self._usage
        self._sal = chunk.get("sal") or self._sal
        for choice in chunk.get("choices") or []:
            delta = choice["delta"]
            thought = delta.get("reasoning_content") or delta.get("reasoning")
            yield from self._add("reasoning", thought)
            yield from self._add("message", delta.get("content"))
            for call in delta.get("tool_calls") or []:
                yield from self._call(call)
            self._finish = choice.get("finish_reason") or self._finish

    def _add(self, kind: str, text: str | None) -> Iterator[Event]:
        if text:
            if not self._items or self._items[-1].kind != kind:
                yield from self._open(kind)
            yield self._items[-1].add(text)

    def _call(self, call: Mapping[str, Any]) -> Iterator[Event]:
        """A piece of a call: the first has its id and name, the others more of its arguments."""
        number, function = call.get("index", 0), call.get("function") or {}
        if number not in self._calls:
            told = {"call_id": call.get("id") or "", "name": function.get("name") or ""}
            yield from self._open("function_call", told)
            self._calls[number] = self._items[-1]
        if function.get("arguments"):
            yield self._calls[number].add(function["arguments"])

    def _open(self, kind: str, told: Mapping[str, Any] | None = None) -> Iterator[Event]:
        yield from self._close()
        item = Item(kind, len(self._items), self._id.removeprefix("resp_"), dict(told or {}))
        self._items.append(item)
        yield from item.opened()

    def _close(self) -> list[Event]:
        """The end of the last item, which nothing more is added to."""
        return self._items[-1].closed(self._status) if self._items else []

    @property
    def _status(self) -> str:
        return "incomplete" if self._finish in _CUT else "completed"

    def _answered(self) -> Iterator[Event]:
        """An answer without a word is one, too."""
        if all(item.kind == "reasoning" for item in self._items):
            yield from self._open("message")

    def _shown(self, status: str) -> dict[str, Any]:
        reason = _CUT.get(self._finish)
        over = status != "in_progress"
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "model": self.body["model"],
            "status": status,
            "error": None,
            "incomplete_details": {"reason": reason} if status == "incomplete" else None,
            "output": [item.shown(self._status) for item in self._items] if over else [],
            "usage": _usage(self._usage) if over else None,
            "store": False,
            "previous_response_id": None,
            "truncation": "disabled",
            **{name: self.body.get(name, usual) for name, usual in _ECHOED.items()},
            **({"sal": self._sal} if over and self._sal else {}),
        }

    def _numbered(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            yield {**event, "sequence_number": self._events}
            self._events += 1


def _usage(usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A chat's usage under other names; what the engine does not tell of its cache is 0."""
    if usage is None:
        return None
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    details = usage.get("completion_tokens_details") or {}
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": details.get("reasoning_tokens") or 0},
        "total_tokens": usage["total_tokens"],
    }
