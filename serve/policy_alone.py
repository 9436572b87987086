"""Requests that the policy answers alone: handed to its own OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import sleep
from typing import Any

import httpx
import orjson

from sal.runtime.access import OPEN, Access
from sal.runtime.calls import AGAIN_S
from sal.serve.errors import ApiError, unavailable, without_urls
from sal.serve.plain_chat import TEXTS, AsChat, text_body

_CONNECT_S = 15.0


@dataclass(eq=False)
class PolicyAlone:
    """The server at `url`, and the name that it knows its model by. Of one event loop.

    `text_of` is there where the model has no chat template: a conversation as it goes on behind it.
    `abort` ends a request there, by its id; it may block for a moment.
    """

    url: str
    model: str
    abort: Callable[[str], object]
    access: Access = OPEN
    text_of: Callable[[Sequence[dict[str, Any]]], str] | None = None
    limit_s: float = 600.0
    transport: httpx.AsyncBaseTransport | None = None
    _client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        lines = [line.partition(":") for line in self.access.lines()]
        self._client = httpx.AsyncClient(
            base_url=self.url.removesuffix("/v1"),
            headers={
                "Content-Type": "application/json",
                **{name: value.strip() for name, _, value in lines},
            },
            timeout=httpx.Timeout(self.limit_s, connect=_CONNECT_S),
            limits=httpx.Limits(max_connections=None),
            transport=self.transport,
        )

    async def whole(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The reply."""
        path, body, chat = self._plain(path, body)
        async with self._asked(path, body) as reply:
            told = _read(await reply.aread())
            if not told.get("choices"):
                raise unavailable("the policy's server answers without a choice", status=502)
            return told if chat is None else chat.whole(told)

    @asynccontextmanager
    async def stream(
        self, path: str, body: Mapping[str, Any]
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The chunks of the reply as they come, the last with its usage."""
        path, body, chat = self._plain(path, body)
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        async with self._asked(path, asked) as reply:

            async def chunks() -> AsyncIterator[dict[str, Any]]:
                async for line in reply.aiter_lines():
                    name, _, data = line.partition(":")
                    if name == "data" and data.strip() != "[DONE]":
                        chunk = _read(data.encode())
                        if "error" in chunk:
                            raise _refusal(502, data.encode())
                        yield chunk if chat is None else chat.chunk(chunk)

            yield chunks()

    def _plain(
        self, path: str, body: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, Any], AsChat | None]:
        """What is sent, and what makes a chat of the reply where a text is asked for instead."""
        if self.text_of is None or path == TEXTS:
            return path, body, None
        return TEXTS, text_body(body, self.text_of(body["messages"])), AsChat()

    @asynccontextmanager
    async def _asked(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[httpx.Response]:
        """Within, the server answers; who leaves before its end aborts it there."""
        id = uuid.uuid4().hex
        over = False
        try:
            async with self._client.stream(
                "POST",
                path,
                content=orjson.dumps({**body, "model": self.model, "rid": id}),  # SGLang's name
            ) as reply:
                if reply.status_code != 200:
                    over = reply.status_code < 500  # it was refused, and is not there
                    raise _refusal(reply.status_code, await reply.aread())
                yield reply
                over = True
        except httpx.HTTPError as error:
            over = over or isinstance(error, httpx.ConnectError)
            raise unavailable(
                f"the policy's server does not answer ({type(error).__name__})"
            ) from error
        finally:
            if not over:
                await asyncio.shield(asyncio.to_thread(self._end, id))

    def _end(self, id: str) -> None:
        """Twice, because the request may not have come there yet."""
        self.abort(id)
        sleep(AGAIN_S)
        self.abort(id)

    async def close(self) -> None:
        await self._client.aclose()


def _read(data: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        raise unavailable("the policy's server answers with no JSON object", status=502)
    return told


def _refusal(status: int, body: bytes) -> ApiError:
    """The server's own words, in OpenAI's shape."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = {}
    error = told.get("error", told) if isinstance(told, dict) else {}
    message = error.get("message") if isinstance(error, dict) else None
    words = without_urls(str(message or "the policy's server gives no reason"))[:500]
    if status in (400, 413, 422):
        return ApiError(400, words)
    if status == 429 or status == 503:
        return ApiError(503, words, type="server_error", code="overloaded", retry_after=1.0)
    return unavailable(f"the policy's server answers {status}: {words}", status=502)
