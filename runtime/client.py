"""The wire to one endpoint: pooled connections, retries inside a deadline, counted usage."""

from __future__ import annotations

import atexit
import random
import threading
import weakref
from time import monotonic
from types import TracebackType
from typing import Any, Self

import orjson

from sal.runtime.connection import Broken, Connection, TimedOut
from sal.runtime.endpoint_errors import (
    Aborted,
    Closed,
    EndpointError,
    Overloaded,
    Rejected,
    Unreachable,
)
from sal.runtime.usage import Usage, openai_usage

Payload = dict[str, Any]
Reply = dict[str, Any]

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
_SERVER_ERRORS = 3  # a request that breaks the server this often will go on doing so
_INFO_LIMIT_S = 15.0
_FLUSH_LIMIT_S = 10.0
_LOADS_LIMIT_S = 2.0


class Engine:
    """A client of one SGLang endpoint, for any number of threads.

    At most `max_inflight` requests are on the wire; the rest wait here, outside their deadline.
    `deadline_s` bounds one request with all its retries: connections that fail or break, a full
    queue (503), and, a few times only, other server errors are tried again with growing pauses.
    """

    def __init__(self, url: str, *, deadline_s: float = 600.0, max_inflight: int = 512) -> None:
        self.url = url.rstrip("/")
        self.deadline_s = deadline_s
        self._slots = threading.Semaphore(max_inflight)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._usage = Usage()
        self._in_flight = 0
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._jitter = random.Random(0)
        _open_engines.add(self)

    @property
    def usage(self) -> Usage:
        """Everything this endpoint was asked to do so far, from its own replies."""
        return self._usage

    @property
    def in_flight(self) -> int:
        """How many requests are on the wire, or wait here for it or for their next attempt."""
        return self._in_flight

    def generate(self, payload: Payload) -> Reply:
        """Send `payload` to /generate and wait for the reply; raises an `EndpointError`."""
        return self._ask("/generate", payload, self.deadline_s)

    def complete(self, payload: Payload) -> Reply:
        """Send `payload` to the OpenAI-compatible /v1/completions; raises an `EndpointError`."""
        return self._ask(self._v1("completions"), payload, self.deadline_s)

    def models(self) -> list[str]:
        """The names of the models that an OpenAI-compatible server lists."""
        listed = self._ask(self._v1("models"), None, _INFO_LIMIT_S)
        return [model["id"] for model in listed["data"]]

    def _v1(self, path: str) -> str:
        """Below a URL that may end in /v1, as OpenAI's clients want it, or not."""
        return f"/{path}" if self.url.endswith("/v1") else f"/v1/{path}"

    def info(self) -> dict[str, Any]:
        """What the server says of its model: `model_path`, `tokenizer_path` and more.

        Raises `Unreachable` if nothing answers within seconds.
        """
        try:
            return self._ask("/model_info", None, _INFO_LIMIT_S)
        except Rejected:  # sglang-router knows the older path only
            return self._ask("/get_model_info", None, _INFO_LIMIT_S)

    def server_info(self) -> dict[str, Any]:
        """What the server says of itself: its arguments and its state; {} from a router."""
        try:
            return self._ask("/server_info", None, _INFO_LIMIT_S)
        except Closed:
            raise
        except EndpointError:
            return {}

    def flush_cache(self) -> bool:
        """Empty the server's cache, once it has nothing to do; False when it refuses, being busy.

        Raises an `EndpointError` when nothing answers.
        """
        try:
            self._ask(f"/flush_cache?timeout={_FLUSH_LIMIT_S:g}", {}, 2 * _FLUSH_LIMIT_S)
        except Rejected:
            return False
        return True

    def capacity(self) -> int | None:
        """How many requests the server runs at a time; None where it does not say (a router)."""
        try:
            states = [
                state["effective_max_running_requests_per_dp"]
                for state in self.server_info()["internal_states"]
            ]
            return sum(int(number) for number in states) or None
        except (KeyError, TypeError, ValueError):
            return None

    def generated(self) -> int | None:
        """Tokens that the server has generated since its start, for requests under way as well.

        Whoever asked for them. None where it does not say (a router, another engine, an older
        SGLang) or is too busy to; asked once, beside the requests that count as in flight.
        """
        try:
            loads = self._once(self._v1("loads?include=core"), None, _LOADS_LIMIT_S)["loads"]
            # None before the first decoding step; the last sum is of the generated tokens.
            return sum(int((load["decode_moments"] or [0])[-1]) for load in loads)
        except (Broken, _ServerError, EndpointError, LookupError, TypeError, ValueError):
            return None

    def close(self) -> None:
        """End the client: whatever is in flight raises `Closed` at once."""
        with self._lock:
            self._closed.set()
            busy, idle, self._idle = set(self._busy), self._idle, []
        for connection in busy:
            connection.drop()
        for connection in idle:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, path: str, payload: Payload | None, limit_s: float) -> Reply:
        """One request, once there is a slot for it."""
        with self._lock:
            self._in_flight += 1
        try:
            with self._slots:
                return self._attempts(path, payload, monotonic() + limit_s, limit_s)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _attempts(
        self, path: str, payload: Payload | None, deadline: float, limit_s: float
    ) -> Reply:
        failure: EndpointError | None = None
        server_errors = 0
        attempt = 0
        while True:
            try:
                return self._once(path, payload, deadline - monotonic())
            except Broken as error:
                if isinstance(error, TimedOut) and monotonic() >= deadline:
                    raise failure or Unreachable(
                        f"{self.url} gave no answer within {limit_s:g} s", url=self.url
                    ) from None
                failure = Unreachable(f"{self.url}: {error}", url=self.url)
            except Overloaded as error:
                failure = error
            except _ServerError as error:
                failure = EndpointError(f"{self.url}: {error}", url=self.url)
                server_errors += 1
                if server_errors == _SERVER_ERRORS:
                    raise failure from None
            pause = min(_FIRST_WAIT_S * 2.0**attempt, _LONGEST_WAIT_S)
            pause *= 0.5 + 0.5 * self._jitter.random()
            attempt += 1
            if monotonic() + pause >= deadline:
                raise failure
            self._closed.wait(pause)

    def _once(self, path: str, payload: Payload | None, limit_s: float) -> Reply:
        connection = self._take()
        broken = True
        try:
            status, body = connection.exchange(
                self.url + path, None if payload is None else orjson.dumps(payload), limit_s
            )
            broken = False
        except Broken:
            if self._closed.is_set():
                raise Closed("the client was shut down", url=self.url) from None
            raise
        finally:
            self._give_back(connection, broken)
        if status == 200:
            return self._accept(body)
        message = f"HTTP {status}: {_message(body)}"
        if status in (429, 503):
            raise Overloaded(f"{self.url}: {message}", url=self.url)
        if 300 <= status < 500:
            raise Rejected(f"{self.url}: {message}", url=self.url)
        raise _ServerError(message)

    def _take(self) -> Connection:
        with self._lock:
            if self._closed.is_set():
                raise Closed("the client is shut down", url=self.url)
            connection = self._idle.pop() if self._idle else Connection()
            self._busy.add(connection)
        return connection

    def _give_back(self, connection: Connection, broken: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if not broken and not self._closed.is_set():
                self._idle.append(connection)
                return
        connection.close()

    def _count(self, used: Usage) -> None:
        with self._lock:
            self._usage += used

    def _accept(self, body: bytes) -> Reply:
        reply: Reply = orjson.loads(body) if body[:1] == b"{" else {}
        meta = reply.get("meta_info")
        if meta is None:
            if "choices" in reply:
                self._count(openai_usage(reply.get("usage") or {}))
            return reply
        self._count(
            Usage(
                meta.get("prompt_tokens"),
                meta.get("cached_tokens"),
                meta.get("completion_tokens"),
                1,
            )
        )
        finish = meta.get("finish_reason") or {}
        if finish.get("type") == "abort":
            raise Aborted(f"{self.url}: {finish.get('message') or 'aborted'}", url=self.url)
        return reply


class _ServerError(Exception):
    """A 5xx that is not a full queue."""


def _message(body: bytes) -> str:
    try:
        error = orjson.loads(body)
        while isinstance(error, dict):
            error = error.get("error") or error.get("message") or error.get("detail") or str(error)
        return str(error)
    except orjson.JSONDecodeError:
        return body[:500].decode(errors="replace").strip()


_open_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


@atexit.register
def _close_engines() -> None:
    for engine in list(_open_engines):
        engine.close()
