"""Extending one candidate: the policy writes, the PRM judges, a node is recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sal.programs.candidate import Candidate
from sal.programs.caps import Meter
from sal.programs.params import Sampling
from sal.programs.scores import Scores
from sal.programs.trace import Finish, Node, Trace
from sal.runtime.frontend.states import backend_name, write
from sal.runtime.policy import IncompleteReply, PolicyFault, Reply
from sal.strategies.steps import split_steps
from sal.verifiers.interface import Scored, Usage


@dataclass(frozen=True, slots=True)
class Watch:
    """Lets an algorithm look at what the policy writes.

    `see(data, reply)` makes a candidate's `data` of what it was (its parent's, at first) and one
    more reply. `is_over(data)` is asked where a step ends; if so the solution ends, truncated. The
    replies hold the log-probabilities of `top_logprobs` alternatives to each token.
    """

    see: Callable[[Any, Reply], Any]
    is_over: Callable[[Any], bool] | None = None
    top_logprobs: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: up to `most` steps as one node, or all (None); `begun` is the node's."""

    seed: int
    most: int | None
    temperature: float
    begun: int
    watch: Watch | None = None


class Extension:
    """Extends candidates of one search, each in the thread that calls it."""

    def __init__(
        self,
        question: str,
        sampling: Sampling,
        scores: Scores | None,
        meter: Meter,
        trace: Trace,
    ) -> None:
        self.stopped = threading.Event()
        """Once set, whoever writes ends with the present step."""
        self._question = question
        self._sampling = sampling
        self._scores = scores
        self._meter = meter
        self._trace = trace

    def extend(
        self, parent: Candidate, path: tuple[int, ...], state: Any, order: Order
    ) -> Candidate:
        """Write, score and record the node `path` behind `parent`, whose fork `state` is.

        Whatever goes wrong with it, on either endpoint, is its error. Raises only PolicyFault.
        """
        written = _Written(state, parent)
        finish: Finish
        error, scored = "", Scored(())
        try:
            finish = self._write(written, order)
        except PolicyFault:
            self.stopped.set()
            raise
        except Exception as wrong:
            finish, error = "error", f"policy: {reason(wrong)}"
        text = written.text
        steps = split_steps(text, self._sampling.separator)
        if finish != "error" and steps and self._scores is not None:
            try:
                scored = self._scores.score(self._question, parent.steps, steps)
            except Exception as wrong:
                finish, error = "error", f"PRM: {reason(wrong)}"
        node = Node(
            path,
            text.strip(),
            written.usage.completion_tokens,
            finish,
            scored.scores,
            error=error,
            token_ids=written.token_ids,
            data=written.data,
            begun=order.begun,
        )
        self._trace.add(node, written.usage, scored.usage)
        return Candidate(
            state,
            path,
            finish,
            (parent.text + text).rstrip() if finish != "separator" else parent.text + text,
            parent.steps + steps,
            parent.scores + scored.scores,
            written.tokens,
            written.data,
        )

    def _write(self, written: _Written, order: Order) -> Finish:
        """Have the policy write until there are `most` steps: one separator too many makes none.

        Under caps, or where a watch may end it, a solution that is written whole is still written
        step by step, so that it can end, truncated, with the step in which that happened.
        """
        most, watch, separator = order.most, order.watch, self._sampling.separator
        is_over = watch.is_over if watch else None
        through = most is None and not self._meter.caps and is_over is None
        while True:
            if self.stopped.is_set():
                raise RuntimeError("the search was stopped")
            room = self._sampling.max_tokens - written.least
            if room <= 0:
                return "length"
            reply = write(
                written.state,
                max_tokens=room,
                temperature=order.temperature,
                stop=() if through else (separator,),
                seed=order.seed,
                top_logprobs=watch.top_logprobs if watch else 0,
            )
            written.add(reply, watch)
            self._count(reply, written.state)
            if reply.ended != "stop":
                return "eot" if reply.ended == "end" else "length"
            if reply.usage.completion_tokens == 0:  # or its separators would never end
                raise RuntimeError("the policy's endpoint counts no tokens")
            if is_over and is_over(written.data):
                return "length"
            if most is None:
                if self._meter.reached():
                    return "length"
                continue
            steps = len(split_steps(written.text, separator))
            if steps >= most or (steps and self._meter.reached()):
                return "length" if written.least >= self._sampling.max_tokens else "separator"

    def _count(self, reply: Reply, state: Any) -> None:
        tokens = reply.usage.completion_tokens
        if tokens is not None:
            self._meter.count(tokens)
        elif self._meter.caps.tokens is not None:
            raise IncompleteReply(
                backend_name(state), "completion_tokens", "the search has a cap on tokens"
            )


class _Written:
    """What the policy wrote into a state, over one or more requests."""

    def __init__(self, state: Any, parent: Candidate) -> None:
        self.state = state
        self.usage = Usage()
        self.token_ids: tuple[int, ...] = ()
        self.tokens = parent.tokens
        self.data = parent.data
        self.least = parent.tokens or 0
        """Tokens of the whole solution, or no more than that where the policy does not tell."""
        self._begins = len(state.text())

    @property
    def text(self) -> str:
        return str(self.state.text()[self._begins :])

    def add(self, reply: Reply, watch: Watch | None) -> None:
        """Count one reply."""
        tokens = reply.usage.completion_tokens
        self.least += 1 if tokens is None else tokens
        self.tokens = None if tokens is None or self.tokens is None else self.tokens + tokens
        self.usage += reply.usage
        self.token_ids += reply.token_ids
        if watch is not None:
            self.data = watch.see(self.data, reply)


def reason(wrong: BaseException) -> str:
    """An exception as an error of the result tells it."""
    return f"{type(wrong).__name__}: {wrong}"
