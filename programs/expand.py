"""Extending a solution: fork its state, let the policy write, have the PRM judge, record.

What every search here shares. A candidate is a fork of the state that it continues, so SGLang's
radix cache holds what it starts from. It is scored by the thread that generated it, the moment it
ends: candidates wait for each other only where an algorithm compares them. Whatever goes wrong
with one candidate, on either endpoint, is recorded as that candidate's error; the search goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any, Protocol

from sglang.lang.api import gen

from sal.programs.caps import Caps
from sal.programs.problem import Problem
from sal.programs.trace import Completion, Finish, Node, SearchResult, Trace
from sal.programs.writing import STEP, InThread, Writing, end, finish_of, fork
from sal.strategies.aggregate import Aggregate, aggregate
from sal.strategies.seeds import derive
from sal.strategies.steps import split_steps
from sal.strategies.voting import elect
from sal.verifiers.interface import Scored, Verifier


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node of the tree, the state whose text ends with it, and its whole path summed up.

    `text` is the solution so far, `tokens` what it cost to generate; `scores` has one number per
    step in `steps`, or none where no verifier was asked. The root has id `()`.
    """

    state: Any
    id: tuple[int, ...] = ()
    finish: Finish = "separator"
    text: str = ""
    steps: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    tokens: int = 0

    @property
    def open(self) -> bool:
        """Whether another step can follow."""
        return self.finish == "separator"

    @property
    def done(self) -> bool:
        """Whether it is a completion: ended by the policy, or truncated."""
        return self.finish in ("eot", "length")

    def value(self, how: Aggregate) -> float:
        """The aggregated score of its path."""
        return aggregate(self.scores, how)

    def reward(self, how: Aggregate) -> float:
        """Its value, in [0, 1]; 0 for one that can neither go on nor answer."""
        return max(0.0, self.value(how)) if self.finish in ("separator", "eot") else 0.0


class Sampling(Protocol):
    """What a search needs to know to ask the policy; every program's parameters have it."""

    @property
    def temperature(self) -> float: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def separator(self) -> str: ...


class Search:
    """One problem's tree while it grows. A context manager: no thread of it outlives the block.

    The seed of every request derives from (`seed`, problem, node path); backends that know seeds
    find it in the state's variable "sampling_seed".

    Once a cap is reached nothing new is begun: what was asked for counts as `unspent`, and what is
    being written ends with its present step.
    """

    def __init__(
        self,
        s: Any,
        problem: str | Problem,
        sampling: Sampling,
        verifier: Verifier | None,
        seed: int,
        trace: Trace | None,
        caps: Caps = Caps(),
    ) -> None:
        self.problem = Problem.of(problem)
        self.trace = Trace() if trace is None else trace
        self._sampling = sampling
        self._verifier = verifier
        self._seed = seed
        self._caps = caps
        self._began = monotonic()
        self._generated = 0
        self._count = threading.Lock()
        self.unspent = 0
        self._depth = 0
        self._errors: list[tuple[tuple[int, ...], str]] = []
        self._alive: dict[tuple[int, ...], Any] = {}
        self._children: dict[tuple[int, ...], int] = {}
        self._stopped = threading.Event()
        s += self.problem.prompt
        self.root = Candidate(s)

    def __enter__(self) -> Search:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, where: TracebackType | None
    ) -> None:
        self._stopped.set()
        for path in list(self._alive):
            self._end(path)

    @property
    def name(self) -> str:
        """The problem, as seeds know it."""
        return self.problem.id or self.problem.question

    # Growing

    @property
    def capped(self) -> bool:
        """Whether a cap of the search is reached."""
        caps = self._caps
        return (caps.tokens is not None and self._generated >= caps.tokens) or (
            caps.seconds is not None and monotonic() - self._began >= caps.seconds
        )

    def reach(self, step: int) -> None:
        """Show how deep the deepest part of the search is."""
        if step > self._depth:
            self._depth = step
            self.trace.phase = f"step {step}"

    def start(
        self, parent: Candidate, width: int, *, whole: bool = False
    ) -> list[Future[Candidate]]:
        """Begin `width` continuations of `parent`, each by one step, or up to its end if `whole`.

        Children get the ids `parent.id + (0,)` and on. The parent's thread is ended by this, yet
        the same parent can be continued again, also once it was pruned: the ids of its children
        go on. None is begun when a cap is reached.
        """
        if self._stopped.is_set():
            raise RuntimeError("the search was stopped")
        if self.capped:
            self._end(parent.id)
            with self._count:
                self.unspent += width
            return []
        forks = fork(parent.state, width)
        self._end(parent.id)
        first = self._children.get(parent.id, 0)
        self._children[parent.id] = first + width
        started = []
        for i, state in enumerate(forks, first):
            path = (*parent.id, i)
            self._alive[path] = state
            state["sampling_seed"] = derive(self._seed, self.name, path)
            extension = InThread(partial(self._extend, parent, path, state, whole))
            state += extension
            started.append(extension.settled)
        return started

    def expand(
        self, parents: Sequence[Candidate], widths: Sequence[int], *, whole: bool = False
    ) -> list[Candidate]:
        """`widths[i]` continuations of `parents[i]`, all at once; returns when all have ended."""
        started = [
            future
            for parent, width in zip(parents, widths, strict=True)
            for future in self.start(parent, width, whole=whole)
        ]
        return settle(started)

    def prune(self, candidates: Iterable[Candidate], keep: Sequence[Candidate] = ()) -> None:
        """Let go of the candidates that the search will not continue."""
        kept = {candidate.id for candidate in keep}
        for candidate in candidates:
            if candidate.id not in kept:
                self._end(candidate.id)

    def concurrently(
        self,
        grow: Callable[[list[Future[Candidate]]], list[Candidate]],
        groups: Sequence[list[Future[Candidate]]],
    ) -> list[Candidate]:
        """Run `grow` on every group, each in its own thread; what they return, in order.

        A group that raises contributes an error and nothing else.
        """
        done: list[Candidate] = []
        with ThreadPoolExecutor(len(groups)) as pool:
            growing = [pool.submit(grow, group) for group in groups]
            try:
                for i, grown in enumerate(growing):
                    try:
                        done += grown.result()
                    except Exception as wrong:
                        self._errors.append(((i,), f"subtree {i}: {_reason(wrong)}"))
            except BaseException:
                self._stopped.set()  # an interrupt: the subtrees end with their present step
                raise
        return done

    # Concluding

    def conclude(
        self,
        done: Iterable[Candidate],
        how: Aggregate,
        answer_key: Callable[[str], str],
    ) -> SearchResult:
        """Vote among the completions, and leave the result in the program's state."""
        self.trace.phase = "voting"
        completions = tuple(
            Completion(c.text, c.steps, c.scores, c.tokens, c.finish, answer_key(c.text), c.id)
            for c in done
        )
        chosen = elect(
            [c.key for c in completions],
            [aggregate(c.scores, how) for c in completions],
            [c.finish == "eot" for c in completions],
        )
        errors = tuple(reason for _, reason in sorted(self._errors))
        result = SearchResult(completions, chosen, self.trace, errors, self.unspent)
        for name in ("completions", "chosen", "trace"):
            self.root.state[name] = getattr(result, name)
        self.root.state["result"] = result
        self.trace.phase = "done"
        return result

    # In the candidate's own thread

    def _extend(
        self, parent: Candidate, path: tuple[int, ...], state: Any, whole: bool
    ) -> Candidate:
        """Generate and score one candidate, and record it; never raises."""
        writing = Writing(state, len(state.stream_executor.text_))
        finish: Finish
        error, scored = "", Scored(())
        try:
            finish = self._write(writing, parent.tokens, whole)
        except Exception as wrong:
            finish, error = "error", f"policy: {_reason(wrong)}"
        text = writing.text
        steps = split_steps(text, self._sampling.separator)
        if finish != "error" and steps and self._verifier is not None:
            try:
                scored = self._judge(self._verifier, parent.steps, steps)
            except Exception as wrong:
                finish, error = "error", f"PRM: {_reason(wrong)}"
        node = Node(
            path,
            text.strip(),
            writing.usage.completion_tokens,
            finish,
            scored.scores,
            error=error,
            token_ids=writing.token_ids,
        )
        if error:
            self._errors.append((path, error))
        self.trace.add(node, writing.usage, scored.usage)
        if finish != "separator":
            self._end(path)
        return Candidate(
            state,
            path,
            finish,
            (parent.text + text).rstrip() if finish != "separator" else parent.text + text,
            parent.steps + steps,
            parent.scores + scored.scores,
            parent.tokens + node.tokens,
        )

    def _write(self, writing: Writing, spent: int, whole: bool) -> Finish:
        """Have the policy write until there is a step: one separator too many makes none.

        Under caps a solution that is written whole is still written step by step, so that it can
        end, truncated, with the step in which a cap was reached.
        """
        through = whole and not self._caps
        while True:
            room = self._sampling.max_tokens - spent - writing.usage.completion_tokens
            if room <= 0:
                return "length"
            meta = writing.run(
                gen(
                    STEP,
                    max_tokens=room,
                    temperature=self._sampling.temperature,
                    # A new list each time: the interpreter may add its own stops to it.
                    stop=None if through else [self._sampling.separator],
                )
            )
            with self._count:
                self._generated += meta["completion_tokens"]
            finish = finish_of(meta, self._sampling.separator)
            if finish != "separator":
                return finish
            writing.close(self._sampling.separator)
            full = spent + writing.usage.completion_tokens >= self._sampling.max_tokens
            if whole and self.capped:
                return "length"
            if not whole and split_steps(writing.text, self._sampling.separator):
                return "length" if full else "separator"

    def _judge(self, verifier: Verifier, prefix: tuple[str, ...], steps: tuple[str, ...]) -> Scored:
        scored = verifier.score(self.problem.question, prefix, steps)
        if len(scored.scores) != len(steps):
            raise ValueError(f"{len(scored.scores)} scores for {len(steps)} steps")
        return scored

    def _end(self, path: tuple[int, ...]) -> None:
        state = self._alive.pop(path, None)
        if state is not None:
            end(state)


def settle(started: Iterable[Future[Candidate]]) -> list[Candidate]:
    """Wait for candidates; they come in the order of their ids, whoever ended first."""
    return [future.result() for future in started]


def _reason(wrong: BaseException) -> str:
    return f"{type(wrong).__name__}: {wrong}"
