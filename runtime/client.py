"""The wire to one endpoint: pooled connections, retries inside a deadline, counted usage.

All engines of a process share one event loop in one daemon thread; any thread may call them.
"""

from __future__ import annotations

import asyncio
import atexit
import random
import threading
import weakref
from concurrent.futures import Future
from types import TracebackType
from typing import Any

import aiohttp
import orjson

from sal.runtime.errors import Aborted, Closed, EndpointError, Overloaded, Rejected, Unreachable
from sal.runtime.usage import Usage

Payload = dict[str, Any]
Reply = dict[str, Any]

_KEEPALIVE_S = 4.0  # below the server's 5 s, so that it rarely closes a connection under us
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
_SERVER_ERRORS = 3  # a request that breaks the server this often will go on doing so
_INFO_LIMIT_S = 15.0


class Engine:
    """A client of one SGLang endpoint.

    At most `max_inflight` requests are on the wire; the rest wait here, outside their deadline.
    `deadline_s` bounds one request with all its retries: connections that fail or break, a full
    queue (503), and, a few times only, other server errors are tried again with growing pauses.
    """

    def __init__(self, url: str, *, deadline_s: float = 600.0, max_inflight: int = 512) -> None:
        self.url = url.rstrip("/")
        self.deadline_s = deadline_s
        self._slots = asyncio.Semaphore(max_inflight)
        self._usage = Usage()
        self._closed = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._jitter = random.Random(0)
        self._loop = _shared_loop()
        _open_engines.add(self)

    @property
    def usage(self) -> Usage:
        """Everything this endpoint was asked to do so far, from its own replies."""
        return self._usage

    def submit(self, payload: Payload) -> Future[Reply]:
        """Send `payload` to /generate; the future holds the reply, or an `EndpointError`.

        Cancelling the future drops the connection, on which the server gives the request up.
        """
        if self._closed:
            raise Closed("the client is shut down", url=self.url)
        return asyncio.run_coroutine_threadsafe(
            self._tracked("POST", "/generate", payload, self.deadline_s), self._loop
        )

    def generate(self, payload: Payload) -> Reply:
        """`submit`, and wait for the reply."""
        return self.submit(payload).result()

    def abort(self, rid: str) -> None:
        """Ask the server to give up the request `rid`; SGLang aborts every rid that starts so."""
        if not self._closed:
            asyncio.run_coroutine_threadsafe(
                self._tracked("POST", "/abort_request", {"rid": rid}, _INFO_LIMIT_S), self._loop
            )

    def info(self) -> dict[str, Any]:
        """What the server says of its model: `model_path`, `tokenizer_path` and more.

        Raises `Unreachable` if nothing answers within seconds.
        """
        if self._closed:
            raise Closed("the client is shut down", url=self.url)
        return asyncio.run_coroutine_threadsafe(self._info(), self._loop).result()

    def close(self) -> None:
        """End the client: whatever is in flight raises `Closed` at once."""
        if self._closed:
            return
        self._closed = True
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Below: on the loop's thread only.

    async def _tracked(
        self, method: str, path: str, payload: Payload | None, limit_s: float
    ) -> Reply:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine always runs in one
        self._tasks.add(task)
        try:
            if self._closed:
                raise Closed("the client was shut down", url=self.url)
            async with self._slots:
                return await self._attempts(method, path, payload, limit_s)
        except asyncio.CancelledError:
            if self._closed:
                raise Closed("the client was shut down", url=self.url) from None
            raise
        finally:
            self._tasks.discard(task)

    async def _attempts(
        self, method: str, path: str, payload: Payload | None, limit_s: float
    ) -> Reply:
        deadline = self._loop.time() + limit_s
        failure: EndpointError | None = None
        server_errors = 0
        attempt = 0
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._once(method, path, _renamed(payload, attempt))
            except TimeoutError:
                raise failure or Unreachable(
                    f"{self.url} gave no answer within {limit_s:g} s", url=self.url
                ) from None
            except (Overloaded, Unreachable) as error:
                failure = error
            except (aiohttp.ClientError, OSError) as error:
                failure = Unreachable(f"{self.url}: {error or type(error).__name__}", url=self.url)
            except _ServerError as error:
                failure = EndpointError(f"{self.url}: {error}", url=self.url)
                server_errors += 1
                if server_errors == _SERVER_ERRORS:
                    raise failure from None
            pause = min(_FIRST_WAIT_S * 2.0**attempt, _LONGEST_WAIT_S)
            pause *= 0.5 + 0.5 * self._jitter.random()
            attempt += 1
            if self._loop.time() + pause >= deadline:
                raise failure
            await asyncio.sleep(pause)

    async def _once(self, method: str, path: str, payload: Payload | None) -> Reply:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_INFO_LIMIT_S),
            )
        async with self._session.request(
            method,
            self.url + path,
            data=None if payload is None else orjson.dumps(payload),
            headers={"Content-Type": "application/json"},
        ) as reply:
            body = await reply.read()
        if reply.status == 200:
            return self._accept(body)
        message = f"HTTP {reply.status}: {_message(body)}"
        if reply.status in (429, 503):
            raise Overloaded(f"{self.url}: {message}", url=self.url)
        if 400 <= reply.status < 500:
            raise Rejected(f"{self.url}: {message}", url=self.url)
        raise _ServerError(message)

    def _accept(self, body: bytes) -> Reply:
        reply: Reply = orjson.loads(body) if body[:1] == b"{" else {}
        meta = reply.get("meta_info")
        if meta is None:
            return reply
        self._usage = self._usage + Usage(
            meta.get("prompt_tokens", 0),
            meta.get("cached_tokens", 0),
            meta.get("completion_tokens", 0),
            1,
        )
        finish = meta.get("finish_reason") or {}
        if finish.get("type") == "abort":
            raise Aborted(f"{self.url}: {finish.get('message') or 'aborted'}", url=self.url)
        return reply

    async def _info(self) -> dict[str, Any]:
        try:
            return await self._tracked("GET", "/model_info", None, _INFO_LIMIT_S)
        except Rejected:  # sglang-router knows the older path only
            return await self._tracked("GET", "/get_model_info", None, _INFO_LIMIT_S)

    async def _shut(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


class _ServerError(Exception):
    """A 5xx that is not a full queue."""


def _renamed(payload: Payload | None, attempt: int) -> Payload | None:
    """A retry under a new rid: the server may still hold the old one, and refuses to see it twice.

    The new one starts with the old, so that `abort` reaches it too.
    """
    if attempt and payload and "rid" in payload:
        return {**payload, "rid": f"{payload['rid']}.{attempt}"}
    return payload


def _message(body: bytes) -> str:
    try:
        error = orjson.loads(body)
        while isinstance(error, dict):
            error = error.get("error") or error.get("message") or error.get("detail") or str(error)
        return str(error)
    except orjson.JSONDecodeError:
        return body[:500].decode(errors="replace").strip()


_open_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _shared_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = _new_loop()
            threading.Thread(target=_loop.run_forever, name="sal-wire", daemon=True).start()
        return _loop


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not on every platform
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@atexit.register
def _close_engines() -> None:
    for engine in list(_open_engines):
        engine.close()
