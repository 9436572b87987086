"""Extending one candidate: the policy writes, the PRM judges, a node is recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from sal.programs.candidate import Candidate
from sal.programs.caps import Meter
from sal.programs.limits import Limited, Limits
from sal.programs.params import Sampling
from sal.programs.scores import Scores
from sal.programs.trace import Finish, Node, Trace
from sal.runtime.frontend.states import Place, backend_name, shorten, write
from sal.runtime.policy import IncompleteReply, Reply, is_fault
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
        self._limits = sampling.limits if isinstance(sampling, Limited) else Limits()
        self._scores = scores
        self._meter = meter
        self._trace = trace

    def extend(
        self, parent: Candidate, path: tuple[int, ...], state: Any, order: Order
    ) -> Candidate:
        """Write, score and record the node `path` behind `parent`, whose fork `state` is.

        Whatever goes wrong with it, on either endpoint, is its error. Raises only what is the
        fault of an endpoint (`is_fault`): the search ends then.
        """
        written = _Written(state, parent)
        finish: Finish
        error, scored = "", Scored(())
        try:
            finish = self._write(written, order)
        except Exception as wrong:
            finish, error = "error", self._told("policy", wrong)
        text = written.text
        steps = written.steps(self._sampling.separator)
        if finish == "eot" and not parent.steps and not steps:  # this is no completion
            finish, error = "error", "policy: it ended without a word"
        if finish != "error" and steps and self._scores is not None:
            try:
                scored = self._scores.score(self._question, parent.steps, steps)
            except Exception as wrong:
                finish, error = "error", self._told("PRM", wrong)
        node = Node(
            path,
            _between(text, parent.finish, finish),
            written.usage.completion_tokens,
            finish,
            scored.scores,
            error=error,
            token_ids=written.token_ids,
            data=written.data,
            begun=order.begun,
        )
        self._trace.add(node, written.usage, scored.usage)
        grown = Candidate(
            state,
            path,
            finish,
            parent.text + text,
            parent.steps + steps,
            parent.scores + scored.scores,
            written.tokens,
            written.data,
        )
        return grown if grown.open else replace(grown, text=grown.text.rstrip())

    def _told(self, endpoint: str, wrong: Exception) -> str:
        """The error of a candidate; raises what would be that of every other too."""
        if is_fault(wrong):
            self.stopped.set()
            raise wrong
        return f"{endpoint}: {reason(wrong)}"

    def _write(self, written: _Written, order: Order) -> Finish:
        """Have the policy write until there are `most` steps: one separator too many makes none.

        Under caps, or where a watch may end it, a solution that is written whole is still written
        step by step, so that it can end, truncated, with the step in which that happened. Its
        steps are not cut: nothing is decided between them.
        """
        most, watch, separator = order.most, order.watch, self._sampling.separator
        ends = self._limits.stop_strings
        is_over = watch.is_over if watch else None
        through = most is None and not self._meter.caps and is_over is None
        while True:
            if self.stopped.is_set():
                raise RuntimeError("the search was stopped")
            room = self._sampling.max_tokens - written.least
            if room <= 0:
                return "length"
            limit = room if most is None else min(room, self._limits.max_step_tokens or room)
            begins = len(written.state.text())
            reply = write(
                written.state,
                max_tokens=limit,
                temperature=order.temperature,
                stop=(*ends,) if through else (separator, *ends),
                seed=order.seed,
                top_logprobs=watch.top_logprobs if watch else 0,
                limits=self._limits.said(),
            )
            written.add(begins, reply, watch)
            self._count(reply, written.state)
            tokens = reply.usage.completion_tokens
            if written.end_at(ends) or reply.ended == "end":
                return "eot"
            if reply.ended == "length":
                # Fewer tokens than were asked for: the engine has no room for more.
                if limit == room or (tokens is not None and tokens < limit):
                    return "length"
                written.cut()
            if tokens == 0:  # or its separators would never end
                raise RuntimeError("the policy's endpoint counts no tokens")
            if is_over and is_over(written.data):
                return "length"
            if most is None:
                if self._meter.reached():
                    return "length"
                continue
            steps = len(written.steps(separator))
            if steps >= most or (steps and self._meter.reached()):
                if written.least >= self._sampling.max_tokens:
                    return "length"
                return "cut" if reply.ended == "length" else "separator"

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
        self._solution = self._begins - len(parent.text)
        self._cuts: list[int] = []
        self._before: list[tuple[int, Place | None]] = []
        """Where each reply begins, in characters and, where ids are known, in these."""

    @property
    def text(self) -> str:
        return str(self.state.text()[self._begins :])

    def steps(self, separator: str) -> tuple[str, ...]:
        """Those that are written; a cut ends one too."""
        text = self.text
        bounds = [0, *self._cuts, len(text)]
        pieces = [text[begin:end] for begin, end in pairwise(bounds)]
        return tuple(step for piece in pieces for step in split_steps(piece, separator))

    def cut(self) -> None:
        """A step ends here, wherever that is."""
        self._cuts.append(len(self.text))

    def end_at(self, ends: Sequence[str]) -> bool:
        """Whether one of `ends` is in the solution; if so, it is taken out, with all behind it.

        It may have begun before the last reply: the separator alone ends a step.
        """
        if not ends:
            return False
        text = self.state.text()
        since = self._before[-1][0] - max(map(len, ends)) + 1
        found = [text.find(end, max(since, self._solution)) for end in ends]
        if not any(place >= 0 for place in found):
            return False
        chars = max(min(place for place in found if place >= 0), self._begins)
        self._cuts = [cut for cut in self._cuts if cut < chars - self._begins]
        places = [place for begins, place in self._before if begins <= chars]
        shorten(self.state, chars, places[-1])
        return True

    def add(self, begins: int, reply: Reply, watch: Watch | None) -> None:
        """Count one reply, whose text begins at `begins`."""
        tokens = reply.usage.completion_tokens
        place = None
        if reply.known is not None and reply.token_ids:
            place = Place(begins, len(reply.known.ids) - len(reply.token_ids))
        self._before.append((begins, place))
        self.least += 1 if tokens is None else tokens
        self.tokens = None if tokens is None or self.tokens is None else self.tokens + tokens
        self.usage += reply.usage
        self.token_ids += reply.token_ids
        if watch is not None:
            self.data = watch.see(self.data, reply)


def _between(text: str, before: Finish, after: Finish) -> str:
    """`text` without the white space at its ends, but for an end where a step was cut."""
    text = text if before == "cut" else text.lstrip()
    return text if after == "cut" else text.rstrip()


def reason(wrong: BaseException) -> str:
    """An exception as an error of the result tells it."""
    return f"{type(wrong).__name__}: {wrong}"
