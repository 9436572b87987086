"""One problem's tree while it grows: what every strategy works with.

A candidate is a fork of the state that it continues, so SGLang's radix cache holds what it starts
from. It is scored by the thread that generated it, the moment it ends: candidates wait for each
other only where an algorithm compares them. Every thread has the context of the one that began it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from types import TracebackType
from typing import Any

from sal.programs.candidate import Candidate
from sal.programs.caps import Caps, Meter
from sal.programs.extension import Extension, Order, Watch, reason
from sal.programs.params import Sampling
from sal.programs.problem import Problem
from sal.programs.recall import Memory, Recall
from sal.programs.scores import Scores
from sal.programs.threads import SharedThreads
from sal.programs.trace import ROLLOUT, Path, SearchResult, Trace
from sal.programs.vote import AnswerKeys, Vote, boxed_answers
from sal.runtime.frontend.states import fork, read_ahead
from sal.runtime.policy import is_fault, requests_of
from sal.strategies.seeds import Random, derive, generator
from sal.verifiers.interface import Verifier

THREADS = SharedThreads(1000)
"""A candidate waits for endpoints and never for one that has not begun: a bound starves none."""

GROUPS = SharedThreads(1000)
"""Those that grow a subtree or a chain, and wait for its candidates."""


class Search:
    """One problem's tree, with its budget and its caps. A context manager, for its threads.

    `root` is the candidate that ends with the state's text and the problem's prompt. The seed of
    every request derives from (`seed`, problem, node path).

    Once a cap is reached nothing new is begun: what was asked for counts as `unspent`, and what is
    being written ends with its present step.
    """

    def __init__(
        self,
        s: Any,
        problem: str | Problem,
        sampling: Sampling,
        verifier: Verifier | None = None,
        *,
        answer_keys: AnswerKeys = boxed_answers,
        seed: int = 0,
        trace: Trace | None = None,
        caps: Caps = Caps(),
        recall: Recall | None = None,
    ) -> None:
        """`s` is the state to search on from; `answer_keys` tells which answers are equal.

        What `recall` holds is not asked for again.
        """
        self.problem = Problem.of(problem)
        self.trace = Trace() if trace is None else trace
        self.answer_keys = answer_keys
        self.unspent = 0
        """Completions of the budget that were never begun."""
        self._seed = seed
        self._temperature = sampling.temperature
        self._meter = Meter(caps)
        scores = None if verifier is None else Scores(verifier)
        self._memory = Memory(recall, self.trace, scores, self._meter, sampling.separator)
        self._extension = Extension(
            self.problem.question, sampling, scores, self._meter, self.trace, self._memory
        )
        self._lost: list[tuple[Path, str]] = []
        self._children: dict[Path, int] = {}
        self._lock = threading.Lock()
        self._depth = 0
        self._threads: ThreadPoolExecutor
        s += self.problem.prompt or ""
        (root,) = fork(s, 1)
        self.root = Candidate(root)

    def __enter__(self) -> Search:
        self._threads = THREADS.join()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, where: TracebackType | None
    ) -> None:
        self._extension.stopped.set()
        THREADS.leave()

    # Growing

    def start(
        self,
        parent: Candidate,
        width: int,
        *,
        whole: bool = False,
        watch: Watch | None = None,
        begun: int | None = None,
    ) -> list[Future[Candidate]]:
        """Fork `parent` into `width` continuations, by one step each, or to their ends if `whole`.

        Children get the ids `parent.id + (0,)` and on; those of a parent that is continued once
        more go on from there. None is begun when a cap is reached. `begun` is how many nodes the
        trace had when this was decided, if that was before now.
        """
        if self._extension.stopped.is_set():
            raise RuntimeError("the search was stopped")
        first = self._children.get(parent.id, 0)
        ids = [(*parent.id, i) for i in range(first, first + width)]
        if not self._memory.holds(ids) and self._meter.reached():
            self.leave_unspent(width)
            return []
        if parent is self.root and width > 1:
            self._read_prompt()
        self._children[parent.id] = first + width
        begun = len(self.trace.nodes) if begun is None else begun
        most = None if whole else 1
        return [
            self._extend(parent, path, state, most, self._temperature, begun, watch)
            for path, state in zip(ids, fork(parent.state, width), strict=True)
        ]

    def expand(
        self, parents: Sequence[Candidate], widths: Sequence[int], *, whole: bool = False
    ) -> list[Candidate]:
        """`widths[i]` continuations of `parents[i]`, all at once; returns when all have ended."""
        begun = len(self.trace.nodes)
        return join(
            future
            for parent, width in zip(parents, widths, strict=True)
            for future in self.start(parent, width, whole=whole, begun=begun)
        )

    def roll_out(
        self, candidate: Candidate, most: int, temperature: float = 0.0
    ) -> Future[Candidate] | None:
        """Look at what may follow `candidate`: up to `most` steps, as one node that is not kept.

        None when a cap is reached.
        """
        path = (*candidate.id, ROLLOUT)
        if not self._memory.holds([path]) and self._meter.reached():
            return None
        (aside,) = fork(candidate.state, 1)
        return self._extend(candidate, path, aside, most, temperature, len(self.trace.nodes))

    def concurrently(
        self,
        grow: Callable[[list[Future[Candidate]]], list[Candidate]],
        groups: Sequence[list[Future[Candidate]]],
    ) -> list[Candidate]:
        """Run `grow` on every group, each in its own thread; what they return, in order.

        A group that raises contributes an error and nothing else.
        """
        done: list[Candidate] = []
        threads = GROUPS.join()
        growing = [threads.submit(copy_context().run, grow, group) for group in groups]
        try:
            for i, grown in enumerate(growing):
                try:
                    done += grown.result()
                except Exception as wrong:
                    if is_fault(wrong):
                        raise
                    self._lost.append(((i,), f"subtree {i}: {reason(wrong)}"))
        except BaseException:
            self._extension.stopped.set()  # an interrupt: the subtrees end with their present step
            raise
        finally:
            wait(growing)
            GROUPS.leave()
        return done

    def _extend(
        self,
        parent: Candidate,
        path: Path,
        state: Any,
        most: int | None,
        temperature: float,
        begun: int,
        watch: Watch | None = None,
    ) -> Future[Candidate]:
        order = Order(derive(self._seed, self.problem.name, path), most, temperature, begun, watch)
        recalled = self._extension.recalled(parent, state, order.of(path))
        if recalled is not None:
            done: Future[Candidate] = Future()
            done.set_result(recalled)
            return done
        return self._threads.submit(copy_context().run, self._extended, parent, path, state, order)

    def _extended(self, parent: Candidate, path: Path, state: Any, order: Order) -> Candidate:
        with requests_of(self.problem.name):
            return self._extension.extend(parent, path, state, order)

    def _read_prompt(self) -> None:
        """Have the policy read the prompt once, or N first steps at once would read it N times."""
        if self._memory.read_prompt:
            return
        self._memory.read_prompt = True
        try:
            with requests_of(self.problem.name):
                reply = read_ahead(self.root.state, self._temperature)
        except Exception as wrong:
            if is_fault(wrong):
                raise
            return  # the candidates will say what is wrong with the policy
        if reply is not None:
            self._memory.keep_prompt(reply.usage)
            self.trace.spend(reply.usage)

    def sample_at(self, temperature: float) -> None:
        """What is started from now on is sampled at `temperature`."""
        self._temperature = temperature

    # Telling

    def at_step(self, step: int) -> None:
        """Show how deep the deepest part of the search is."""
        if step > self._depth:
            self._depth = step
            self.trace.phase = f"step {step}"

    def leave_unspent(self, completions: int) -> None:
        """Count so many completions of the budget as never begun."""
        with self._lock:
            self.unspent += completions

    def random(self, decision: int) -> Random:
        """Random numbers for the `decision`-th choice of the search."""
        return generator(self._seed, self.problem.name, decision)

    def conclude(self, vote: Vote) -> SearchResult:
        """Count `vote`."""
        self.trace.phase = "voting"
        completions, chosen = vote.count(self.answer_keys)
        failed = [(node.id, node.error) for node in self.trace.nodes if node.error]
        errors = tuple(reason for _, reason in sorted(failed + self._lost))
        return SearchResult(
            completions, chosen, vote.rule, self.trace, errors, self.unspent, self._meter.cut
        )


def join(started: Iterable[Future[Candidate]]) -> list[Candidate]:
    """Wait for candidates; they come in the order of their ids, whoever ended first."""
    return [future.result() for future in list(started)]
