"""One state being written: the few places where a search meets SGLang's interpreter."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from sglang.lang.ir import SglVariable

from sal.programs.trace import Finish
from sal.verifiers.interface import Usage

STEP = "step"
"""The state variable that holds what the policy wrote last."""

T = TypeVar("T")


class InThread(SglVariable, Generic[T]):  # type: ignore[misc]  # sglang has no types
    """An expression whose value is computed by a function, in the thread of the state it joins.

    The interpreter appends a variable by asking the executor that owns it; this one owns itself.
    It adds no text: the function writes into the state as it goes.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(STEP, source=None)
        self.source_stream_executor: Any = self
        self.settled: Future[T] = Future()
        self._work: Any = work

    def get_var(self, name: str) -> str:  # noqa: ARG002  # the interpreter's signature
        work = self._work
        # Owning itself and its state, it would be garbage that only the collector finds; see `end`.
        self.source_stream_executor = self._work = None
        try:
            self.settled.set_result(work())
        except BaseException as wrong:
            self.settled.set_exception(wrong)
        return ""


class Writing:
    """What the policy wrote into one state since `start`, over one or more requests."""

    def __init__(self, state: Any, start: int) -> None:
        self._executor = state.stream_executor
        self._start = start
        self.usage = Usage()
        self.token_ids: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return str(self._executor.text_[self._start :])

    def run(self, expression: Any) -> dict[str, Any]:
        """Execute a `gen` in this thread, so that a failure is raised here and nowhere else.

        Submitted to the executor's queue instead, a failing gen would print a traceback as a
        warning and kill the state's thread.
        """
        self._executor._init_var_event(expression)
        self._executor._execute(expression)
        meta: dict[str, Any] = self._executor.meta_info[STEP]
        self.usage += Usage(
            prompt_tokens=meta["prompt_tokens"],
            cached_tokens=meta.get("cached_tokens") or 0,
            completion_tokens=meta["completion_tokens"],
            requests=1,
        )
        self.token_ids += tuple(meta.get("output_ids") or ())
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


def fork(state: Any, width: int) -> list[Any]:
    """`width` states, each with a thread of its own, that go on from the text of `state`.

    An ended state is forked one by one: of more at a time the interpreter asks the endpoint to
    cache the text first, and what the endpoint has written itself is cached.
    """
    if state.stream_executor.use_thread:
        return list(state.fork(width).states)
    return [state.fork(1).states[0] for _ in range(width)]


def end(state: Any) -> None:
    """Let the thread of a state go; it can still be read, and forked with `fork`.

    The interpreter ends a state once more when it is freed, and looks whether the thread is
    alive. Should the garbage collector do that while another thread is being started, Python
    3.11 waits for a lock that it holds itself. So an ended state no longer admits to a thread.
    """
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
