"""A gateway on a policy and a PRM that follow a script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import uvicorn

from sal.programs.problem import SEPARATOR, Problem
from sal.programs.vote import boxed_answers
from sal.runs.problems import Question
from sal.runs.registry import find_strategy
from sal.runtime.calls import CALLS
from sal.runtime.endpoint_errors import Aborted
from sal.runtime.frontend.backend import Policy
from sal.runtime.policy import Reply, Request
from sal.runtime.usage import Usage
from sal.serve.app import make_app
from sal.serve.gateway import Gateway
from sal.serve.keys import Keys
from sal.serve.ledger import Ledger
from sal.serve.limits import Limits
from sal.serve.models import Catalogue
from sal.serve.policy_alone import PolicyAlone
from sal.serve.queue import Queue, Room
from sal.serve.searcher import Searcher
from sal.verifiers.interface import Scored

PATIENCE = 30
SERVED = ["dvts", "best-of-n", "beam", "majority", "greedy", "adaptive-dvts", "ets"]


class Letters:
    """A tokenizer with a token for every character, and no chat template."""

    template = ""
    reply_end = None

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        return list(map(ord, text))


@dataclass
class Held:
    """Requests that stay on the wire until they are aborted: how many there are, and were."""

    here: set[str] = field(default_factory=set)
    dropped: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    some: threading.Event = field(default_factory=threading.Event)
    told: threading.Event = field(default_factory=threading.Event)


class Writer(Policy):
    """Writes a step, then the number of letters of its question as the answer.

    `held` keeps every request for good; `failing` is raised in its place.
    """

    def __init__(self, held: Held | None = None, failing: Exception | None = None) -> None:
        super().__init__()
        self.held = held
        self.failing = failing
        self.tokenizer = Letters()
        self.context = 10_000
        self.requests: list[Request] = []
        self.steps = ["First I count.", "It is \\boxed{{{0}}}."]

    def write(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.failing is not None:
            raise self.failing
        if self.held is not None:
            self._wait(self.held)
        question, _, solution = request.text.rpartition("?" + SEPARATOR)
        done = min(solution.count(SEPARATOR), len(self.steps) - 1)
        text = self.steps[done].format(len(question))
        more = done + 1 < len(self.steps) and SEPARATOR in request.stop
        if SEPARATOR not in request.stop:
            text = SEPARATOR.join(self.steps[done:]).format(len(question))
        usage = Usage(len(request.text), len(request.text) - 1, len(text), 1)
        if len(text) > request.max_tokens:
            cut = Usage(len(request.text), 0, request.max_tokens, 1)
            return Reply(text[: request.max_tokens], "length", usage=cut)
        if more:
            return Reply(text + SEPARATOR, "stop", SEPARATOR, usage=usage)
        return Reply(text, "end", usage=usage)

    def _wait(self, held: Held) -> None:
        calls = CALLS.get()
        assert calls is not None, "a request that nobody could abort"
        dropped = threading.Event()

        def abort(id: str) -> None:
            held.aborted.append(id)
            held.told.set()

        with calls.one(dropped.set, abort) as id:
            held.here.add(id)
            held.some.set()
            assert dropped.wait(PATIENCE)
            held.dropped.append(id)
            held.here.discard(id)
        raise Aborted("gone", at_fault=True)


class Half:
    """A PRM that gives every step a half, and later steps more."""

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        scores = tuple(0.5 + 0.1 * (len(prefix) + i) for i in range(len(steps)))
        return Scored(scores, Usage(prompt_tokens=10, cached_tokens=4, requests=1))


@dataclass
class Scripted:
    """The two engines."""

    backend: Any
    verifier: Any = field(default_factory=Half)

    def problem(self, question: Question) -> Problem:
        return Problem.of(Problem(question.text))


LIMITS = Limits(
    strategy="dvts", budget=8, max_budget=32, max_tokens=500, seconds=60, params={"width": 4}
)


def catalogue(served: Sequence[str] = SERVED) -> Catalogue:
    return Catalogue("the-policy", list(served), find_strategy, 1_700_000_000)


def gateway(
    backend: Any = None,
    *,
    limits: Limits = LIMITS,
    room: int = 64,
    longest: int = 4,
    keys: Keys = Keys(),
    tokens_an_hour: int | None = None,
    policy: Callable[[httpx.Request], httpx.Response] | None = None,
) -> Gateway:
    """`policy` answers what is handed on."""
    transport = httpx.MockTransport(policy or (lambda _: httpx.Response(404)))
    return Gateway(
        catalogue=catalogue(),
        limits=limits,
        searcher=Searcher(Scripted(backend or Writer()), find_strategy, boxed_answers),
        policy_alone=PolicyAlone("http://policy", "served", _nothing, transport=transport),
        queue=Queue(Room(room), longest),
        ledger=Ledger(tokens_an_hour),
        keys=keys,
    )


def _nothing(id: str) -> None:
    """No request of these is under way for long."""


def page(flight: Any) -> str:
    return f"<html>{flight.id}</html>"


@contextmanager
def listening(of: Gateway | None = None) -> Iterator[str]:
    """A real server; its URL."""
    config = uvicorn.Config(make_app(of or gateway(), page), port=0, log_level="warning")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    thread = threading.Thread(target=server.run, args=([socket],), daemon=True)
    thread.start()
    until = time.monotonic() + PATIENCE
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < until
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def strict(url: str) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{url}/v1", api_key="none", max_retries=0, _strict_response_validation=True
    )
