"""Responses that notice when their client goes away, and end their work then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sal.serve.errors import ApiError
from sal.serve.gateway import Chunks, Tell, untold
from sal.serve.shapes import ALIVE, DONE, event

ALIVE_S = 10.0
"""A search that streams says at least so often that it lives."""

Work = Callable[[Tell], Coroutine[Any, Any, dict[str, Any]]]
"""Makes a reply, and tells its chunks meanwhile."""

Failed = Callable[[ApiError], Chunks]
"""The chunks that tell of an error in the middle of a stream."""


def _as_body(error: ApiError) -> Chunks:
    return [error.body()]


def error_response(error: ApiError) -> JSONResponse:
    """OpenAI's shape, and when to come again."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.body(), error.status, headers)


class Working(Response):
    """Sends what `work` makes, whole or as a stream; cancels it when the client has gone.

    `ended` is told the status: 499 where nobody waited for it any more, 500 for a defect of ours. A
    stream begins with the first chunk, so that what is refused before has a status of its own; what
    fails later is told as `failed` says. `done` is the last that a stream tells.
    """

    def __init__(
        self,
        work: Work,
        *,
        stream: bool,
        ended: Callable[[int], None],
        headers: dict[str, str] | None = None,
        failed: Failed = _as_body,
        done: bytes = DONE,
    ) -> None:
        self._failed = failed
        self._done = done
        self._work = work
        self._stream = stream
        self._ended = ended
        self._extra = headers or {}
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = asyncio.create_task(self._reply(scope, receive, send))
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({reply, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                reply.cancel()
            self._ended(await reply)
        except (asyncio.CancelledError, OSError):
            reply.cancel()
            self._ended(499)
            if not gone.done():  # the server ends
                raise
        except Exception:  # a defect of ours
            self._ended(500)
            raise
        finally:
            gone.cancel()

    async def _reply(self, scope: Scope, receive: Receive, send: Send) -> int:
        if self._stream:
            return await self._streamed(send)
        status = 200
        try:
            response = JSONResponse(await self._work(untold), headers=self._extra)
        except ApiError as error:
            response = error_response(error)
            status = error.status
        await response(scope, receive, send)
        return status

    async def _streamed(self, send: Send) -> int:
        events = _Events(send, self._extra)
        status = 200
        try:
            await self._work(events.tell)
        except ApiError as error:
            status = error.status
            if not events.begun:
                return await events.refuse(error)
            await events.tell(self._failed(error))
        await events.end(self._done)
        return status


class _Events:
    """The stream's side that is sent."""

    def __init__(self, send: Send, headers: dict[str, str]) -> None:
        self._send = send
        self._headers = headers
        self._last = 0.0
        self.begun = False

    async def tell(self, chunks: Chunks) -> None:
        """Send them; without any, a sign of life where there was none for long."""
        now = asyncio.get_running_loop().time()
        data = b"".join(map(event, chunks))
        if data or not self.begun or now - self._last >= ALIVE_S:
            self._last = now
            await self.send(data or ALIVE)

    async def send(self, data: bytes) -> None:
        if not self.begun:
            self.begun = True
            headers = {
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-cache",
                "X-Accel-Buffering": "no",
                **self._headers,
            }
            raw = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
            await self._send({"type": "http.response.start", "status": 200, "headers": raw})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def refuse(self, error: ApiError) -> int:
        response = error_response(error)
        await self._send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        await self._send({"type": "http.response.body", "body": response.body})
        return error.status

    async def end(self, done: bytes) -> None:
        if not self.begun:
            await self.send(ALIVE)
        await self._send({"type": "http.response.body", "body": done})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
