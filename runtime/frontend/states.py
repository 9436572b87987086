"""States of SGLang's interpreter: forked, cut, written into, each by whoever works on it.

SGLang starts an OS thread with every state, to execute what is appended to it. States made here
have none: what is appended is executed where it is appended, and a failure is raised there. So
threads can be used again, which is a third of a client's CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from sglang import gen
from sglang.lang.backend.base_backend import BaseBackend
from sglang.lang.ir import SglSamplingParams

from sal.runtime.frontend.backend import LIMITS, REPLY, SEED, Policy
from sal.runtime.policy import KNOWN, KnownIds, PolicyFault, Reply, Request, read_reply

STEP = "step"
"""The state's variable that holds what was written last."""

_BUGS = (
    NameError,
    AttributeError,
    TypeError,
    LookupError,
    ImportError,
    NotImplementedError,
    AssertionError,
)
"""A backend that raises one of these does not work; an endpoint that fails raises others."""


class _Defaults(SglSamplingParams):  # type: ignore[misc]  # sglang is untyped
    """The sampling parameters of a program's `run`, which the interpreter copies for each `gen`.

    Here a copy is one of fields and lists, without looking for objects below.
    """

    @classmethod
    def of(cls, params: SglSamplingParams) -> SglSamplingParams:
        if isinstance(params, cls):
            return params
        made = cls()
        made.__dict__.update(params.__dict__)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> SglSamplingParams:
        made = object.__new__(SglSamplingParams)
        for name, value in self.__dict__.items():
            made.__dict__[name] = list(value) if isinstance(value, list) else value
        return made


class Place(NamedTuple):
    """A place in a state's text, counted in characters and in the token ids before it."""

    chars: int
    ids: int


def fork(state: Any, width: int) -> list[Any]:
    """`width` states that go on where `state` is: its `fork`, but without an OS thread for each."""
    parent = state.stream_executor
    parent.sync()
    defaults = _Defaults.of(parent.default_sampling_para)
    forks = []
    for _ in range(width):
        executor = type(parent)(
            parent.backend,
            parent.arguments,
            defaults,
            parent.chat_template,
            parent.stream,
            use_thread=False,
        )
        executor.variables = dict(parent.variables)
        executor.text_ = parent.text_
        executor.messages_ = list(parent.messages_)
        executor.cur_role = parent.cur_role
        executor.cur_role_begin_pos = parent.cur_role_begin_pos
        executor.fork_start_text_pos = len(parent.text_)
        executor.images_ = list(parent.images_)
        forks.append(type(state)(executor))
    return forks


def without(state: Any, start: Place, end: Place) -> Any:
    """A fork of `state` whose text lacks what stands from `start` to `end`.

    The known token ids lose the same stretch, so that what stays is not tokenised again. They must
    cover both places, or not be there.
    """
    (shorter,) = fork(state, 1)
    executor = shorter.stream_executor
    executor.text_ = executor.text_[: start.chars] + executor.text_[end.chars :]
    executor.fork_start_text_pos = len(executor.text_)
    known = executor.variables.get(KNOWN)
    if known is not None:
        ids, chars = known
        less = chars - (end.chars - start.chars)
        executor.variables[KNOWN] = KnownIds(ids[: start.ids] + ids[end.ids :], less)
    return shorter


def shorten(state: Any, chars: int, place: Place | None) -> None:
    """Cut the state's text to `chars` characters.

    Token ids stay known as far as the backend can tell which of them are whole, or else up to
    `place`, which lies before the cut; without one, none do.
    """
    executor = state.stream_executor
    text, executor.text_ = executor.text_, executor.text_[:chars]
    known = executor.variables.pop(KNOWN, None)
    if known is None:
        return
    backend = executor.backend
    kept = backend.known_before(known, text, chars) if isinstance(backend, Policy) else None
    if kept is None and place is not None:
        kept = KnownIds(known.ids[: place.ids], place.chars)
    if kept is not None:
        executor.variables[KNOWN] = kept


def follow(state: Any, other: Any, text: str) -> None:
    """Append to `state` what `other`, which began with its text, has behind it; else `text`."""
    own, longer = state.text(), other.text()
    if longer.startswith(own):
        state += longer[len(own) :]
        if KNOWN in other:
            state[KNOWN] = other[KNOWN]
    else:
        state += text


def write(
    state: Any,
    *,
    max_tokens: int,
    temperature: float,
    stop: tuple[str, ...] = (),
    seed: int | None = None,
    top_logprobs: int = 0,
    limits: Mapping[str, float] = MappingProxyType({}),
) -> Reply:
    """Have the state's backend write into it; a stop string that ended it then stands in the text.

    `limits` is what is said of `top_p`, `top_k` and `min_p`; what is not in it is not sent.
    Raises PolicyFault when the backend itself is at fault, and whatever else the backend raises.
    """
    state[SEED] = seed
    state[LIMITS] = limits
    try:
        state += gen(
            STEP,
            max_tokens=max_tokens,
            temperature=temperature,
            stop=list(stop) or None,  # a new list: the interpreter may add its own stops to it
            return_logprob=True if top_logprobs else None,
            top_logprobs_num=top_logprobs or None,
            **limits,
        )
        told = state.get_meta_info(STEP)
        reply = told.get(REPLY)
        if reply is None:
            request = Request("", max_tokens, temperature, stop, seed, top_logprobs)
            reply = read_reply(backend_name(state), state[STEP], told, request)
    except _BUGS as bug:
        raise PolicyFault(backend_name(state), f"{type(bug).__name__}: {bug}") from bug
    if reply.matched and reply.matched not in reply.text:
        state += reply.matched
    typed: Reply = reply
    return typed


def read_ahead(state: Any, temperature: float) -> Reply | None:
    """Have the backend read the state's text once, if its engine keeps what it has read.

    Candidates that begin at the same time would each read it. Whatever the backend does, nothing
    of it stands in `state`.
    """
    backend = state.stream_executor.backend
    keeps = (
        backend.reads_ahead
        if isinstance(backend, Policy)
        else type(backend).cache_prefix is not BaseBackend.cache_prefix
    )
    if not keeps:
        return None
    (aside,) = fork(state, 1)
    # Nothing is sampled, but at temperature 0 SGLang would sort every row of its batch.
    return write(aside, max_tokens=0, temperature=temperature)


def backend_name(state: Any) -> str:
    """What messages call the state's backend."""
    return type(state.stream_executor.backend).__name__
