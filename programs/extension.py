"""Extending one candidate: the policy writes, the PRM judges, a node is recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sal.programs.candidate import Candidate
from sal.programs.caps import Meter
from sal.programs.limits import Limited, Limits
from sal.programs.params import Sampling
from sal.programs.recall import Asked, Memory, Outcome
from sal.programs.scores import Scores
from sal.programs.thinking import Thinking
from sal.programs.trace import Finish, Node, Path, Trace
from sal.programs.written import Written, between, steps_in
from sal.runtime.frontend.growth import growth, regrow
from sal.runtime.frontend.states import backend_name, write
from sal.runtime.policy import IncompleteReply, Reply, is_fault
from sal.strategies.thinking import open_reasoning
from sal.verifiers.interface import Scored


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

    def of(self, path: Path) -> Asked:
        """What is asked for at `path`."""
        top = None if self.watch is None else self.watch.top_logprobs
        return Asked(path, self.most, self.temperature, top)


class Extension:
    """Extends candidates of one search, each in the thread that calls it."""

    def __init__(
        self,
        question: str,
        sampling: Sampling,
        scores: Scores | None,
        meter: Meter,
        trace: Trace,
        memory: Memory,
    ) -> None:
        self.stopped = threading.Event()
        """Once set, whoever writes ends with the present step."""
        self._question = question
        self._sampling = sampling
        self._limits = sampling.limits if isinstance(sampling, Limited) else Limits()
        self._scores = scores
        self._meter = meter
        self._trace = trace
        self._memory = memory

    def recalled(self, parent: Candidate, state: Any, asked: Asked) -> Candidate | None:
        """The node behind `parent` as an earlier session left it, if one did."""
        outcome = self._memory.take(asked)
        if outcome is None:
            return None
        regrow(state, outcome.growth)
        return self._grown(parent, state, outcome)

    def extend(self, parent: Candidate, path: Path, state: Any, order: Order) -> Candidate:
        """Write, score and record the node `path` behind `parent`, whose fork `state` is.

        Whatever goes wrong with it, on either endpoint, is its error. Raises only what is the
        fault of an endpoint (`is_fault`): the search ends then.
        """
        written = Written(state, parent)
        finish: Finish
        error, raised, scored = "", False, Scored(())
        try:
            finish = self._write(written, order)
        except Exception as wrong:
            finish, error, raised = "error", self._told("policy", wrong), True
        steps = written.steps(self._sampling.separator)
        if finish == "eot" and not parent.steps and not steps:  # this is no completion
            finish, error = "error", "policy: it ended without a word"
        if finish == "eot" and open_reasoning(written.prompt_end, written.solution):
            finish = "length"  # it never came to an answer
        if finish != "error" and steps and self._scores is not None:
            try:
                scored = self._scores.score(self._question, parent.steps, steps)
            except Exception as wrong:
                finish, error, raised = "error", self._told("PRM", wrong), True
        node = Node(
            path,
            between(written.text, parent.finish, finish),
            written.usage.completion_tokens,
            finish,
            scored.scores,
            error=error,
            token_ids=written.token_ids,
            data=written.data,
            begun=order.begun,
            forced=tuple(written.forced),
        )
        outcome = Outcome(
            order.of(path),
            node,
            growth(state, written.begins),
            tuple(written.cuts),
            len(parent.steps),
            written.usage,
            scored.usage,
        )
        self._memory.keep(outcome, raised=raised)
        self._trace.add(node, outcome.policy, outcome.prm)
        return self._grown(parent, state, outcome)

    def _grown(self, parent: Candidate, state: Any, outcome: Outcome) -> Candidate:
        """The candidate that `outcome` makes of `parent`, with the state that got it."""
        node, text = outcome.node, outcome.growth.text
        tokens = None if parent.tokens is None or node.tokens is None else node.tokens
        grown = Candidate(
            state,
            node.id,
            node.finish,
            parent.text + text,
            parent.steps + steps_in(text, outcome.cuts, self._sampling.separator),
            parent.scores + node.scores,
            None if tokens is None else (parent.tokens or 0) + tokens,
            node.data,
            parent.forced + node.forced,
        )
        return grown if grown.open else replace(grown, text=grown.text.rstrip())

    def _told(self, endpoint: str, wrong: Exception) -> str:
        """The error of a candidate; raises what would be that of every other too."""
        if is_fault(wrong):
            self.stopped.set()
            raise wrong
        return f"{endpoint}: {reason(wrong)}"

    def _write(self, written: Written, order: Order) -> Finish:
        """Have the policy write until there are `most` steps: one separator too many makes none.

        Under caps, or where a watch may end it, a solution that is written whole is still written
        step by step, so that it can end, truncated, with the step in which that happened. Its
        steps are not cut: nothing is decided between them. Where the end of the reasoning is
        forced, a step ends.
        """
        most, watch, separator = order.most, order.watch, self._sampling.separator
        ends, thinking = self._limits.stop_strings, Thinking(self._limits, written)
        longest = None if most is None else self._limits.max_step_tokens
        in_step = 0  # tokens of the present step
        is_over = watch.is_over if watch else None
        through = most is None and not self._meter.caps and is_over is None
        while True:
            if self.stopped.is_set():
                raise RuntimeError("the search was stopped")
            room = self._sampling.max_tokens - written.least
            if room <= 0:
                return "length"
            rest = None if longest is None else longest - in_step
            limit, early = thinking.ask(room if rest is None else min(room, rest))
            begins = len(written.state.text())
            reply = write(
                written.state,
                max_tokens=limit,
                temperature=order.temperature,
                stop=(*early, *ends) if through else (*early, separator, *ends),
                seed=order.seed,
                top_logprobs=watch.top_logprobs if watch else 0,
                limits=self._limits.said(),
            )
            written.add(begins, reply)
            if watch is not None:
                written.data = watch.see(written.data, reply)
            self._count(reply, written.state)
            tokens = reply.usage.completion_tokens
            if written.end_at(ends) or reply.ended == "end":
                return "eot"
            # Fewer tokens than were asked for: the engine has no room for more.
            if reply.ended == "length" and (
                limit == room or (tokens is not None and tokens < limit)
            ):
                return "length"
            if tokens == 0:  # or its separators would never end
                raise RuntimeError("the policy's endpoint counts no tokens")
            forced = thinking.force()
            separated = reply.matched == separator and not forced
            in_step += limit if reply.ended == "length" else tokens or 1
            if longest is not None and in_step >= longest and not (separated or written.is_cut):
                written.cut()
            if is_over and is_over(written.data):
                return "length"
            if most is None:
                if self._meter.reached():
                    return "length"
                continue
            if not separated and not written.is_cut:  # the step goes on
                continue
            in_step = 0
            steps = len(written.steps(separator))
            if steps >= most or (steps and self._meter.reached()):
                if written.least >= self._sampling.max_tokens:
                    return "length"
                return "cut" if written.is_cut else "separator"

    def _count(self, reply: Reply, state: Any) -> None:
        tokens = reply.usage.completion_tokens
        if tokens is not None:
            self._meter.count(tokens)
        elif self._meter.caps.tokens is not None:
            raise IncompleteReply(
                backend_name(state), "completion_tokens", "the search has a cap on tokens"
            )


def reason(wrong: BaseException) -> str:
    """An exception as an error of the result tells it."""
    return f"{type(wrong).__name__}: {wrong}"
