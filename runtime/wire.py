"""The wire to one endpoint: pooled connections, retries, errors with names, counted usage."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Any, Self

import orjson

from sal.runtime import replies
from sal.runtime.access import OPEN, Access
from sal.runtime.calls import CALLS
from sal.runtime.connection import Answer, Broken, Connection, TimedOut, Untrusted
from sal.runtime.endpoint_errors import (
    Aborted,
    Closed,
    Denied,
    EndpointError,
    Failing,
    Misread,
    Missing,
    Overloaded,
    Unreachable,
    error_of,
)
from sal.runtime.retries import Again, Retries, Retrying
from sal.runtime.usage import Usage, generate_usage, openai_usage

Payload = dict[str, Any]
Reply = dict[str, Any]
Check = Callable[[Reply], str] | None
"""Says what is wrong with a reply, "" for nothing."""

_ABORT_LIMIT_S = 2.0
_NAMED = ("/generate", "/classify")
"""Where a request may say its id."""


class Wire:
    """Requests to one endpoint, from any number of threads.

    At most `max_inflight` are on the wire; the rest wait here, outside their deadline.
    `deadline_s` bounds one request with all its retries, which have growing pauses, or those that
    the server asks for (Retry-After): connections that fail or break, a full queue, other server
    errors, and, a few times only, replies that are none. What is still wrong then is the
    endpoint's fault (`EndpointError.at_fault`), unless it answers others meanwhile.
    """

    def __init__(
        self,
        url: str,
        access: Access = OPEN,
        *,
        deadline_s: float = 600.0,
        max_inflight: int = 512,
    ) -> None:
        self.url = url.rstrip("/")
        self.deadline_s = deadline_s
        self._access = access
        self._slots = threading.Semaphore(max_inflight)
        self._closed = threading.Event()
        self._retries = Retries(self._closed)
        self._lock = threading.Lock()
        self._usage = Usage()
        self._in_flight = 0
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        _open.add(self)

    @property
    def usage(self) -> Usage:
        """Everything this endpoint was asked to do so far, from its own replies."""
        return self._usage

    @property
    def in_flight(self) -> int:
        """How many requests are on the wire, or wait here for it or for their next attempt."""
        return self._in_flight

    @property
    def retrying(self) -> Retrying | None:
        """What is being tried again at this moment."""
        return self._retries.now

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

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, path: str, payload: Payload | None, limit_s: float, check: Check) -> Reply:
        """One request, once there is a slot for it."""
        with self._lock:
            self._in_flight += 1
        calls = CALLS.get()
        try:
            with nullcontext() if calls is None else calls.turn(self), self._slots:
                return self._retries.run(
                    lambda left_s: self._once(path, payload, left_s, check), limit_s
                )
        finally:
            with self._lock:
                self._in_flight -= 1

    def _once(self, path: str, payload: Payload | None, limit_s: float, check: Check) -> Reply:
        connection = self._take()
        calls = CALLS.get()
        more = self._headers()
        broken = True
        try:
            if calls is None:
                answer = connection.exchange(self.url + path, _body(payload), limit_s, more)
            else:
                with calls.one(connection.drop, self.abort) as id:
                    named = path in _NAMED and payload is not None
                    body = _body({"rid": id, **(payload or {})} if named else payload)
                    answer = connection.exchange(self.url + path, body, limit_s, more)
            broken = False
        except Untrusted as error:
            raise Unreachable(
                f"{self.url}: {error} (SSL_CERT_FILE names a file of authorities to trust)",
                url=self.url,
                at_fault=True,
            ) from None
        except Broken as error:
            if self._closed.is_set():
                raise Closed("the client was shut down", url=self.url) from None
            if calls is not None:
                calls.check()
            late = isinstance(error, TimedOut)
            said = f"{self.url}: {self._access.scrub(str(error))}"
            if late:
                said = f"{self.url}{path} gave no answer in time ({error})"
            raise Again(Unreachable(said, url=self.url), timed_out=late) from None
        finally:
            self._give_back(connection, broken)
        if answer.status == 200:
            return self._accept(path, answer, check)
        raise self._refusal(path, answer)

    def abort(self, id: str) -> None:
        """Have the server abort a request, if it has it still: of several, whichever has."""
        for server in self._servers():
            with suppress(Again, EndpointError):
                server._once("/abort_request", {"rid": id}, _ABORT_LIMIT_S, None)

    def _servers(self) -> Sequence[Wire]:
        """Those that work on its requests."""
        return [self]

    def _headers(self) -> tuple[str, ...]:
        """Of the request that is being sent, beside those of all."""
        return ()

    def _refusal(self, path: str, answer: Answer) -> Exception:
        """What to raise for a status other than 200."""
        kind = error_of(answer.status)
        words = self._access.scrub(replies.message(answer.body))
        said = f"{self.url}{path}: HTTP {answer.status}: {words}"
        if kind is Denied:
            said = f"{said} ({self._access.remedy()})"
        if kind in (Overloaded, Failing):
            if answer.retry_after:
                said = f"{said} (it asks to wait {answer.retry_after} s)"
            return Again(kind(said, url=self.url), answer.retry_after)
        return kind(said, url=self.url, at_fault=kind in (Denied, Missing))

    def _take(self) -> Connection:
        with self._lock:
            if self._closed.is_set():
                raise Closed("the client is shut down", url=self.url)
            connection = self._idle.pop() if self._idle else Connection(self.url, self._access)
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

    def _accept(self, path: str, answer: Answer, check: Check) -> Reply:
        """The reply in a 200; counts what it tells of its cost."""
        if check is None:
            return {}
        wrong = ""
        try:
            reply: Reply = orjson.loads(answer.body)
            wrong = check(reply) if isinstance(reply, dict) else "no JSON object"
        except orjson.JSONDecodeError:
            wrong = "no whole JSON"
        if wrong:
            said = self._access.scrub(
                f"{self.url}{path} answered 200 ({answer.content_type}) with what is no reply of "
                f"SGLang's: {wrong}: {replies.excerpt(answer.body)}"
            )
            raise Again(Misread(said, url=self.url))
        meta = reply.get("meta_info")
        if meta is None:
            if "choices" in reply:
                self._count(openai_usage(reply.get("usage") or {}))
            return reply
        nothing = {"completion_tokens": 0} if check is replies.classified else {}
        self._count(generate_usage({**meta, **nothing}))
        finish = meta["finish_reason"]
        if finish["type"] == "abort":
            raise Aborted(f"{self.url}: {finish.get('message') or 'aborted'}", url=self.url)
        return reply


def _body(payload: Payload | None) -> bytes | None:
    return None if payload is None else orjson.dumps(payload)


_open: weakref.WeakSet[Wire] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for wire in list(_open):
        wire.close()
