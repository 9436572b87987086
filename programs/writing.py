"""One state being written: the few places where a search meets SGLang's interpreter."""

from __future__ import annotations

from typing import Any, NamedTuple

from sal.programs.trace import Finish
from sal.strategies.confidence import token_confidence
from sal.verifiers.interface import Usage

STEP = "step"
"""The state variable that holds what the policy wrote last."""


def fork(state: Any, width: int) -> list[Any]:
    """`width` states that go on where `state` is: its `fork`, but without an OS thread for each.

    SGLang starts a thread with every state, to execute what is appended to it. Here whoever works
    on a state writes into it, so threads can be used again: a third of the client's CPU.
    """
    parent = state.stream_executor
    forks = []
    for _ in range(width):
        executor = type(parent)(
            parent.backend,
            parent.arguments,
            parent.default_sampling_para,
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


class Place(NamedTuple):
    """A place in a state's text, counted in characters and in the token ids before it."""

    chars: int
    ids: int


def without(state: Any, start: Place, end: Place) -> Any:
    """A fork of `state` whose text lacks what stands from `start` to `end`.

    The backend's token ids (its variable "token_ids": the ids of so many characters) lose the same
    stretch, so that what stays is not tokenised again. It must cover both places, or not be there.
    """
    (shorter,) = fork(state, 1)
    executor = shorter.stream_executor
    executor.text_ = executor.text_[: start.chars] + executor.text_[end.chars :]
    executor.fork_start_text_pos = len(executor.text_)
    covered = executor.variables.get("token_ids")
    if covered is not None:
        ids, chars = covered
        less = chars - (end.chars - start.chars)
        executor.variables["token_ids"] = (ids[: start.ids] + ids[end.ids :], less)
    return shorter


class Writing:
    """What the policy wrote into one state since `start`, over one or more requests."""

    def __init__(self, state: Any, start: int) -> None:
        self._executor = state.stream_executor
        self.begins = Place(start, 0)
        self.usage = Usage()
        self.token_ids: tuple[int, ...] = ()
        self.confidences: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        return str(self._executor.text_[self.begins.chars :])

    def run(self, expression: Any) -> dict[str, Any]:
        """Execute a `gen` in this thread, so that a failure is raised here and nowhere else.

        Submitted to the executor's queue instead, a failing gen would print a traceback as a
        warning and kill the state's thread.
        """
        self._executor._init_var_event(expression)
        self._executor._execute(expression)
        meta: dict[str, Any] = self._executor.meta_info[STEP]
        if not self.usage.requests:
            self.begins = Place(self.begins.chars, meta["prompt_tokens"])
        self.usage += Usage(
            prompt_tokens=meta["prompt_tokens"],
            cached_tokens=meta.get("cached_tokens") or 0,
            completion_tokens=meta["completion_tokens"],
            requests=1,
        )
        self.token_ids += tuple(meta.get("output_ids") or ())
        # Per token, where asked for: its likeliest alternatives as (logprob, id, text).
        self.confidences += tuple(
            token_confidence([logprob for logprob, *_ in top])
            for top in meta.get("output_top_logprobs") or ()
        )
        return meta

    def close(self, separator: str) -> None:
        """End the step with its separator, which stock SGLang trims and other backends keep.

        Either way the state's text now goes on behind it. A separator that cost no token would be
        an endless loop on an endpoint that repeats it, and raises RuntimeError.
        """
        if not self._executor.meta_info[STEP]["completion_tokens"]:
            raise RuntimeError("the policy's endpoint counts no tokens")
        if separator not in self._executor.variables[STEP]:
            self._executor._execute(separator)


def end(state: Any) -> None:
    """Let the thread of a state go; from here on, whoever appends to the state does the work.

    The interpreter ends a state once more when it is freed, and looks whether the thread is
    alive. Should the garbage collector do that while another thread is being started, Python
    3.11 waits for a lock that it holds itself. So an ended state no longer admits to a thread.
    """
    state.sync()
    state.stream_executor.end()
    state.stream_executor.use_thread = False


def finish_of(meta: dict[str, Any], separator: str) -> Finish:
    """How the engine says that generation ended; raises RuntimeError if it was cut off."""
    reason = meta["finish_reason"]
    if reason["type"] == "length":
        return "length"
    if reason["type"] == "stop":
        return "separator" if reason.get("matched") == separator else "eot"
    raise RuntimeError(f"generation ended with {reason.get('message') or reason}")
