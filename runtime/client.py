"""The wire to one endpoint: pooled connections, retries inside a deadline, counted usage."""

from __future__ import annotations

import atexit
import random
import threading
import weakref
from collections.abc import Callable
from contextlib import nullcontext, suppress
from time import monotonic
from typing import Any, NamedTuple, Self

import orjson

from sal.runtime import gateway, replies
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
    Rejected,
    Unreachable,
    error_of,
)
from sal.runtime.model_size import model_context
from sal.runtime.replicas import Replicas
from sal.runtime.usage import Usage, generate_usage, openai_usage

Payload = dict[str, Any]
Reply = dict[str, Any]
Check = Callable[[Reply], str] | None
"""Says what is wrong with a reply, "" for nothing."""

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
_TIMES = 3
"""What a server does this often with one request, it will go on doing."""

_FAILING_LIMIT_S = 120.0
"""How long a server may answer 5xx to everything."""

_INFO_LIMIT_S = 15.0
_WORKER_LIMIT_S = 5.0
_FLUSH_LIMIT_S = 10.0
_LOADS_LIMIT_S = 2.0
_ABORT_LIMIT_S = 2.0
_NAMED = ("/generate", "/classify")
"""Where a request may say its id."""

_GIVEN_UP = object()
"""Stands for the last request that was given up, until another is answered."""


class Retrying(NamedTuple):
    """Requests that failed, and are tried again: why the last did, how many there are, the seconds
    since the first failure, and the seconds until the first of them is given up."""

    reason: str
    requests: int
    since: float
    left: float


class Engine:
    """A client of one SGLang endpoint, for any number of threads.

    At most `max_inflight` requests are on the wire; the rest wait here, outside their deadline.
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
        self.adapter: str | None = None
        """The LoRA adapter that `generate` names, where its server has one."""
        self._replicas: Replicas | None = None
        self._behind_gateway = False
        self._workers: tuple[float, list[Engine]] = 0.0, []
        """Those behind a gateway, and when they were listed."""
        self._access = access
        self._slots = threading.Semaphore(max_inflight)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._usage = Usage()
        self._in_flight = 0
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._jitter = random.Random(0)
        self._well = 0.0
        """When the latest of the attempts that succeeded began."""
        self._wrote = False
        """Whether a reply held text."""
        self._failed: dict[object, tuple[str, float, float]] = {}
        """Of requests that are tried again: why, since when, until when."""
        _open_engines.add(self)

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
        with self._lock:
            failed = list(self._failed.values())
        if not failed:
            return None
        reason, _, _ = failed[-1]
        now = monotonic()
        return Retrying(
            reason,
            len(failed),
            now - min(since for _, since, _ in failed),
            max(0.0, min(until for _, _, until in failed) - now),
        )

    def generate(self, payload: Payload) -> Reply:
        """Send `payload` to /generate and wait for the reply; raises an `EndpointError`."""
        payload = self._of_adapter(payload)
        with nullcontext() if self._replicas is None else self._replicas.one() as replica:
            if replica is not None:
                payload = {"routed_dp_rank": replica, **payload}
            return self._ask("/generate", payload, self.deadline_s, self._generated)

    def _of_adapter(self, payload: Payload) -> Payload:
        """`payload` for the adapter, where there is one; without its name the base answers."""
        return payload if self.adapter is None else {"lora_path": self.adapter, **payload}

    def find_replicas(self) -> None:
        """Ask the server how many it has; from now on all requests of a problem go to one of them.

        One that does not say has none, unless it is a gateway, which is told the problem.
        """
        count = None
        with suppress(Misread):  # no SGLang server, as a judge's need not be
            count = self.server_info().get("dp_size")
        self._behind_gateway = bool(self._workers[1])
        self._replicas = Replicas(count) if isinstance(count, int) and count > 1 else None

    def classify(self, payload: Payload) -> Reply:
        """Send `payload` to /classify, the read-out of a model's head; raises an `EndpointError`.

        Of a server that was started with `--is-embedding`, on one input.
        """
        payload = self._of_adapter(payload)
        return self._ask("/classify", payload, self.deadline_s, replies.classified)

    def complete(self, payload: Payload) -> Reply:
        """Send `payload` to the OpenAI-compatible /v1/completions; raises an `EndpointError`."""
        return self._ask(self._v1("completions"), payload, self.deadline_s, replies.completed)

    def chat(self, payload: Payload) -> Reply:
        """Send `payload` to the OpenAI-compatible /v1/chat/completions; raises `EndpointError`."""
        return self._ask(self._v1("chat/completions"), payload, self.deadline_s, replies.chatted)

    def models(self) -> list[str]:
        """The names of the models that an OpenAI-compatible server lists."""
        listed = self._ask(self._v1("models"), None, _INFO_LIMIT_S, replies.listed)
        return [model["id"] for model in listed["data"]]

    def _v1(self, path: str) -> str:
        """Below a URL that may end in /v1, as OpenAI's clients want it, or not."""
        return f"/{path}" if self.url.endswith("/v1") else f"/v1/{path}"

    def info(self) -> dict[str, Any]:
        """What the server says of its model: `model_path`, `tokenizer_path` and more.

        Raises `Unreachable` if nothing answers within seconds.
        """
        try:
            return self._ask("/model_info", None, _INFO_LIMIT_S, replies.described)
        except Missing:  # sglang-router knows the older path only
            return self._ask("/get_model_info", None, _INFO_LIMIT_S, replies.described)

    def server_info(self) -> dict[str, Any]:
        """What the server says of itself: its arguments and its state.

        Of a gateway, its workers' together, as far as they answer; {} where none does. Raises
        `Misread` where that is no JSON object.
        """
        try:
            return self._ask("/server_info", None, _INFO_LIMIT_S, replies.an_object)
        except (Closed, Misread):
            raise
        except EndpointError:
            return gateway.together([worker._info_at_once() for worker in self._listed()])

    def _info_at_once(self) -> dict[str, Any]:
        """As `server_info`, of a worker, which may be gone: {} then, and at once."""
        try:
            return self._once("/server_info", None, _WORKER_LIMIT_S, replies.an_object)
        except (_Again, EndpointError):
            return {}

    def workers(self) -> list[str]:
        """The URLs of the servers behind a gateway; none of what is no gateway."""
        return [worker.url for worker in self._listed()]

    def _listed(self) -> list[Engine]:
        """Clients of the gateway's workers, as of a moment ago."""
        when, known = self._workers
        if monotonic() - when < gateway.FRESH_S:
            return known
        urls: list[str] = []
        with suppress(_Again, EndpointError):
            told = self._once("/workers", None, _INFO_LIMIT_S, replies.an_object)
            urls = [url for url in gateway.listed(told) if url != self.url]
        clients = {worker.url: worker for worker in known}
        listed = [clients.get(url) or Engine(url, self._access) for url in urls]
        self._workers = monotonic(), listed
        return listed

    def context(self) -> int | None:
        """The longest text that the server takes, in tokens; None where that is not told here."""
        told = self.server_info()
        asked = told.get("context_length")
        if isinstance(asked, int):
            return asked
        if told.get("json_model_override_args") not in (None, "{}"):
            return None
        return model_context(str(told.get("model_path") or ""))

    def flush_cache(self) -> bool:
        """Empty the server's cache, once it has nothing to do; False when it refuses, being busy.

        Raises an `EndpointError` when nothing answers.
        """
        try:
            self._ask(f"/flush_cache?timeout={_FLUSH_LIMIT_S:g}", {}, 2 * _FLUSH_LIMIT_S, None)
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
            loads = self._once(
                self._v1("loads?include=core"), None, _LOADS_LIMIT_S, replies.an_object
            )["loads"]
            # None before the first decoding step; the last sum is of the generated tokens.
            return sum(int((load["decode_moments"] or [0])[-1]) for load in loads)
        except (_Again, EndpointError, LookupError, TypeError, ValueError):
            return None

    def close(self) -> None:
        """End the client: whatever is in flight raises `Closed` at once."""
        with self._lock:
            self._closed.set()
            busy, idle, self._idle = set(self._busy), self._idle, []
            _, workers = self._workers
        for connection in busy:
            connection.drop()
        for connection in idle:
            connection.close()
        for worker in workers:
            worker.close()

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
                return self._attempts(path, payload, limit_s, check)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _attempts(self, path: str, payload: Payload | None, limit_s: float, check: Check) -> Reply:
        began = monotonic()
        deadline = began + limit_s
        mine = object()
        first = last = 0.0
        attempt = alone = damaged = 0
        try:
            while True:
                try:
                    reply = self._once(path, payload, deadline - began, check)
                    self._well = max(self._well, began)
                    if self._failed:
                        with self._lock:
                            self._failed.pop(mine, None)
                            self._failed.pop(_GIVEN_UP, None)
                    return reply
                except _Again as again:
                    failure, least = again.error, again.retry_after
                    timed_out = again.timed_out
                now = monotonic()
                if timed_out and now >= deadline:  # a reply that takes too long, or none of any
                    failure.at_fault = self._well <= (first or (began + now) / 2)
                    raise failure
                # Someone who asked after this failed last was answered: it is this request.
                alone = alone + 1 if first and self._well > last else 0
                first, last = first or now, now
                until = deadline
                if isinstance(failure, Failing):
                    until = min(deadline, first + _FAILING_LIMIT_S)
                    if alone >= _TIMES:
                        raise failure
                damaged += isinstance(failure, Misread)
                with self._lock:
                    self._failed[mine] = (str(failure), first, until)
                pause = min(_FIRST_WAIT_S * 2.0**attempt, _LONGEST_WAIT_S)
                pause = max(least, pause * (0.5 + 0.5 * self._jitter.random()))
                attempt += 1
                if damaged == _TIMES or now + pause >= until:
                    failure.at_fault = alone == 0 or isinstance(failure, Overloaded | Misread)
                    raise failure
                self._closed.wait(pause)
                began = monotonic()
        except BaseException as error:
            with self._lock:
                gone = self._failed.pop(mine, None)
                if gone is not None and isinstance(error, EndpointError) and error.at_fault:
                    self._failed[_GIVEN_UP] = gone
            raise

    def _once(self, path: str, payload: Payload | None, limit_s: float, check: Check) -> Reply:
        connection = self._take()
        calls = CALLS.get()
        more = gateway.routing() if self._behind_gateway else ()
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
            raise _Again(Unreachable(said, url=self.url), timed_out=late) from None
        finally:
            self._give_back(connection, broken)
        if answer.status == 200:
            return self._accept(path, answer, check)
        raise self._refusal(path, answer)

    def abort(self, id: str) -> None:
        """Have the server abort a request, if it has it still: behind a gateway, whichever has."""
        for server in self._listed() if self._behind_gateway else [self]:
            with suppress(_Again, EndpointError):
                server._once("/abort_request", {"rid": id}, _ABORT_LIMIT_S, None)

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
            return _Again(kind(said, url=self.url), answer.retry_after)
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
            raise _Again(Misread(said, url=self.url))
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

    def _generated(self, reply: Reply) -> str:
        wrong = replies.generated(reply)
        if wrong or self._wrote:
            return wrong
        if reply.get("text"):
            self._wrote = True
            return ""
        meta = reply["meta_info"]
        tokens = meta.get("completion_tokens") or 0
        if tokens > 1 and meta["finish_reason"]["type"] != "abort":
            return f"{tokens} tokens were generated, and their text is empty"
        return ""


def _body(payload: Payload | None) -> bytes | None:
    return None if payload is None else orjson.dumps(payload)


class _Again(Exception):
    """An attempt that failed with `error`, and that may be made again after `retry_after` s."""

    def __init__(
        self, error: EndpointError, retry_after: float = 0.0, *, timed_out: bool = False
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after
        self.timed_out = timed_out


_open_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


@atexit.register
def _close_engines() -> None:
    for engine in list(_open_engines):
        engine.close()
