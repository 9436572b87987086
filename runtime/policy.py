"""What a program asks of whatever writes, and what it is told.

A backend is asked by one `Request` and answers with one `Reply`. `runtime.frontend.backend.Policy`
makes an SGLang backend of whatever can do that; SGLang's own backends are read by the same rules.

PolicyFault            the backend is at fault, whatever it is asked: the search ends at once
└── IncompleteReply    a reply lacks what a search cannot do without
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from sal.runtime.endpoint_errors import EndpointError
from sal.runtime.usage import Usage

Ending = Literal["stop", "end", "length"]
"""Why a reply ended: a stop string, the end of text, or a limit."""

UNKNOWN = Usage(None, None, None, 1)
"""One request whose tokens nobody told."""


KNOWN = "token_ids"
"""The variable of a program's state with the `KnownIds` of its text."""


PROBLEM: ContextVar[str] = ContextVar("problem", default="")
"""What the requests of this thread are for; "" where nobody said."""


@contextmanager
def requests_of(problem: str) -> Iterator[None]:
    """Within, what this thread asks of a policy or a PRM is for `problem`."""
    token = PROBLEM.set(problem)
    try:
        yield
    finally:
        PROBLEM.reset(token)


class KnownIds(NamedTuple):
    """The token ids of the first `chars` characters of a text."""

    ids: tuple[int, ...]
    chars: int


@dataclass(frozen=True, slots=True)
class Request:
    """Go on behind `text`, by `max_tokens` tokens at most, up to one of the strings in `stop`.

    `top_p`, `top_k` (-1: all) and `min_p` bound the tokens to draw from; None is what nobody said,
    and the model's own default holds. `known` are token ids of the start of `text`, where they are
    known. `seed` makes the sample repeatable on an engine that knows seeds. With `top_logprobs` the
    reply holds the log-probabilities of so many of the likeliest tokens at each place. `options` is
    what else the program's `gen` asked for, under SGLang's names.
    """

    text: str
    max_tokens: int
    temperature: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    top_logprobs: int = 0
    known: KnownIds | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None

    def limits(self) -> dict[str, float]:
        """`top_p`, `top_k` and `min_p`, where they were said."""
        said = {"top_p": self.top_p, "top_k": self.top_k, "min_p": self.min_p}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Reply:
    """The `text` that follows, and why it `ended`: by the stop string `matched`, or otherwise.

    The stop string may stand at the text's end or not. `usage` counts this one request; what is
    not told is None. `token_ids` are those generated, () where unknown; `top_logprobs` has a tuple
    per generated token, where asked for. `known` covers the request's text and this one. `told`
    is the endpoint's own account of the request, for a program that looks at it.
    """

    text: str
    ended: Ending
    matched: str = ""
    usage: Usage = UNKNOWN
    token_ids: tuple[int, ...] = ()
    top_logprobs: tuple[tuple[float, ...], ...] = ()
    known: KnownIds | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


class PolicyFault(Exception):
    """`backend` would fail every candidate in the same way."""

    def __init__(self, backend: str, message: str) -> None:
        super().__init__(f"{backend}: {message}")
        self.backend = backend


class IncompleteReply(PolicyFault):
    """A reply of `backend` lacks `field`; `why` says what it is needed for."""

    def __init__(self, backend: str, field: str, why: str) -> None:
        super().__init__(backend, f"its reply has no {field}: {why}")
        self.field = field


def is_fault(error: BaseException) -> bool:
    """Whether every other request would meet `error` too, on either endpoint."""
    return isinstance(error, PolicyFault) or (isinstance(error, EndpointError) and error.at_fault)


def read_reply(
    backend: str,
    text: str,
    told: Mapping[str, Any],
    request: Request,
    known: KnownIds | None = None,
) -> Reply:
    """The reply in an SGLang endpoint's `meta_info`, to which "output_ids" may have been added.

    Raises IncompleteReply, naming `backend`, for what is missing; RuntimeError when the request
    was cut off.
    """
    ended, matched = _ending(backend, told, request)
    top = told.get("output_top_logprobs") or ()
    if request.top_logprobs and text and not top:
        raise IncompleteReply(backend, "output_top_logprobs", "the search weighs tokens by them")
    if request.top_logprobs and not all(_is_number(entry[0]) for place in top for entry in place):
        raise IncompleteReply(backend, "number among its log-probabilities", "it sent NaN or none")
    return Reply(
        text,
        ended,
        matched,
        Usage(
            told.get("prompt_tokens"), told.get("cached_tokens"), told.get("completion_tokens"), 1
        ),
        tuple(told.get("output_ids") or ()),
        # Per token its likeliest alternatives, as (logprob, id, text).
        tuple(tuple(logprob for logprob, *_ in place) for place in top),
        known,
        told,
    )


def _is_number(logprob: Any) -> bool:
    return isinstance(logprob, float | int) and math.isfinite(logprob)


def _ending(backend: str, told: Mapping[str, Any], request: Request) -> tuple[Ending, str]:
    reason = told.get("finish_reason")
    kind = reason.get("type") if isinstance(reason, Mapping) else None
    if kind == "length":
        return "length", ""
    if kind == "stop" and isinstance(reason, Mapping):
        if "matched" not in reason and request.stop:
            raise IncompleteReply(backend, "finish_reason.matched", "a step or the whole ended?")
        matched = reason.get("matched")
        return ("stop", matched) if matched in request.stop else ("end", "")
    if kind is None:
        raise IncompleteReply(backend, "finish_reason", "it must tell how the text ended")
    message = reason.get("message") if isinstance(reason, Mapping) else None
    raise RuntimeError(f"generation ended with {message or reason}")
