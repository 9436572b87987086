"""One search for one request: from a conversation to a result, in a thread of its own."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Protocol

import jinja2

from sal.programs.problem import SEPARATOR, Problem
from sal.programs.trace import SearchResult, Trace
from sal.programs.vote import AnswerKeys
from sal.runs.problems import Question
from sal.runs.registry import Strategy
from sal.runs.turns import Turn, question_of
from sal.runtime.calls import Calls, belonging_to
from sal.runtime.endpoint_errors import Aborted, EndpointError, Rejected
from sal.runtime.policy import PolicyFault
from sal.serve.asked import Wanted
from sal.serve.errors import ApiError, unavailable, without_urls, wrong
from sal.serve.read_chat import turns_of

_SEEDS = 1 << 31

_LEAST_SIZE = 50
"""Nodes that a search without any is as large as."""

_NODE = 200
"""Characters that are as large as a node."""


class Engines(Protocol):
    """The two servers, as `runs.endpoints.RunEndpoints` has them."""

    @property
    def backend(self) -> Any: ...
    @property
    def verifier(self) -> Any: ...
    def problem(self, question: Question) -> Problem: ...


@dataclass(eq=False, slots=True)
class Flight:
    """A search from its admission on. `id` is 128 bits of chance: to know it is to be allowed."""

    wanted: Wanted
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    trace: Trace = field(default_factory=Trace)
    calls: Calls = field(default_factory=Calls)
    seed: int = 0
    problem: Problem | None = None
    prompt_tokens: int | None = None
    began: float = field(default_factory=monotonic)
    seconds: float = 0.0
    result: SearchResult | None = None
    error: str = ""

    def __post_init__(self) -> None:
        said = self.wanted.seed
        self.seed = secrets.randbelow(_SEEDS) if said is None else said

    @property
    def size(self) -> int:
        """What it takes to keep it, in nodes; so much of a conversation is as large as one."""
        said = [self.wanted.prompt or "", *(turn.content for turn in self.wanted.turns)]
        return _LEAST_SIZE + len(self.trace.nodes) + sum(map(len, said)) // _NODE

    @property
    def prompt(self) -> str:
        """What the policy goes on behind; "" before that is known."""
        return "" if self.problem is None else self.problem.prompt or ""


@dataclass(frozen=True, slots=True)
class Searcher:
    """Searches on `engines`. `keys` says which answers are equal."""

    engines: Engines
    find: Callable[[str], Strategy]
    keys: AnswerKeys

    def run(self, flight: Flight) -> SearchResult:
        """Blocks until the search has ended. Raises `ApiError`."""
        try:
            with belonging_to(flight.calls):
                flight.problem = self._problem(flight)
                flight.result = self._search(flight, flight.problem)
                return flight.result
        except ApiError as error:
            flight.error = str(error)
            raise
        except Aborted as error:
            flight.error = "aborted"
            raise unavailable("the search was aborted", code="aborted") from error
        except (EndpointError, PolicyFault) as error:
            flight.error = str(error)
            said = without_urls(str(error))
            if isinstance(error, Rejected) and not error.at_fault:
                raise ApiError(400, said, code="context_length_exceeded") from error
            raise unavailable(f"an engine does not do its work: {said}") from error
        finally:
            flight.seconds = monotonic() - flight.began

    def _search(self, flight: Flight, problem: Problem) -> SearchResult:
        state = self.find(flight.wanted.strategy).program.run(
            problem,
            params=flight.wanted.params,
            verifier=self.engines.verifier,
            answer_keys=self.keys,
            seed=flight.seed,
            trace=flight.trace,
            caps=flight.wanted.caps,
            backend=self.engines.backend,
        )
        result: SearchResult = state["result"]
        return result

    @property
    def template(self) -> bool:
        """Whether the policy has a chat template, or at least its server may."""
        tokenizer = getattr(self.engines.backend, "tokenizer", None)
        return tokenizer is None or bool(tokenizer.template)

    def text_of(self, messages: Sequence[dict[str, Any]]) -> str:
        """A conversation as the policy goes on behind it; raises `ApiError`."""
        return self.problem(turns_of(messages)).prompt or ""

    def problem(self, turns: tuple[Turn, ...]) -> Problem:
        """A conversation as it is asked of the policy; raises `ApiError`."""
        try:
            problem = self.engines.problem(
                Question(_name(turns), question_of(turns), "", turns=turns)
            )
        except jinja2.TemplateError as error:
            raise wrong("messages", f"the policy's chat template: {error}") from None
        tokenizer = getattr(self.engines.backend, "tokenizer", None)
        if (tokenizer is None or not tokenizer.template) and turns[0].role == "system":
            said = SEPARATOR.join(turn.content for turn in turns) + SEPARATOR
            return replace(problem, prompt=said)
        return problem

    def _problem(self, flight: Flight) -> Problem:
        """What is asked of the policy; raises `ApiError` for more than it can read."""
        wanted, backend = flight.wanted, self.engines.backend
        if wanted.prompt is not None:
            problem = Problem.of(Problem(wanted.prompt, prompt=wanted.prompt))
        else:
            problem = self.problem(wanted.turns)
        tokenizer = getattr(backend, "tokenizer", None)
        if tokenizer is None:
            return problem
        flight.prompt_tokens = len(tokenizer.encode(problem.prompt or "", special=True))
        context = backend.context
        if context is not None and flight.prompt_tokens >= context:
            raise ApiError(
                400,
                f"This model's maximum context length is {context} tokens, and your messages have "
                f"{flight.prompt_tokens}.",
                param="messages",
                code="context_length_exceeded",
            )
        return problem


def _name(turns: Sequence[Turn]) -> str:
    """What the engines know a conversation by, from its first question on to its last.

    So all its turns go to the replica that has read the ones before.
    """
    first = next(turn.content for turn in turns if turn.role == "user")
    return hashlib.sha256(first.encode()).hexdigest()[:32]


class Recent:
    """The last searches by their ids, as long as all of them together are at most `size`."""

    def __init__(self, size: int = 100_000) -> None:
        self._size = size
        self._flights: OrderedDict[str, Flight] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, flight: Flight) -> None:
        """Keep one more, and let go of the oldest that have ended."""
        with self._lock:
            self._flights[flight.id] = flight
            total = sum(f.size for f in self._flights.values())
            for old in list(self._flights.values()):
                if total <= self._size:
                    break
                if old.seconds:
                    total -= old.size
                    del self._flights[old.id]

    def get(self, id: str) -> Flight | None:
        with self._lock:
            return self._flights.get(id)
