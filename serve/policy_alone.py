"""Requests that the policy answers alone: handed to its own OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from sal.runtime.access import OPEN, Access
from sal.serve.errors import ApiError, unavailable, without_urls

_CONNECT_S = 15.0


@dataclass(eq=False, slots=True)
class Stream:
    """The chunks of a reply, and what its usage was once they have ended; None for unknown."""

    chunks: AsyncIterator[dict[str, Any]]
    tokens: int | None = None


@dataclass(eq=False)
class PolicyAlone:
    """The server at `url`, and the name that it knows its model by. Of one event loop."""

    url: str
    model: str
    access: Access = OPEN
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

    async def whole(self, path: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], int | None]:
        """The reply, and the tokens that were generated, None where it does not tell."""
        async with self._asked(path, body) as reply:
            told = _read(await reply.aread())
            return told, _generated(told.get("usage"))

    @asynccontextmanager
    async def stream(
        self, path: str, body: Mapping[str, Any], *, usage: bool
    ) -> AsyncIterator[Stream]:
        """The reply as it comes; the chunk with the usage is passed on where `usage` is wanted."""
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        async with self._asked(path, asked) as reply:

            async def chunks() -> AsyncIterator[dict[str, Any]]:
                async for line in reply.aiter_lines():
                    name, _, data = line.partition(":")
                    if name != "data" or data.strip() == "[DONE]":
                        continue
                    chunk = _read(data.encode())
                    if chunk.get("usage"):
                        stream.tokens = _generated(chunk["usage"])
                    if chunk.get("choices") or "error" in chunk or usage:
                        yield chunk

            stream = Stream(chunks())
            yield stream

    @asynccontextmanager
    async def _asked(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[httpx.Response]:
        """Within, the server answers; who leaves before its end aborts it there."""
        id = uuid.uuid4().hex
        named = {} if (body.get("n") or 1) > 1 else {"rid": id}  # SGLang's name of a request
        ended = False
        try:
            async with self._client.stream(
                "POST", path, content=orjson.dumps({**body, "model": self.model, **named})
            ) as reply:
                if reply.status_code != 200:
                    raise _refusal(reply.status_code, await reply.aread())
                yield reply
                ended = True
        except httpx.HTTPError as error:
            raise unavailable(
                f"the policy's server does not answer ({type(error).__name__})"
            ) from error
        finally:
            if not ended and named:
                await self._abort(id)

    async def _abort(self, id: str) -> None:
        async def abort() -> None:
            try:
                await self._client.post("/abort_request", json={"rid": id}, timeout=2.0)
            except httpx.HTTPError:
                return

        await asyncio.shield(asyncio.create_task(abort()))

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


def _generated(usage: Any) -> int | None:
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) else None


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
