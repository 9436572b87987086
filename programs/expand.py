"""Extending a solution: fork its state, let the policy write, have the PRM judge, record.

What every search here shares. A candidate is a fork of the state that it continues, so SGLang's
radix cache holds what it starts from. It is scored by the thread that generated it, the moment it
ends: candidates wait for each other only where an algorithm compares them. Whatever goes wrong
with one candidate, on either endpoint, is recorded as that candidate's error; the search goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from types import TracebackType
from typing import Any

from sglang.lang.api import gen

from sal.programs.candidate import Candidate, Sampling, Watch
from sal.programs.caps import Caps
from sal.programs.problem import Problem
from sal.programs.scores import Scores
from sal.programs.threads import SharedThreads
from sal.programs.trace import ROLLOUT, Completion, Finish, Node, SearchResult, Trace
from sal.programs.writing import STEP, Writing, end, finish_of, fork
from sal.strategies.aggregate import Aggregate
from sal.strategies.seeds import derive
from sal.strategies.steps import split_steps
from sal.strategies.voting import elect
from sal.verifiers.interface import Scored, Verifier

THREADS = SharedThreads(1000)
"""A candidate waits for endpoints and never for one that has not begun: a bound starves none."""

GROUPS = SharedThreads(1000)
"""Those that grow a subtree or a chain, and wait for its candidates."""


class Search:
    """One problem's tree while it grows. A context manager: no thread outlives the last search.

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
        self._scores = None if verifier is None else Scores(verifier)
        self._seed = seed
        self._caps = caps
        self._began = monotonic()
        self._generated = 0
        self._count = threading.Lock()
        self._cut = False
        self.unspent = 0
        self._depth = 0
        self._errors: list[tuple[tuple[int, ...], str]] = []
        self._prompt_read = False
        self._children: dict[tuple[int, ...], int] = {}
        self._stopped = threading.Event()
        self._threads: ThreadPoolExecutor
        s += self.problem.prompt
        end(s)
        self.root = Candidate(s)

    def __enter__(self) -> Search:
        self._threads = THREADS.join()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, where: TracebackType | None
    ) -> None:
        self._stopped.set()
        THREADS.leave()

    @property
    def name(self) -> str:
        """The problem, as seeds know it."""
        return self.problem.id or self.problem.question

    # Growing

    def _cap_reached(self) -> bool:
        """Whether a cap of the search is reached; if so, the result will say that it was cut."""
        caps = self._caps
        reached = (caps.tokens is not None and self._generated >= caps.tokens) or (
            caps.seconds is not None and monotonic() - self._began >= caps.seconds
        )
        self._cut = self._cut or reached
        return reached

    def reach(self, step: int) -> None:
        """Show how deep the deepest part of the search is."""
        if step > self._depth:
            self._depth = step
            self.trace.phase = f"step {step}"

    def start(
        self,
        parent: Candidate,
        width: int,
        *,
        whole: bool = False,
        watch: Watch | None = None,
    ) -> list[Future[Candidate]]:
        """Begin `width` continuations of `parent`, each by one step, or up to its end if `whole`.

        Children get the ids `parent.id + (0,)` and on; those of a parent that is continued once
        more go on from there. None is begun when a cap is reached.
        """
        if self._stopped.is_set():
            raise RuntimeError("the search was stopped")
        if self._cap_reached():
            self.save(width)
            return []
        if parent is self.root and width > 1:
            self._read_prompt()
        first = self._children.get(parent.id, 0)
        self._children[parent.id] = first + width
        most, temperature = None if whole else 1, self._sampling.temperature
        return [
            self._threads.submit(
                self._extend, parent, (*parent.id, i), state, most, temperature, watch
            )
            for i, state in enumerate(fork(parent.state, width), first)
        ]

    def expand(
        self,
        parents: Sequence[Candidate],
        widths: Sequence[int],
        *,
        whole: bool = False,
    ) -> list[Candidate]:
        """`widths[i]` continuations of `parents[i]`, all at once; returns when all have ended."""
        started = [
            future
            for parent, width in zip(parents, widths, strict=True)
            for future in self.start(parent, width, whole=whole)
        ]
        return settle(started)

    def look_ahead(self, candidates: Sequence[Candidate], most: int) -> list[Candidate]:
        """The same, each open one valued by the end of a greedy rollout of `most` steps at most.

        Equal solutions have one rollout, a node below the first of them: greedy decoding would
        write it again. One that fails, or cannot begin, shows nothing ahead: the own score counts.
        """
        rollouts: dict[str, Future[Candidate]] = {}
        for c in candidates:
            if c.open and c.text not in rollouts and not self._cap_reached():
                (aside,) = fork(c.state, 1)
                rollouts[c.text] = self._threads.submit(
                    self._extend, c, (*c.id, ROLLOUT), aside, most, 0.0
                )
        ended = {text: future.result() for text, future in rollouts.items()}
        return [
            replace(c, ahead=ended[c.text].scores[len(c.scores) :])
            if c.open and c.text in ended
            else c
            for c in candidates
        ]

    def _read_prompt(self) -> None:
        """Have the policy read the prompt once, or N first steps at once would read it N times."""
        if self._prompt_read:
            return
        self._prompt_read = True
        writing = Writing(self.root.state, 0)
        with suppress(Exception):  # the candidates will say what is wrong with the policy
            # Nothing is sampled, but at temperature 0 SGLang would sort every row of its batch.
            writing.run(gen(STEP, max_tokens=0, temperature=self._sampling.temperature))
        self.trace.spend(writing.usage)

    def save(self, width: int) -> None:
        """Count `width` completions of the budget as unspent."""
        with self._count:
            self.unspent += width

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
        growing = [threads.submit(grow, group) for group in groups]
        try:
            for i, grown in enumerate(growing):
                try:
                    done += grown.result()
                except Exception as wrong:
                    self._errors.append(((i,), f"subtree {i}: {_reason(wrong)}"))
        except BaseException:
            self._stopped.set()  # an interrupt: the subtrees end with their present step
            raise
        finally:
            wait(growing)
            GROUPS.leave()
        return done

    # Concluding

    def conclude(
        self,
        done: Iterable[Candidate],
        how: Aggregate,
        answer_key: Callable[[str], str],
        weigh: Callable[[Candidate], float | None] | None = None,
        *,
        chained: bool = False,
    ) -> SearchResult:
        """Vote among the completions, and leave the result in the program's state.

        A vote weighs as much as the aggregate of its scores, or as `weigh` says: None for no vote.
        If `chained`, what is below one child of the root is a chain: it has one weighted vote.
        """
        self.trace.phase = "voting"
        found = []
        for c in done:
            weight = None if weigh is None else weigh(c)
            found.append(
                Completion(
                    c.text,
                    c.steps,
                    c.scores,
                    c.tokens,
                    c.finish,
                    answer_key(c.text),
                    c.id,
                    weight=weight,
                    filtered=weigh is not None and weight is None,
                    chain=c.id[0] if chained else None,
                )
            )
        completions = tuple(found)
        chosen = elect(
            [c.key for c in completions],
            [c.value(how) for c in completions],
            [c.votes for c in completions],
            [c.chain for c in completions],
        )
        errors = tuple(reason for _, reason in sorted(self._errors))
        result = SearchResult(completions, chosen, self.trace, errors, self.unspent, self._cut)
        for name in ("completions", "chosen", "trace"):
            self.root.state[name] = getattr(result, name)
        self.root.state["result"] = result
        self.trace.phase = "done"
        return result

    # In the candidate's own thread

    def _extend(
        self,
        parent: Candidate,
        path: tuple[int, ...],
        state: Any,
        most: int | None,
        temperature: float,
        watch: Watch | None = None,
    ) -> Candidate:
        """Generate, score and record up to `most` steps, or all (None), as one; never raises."""
        state["sampling_seed"] = derive(self._seed, self.name, path)
        writing = Writing(state, len(state.stream_executor.text_))
        finish: Finish
        error, scored = "", Scored(())
        try:
            finish = self._write(writing, parent, most, temperature, watch)
        except Exception as wrong:
            finish, error = "error", f"policy: {_reason(wrong)}"
        text = writing.text
        steps = split_steps(text, self._sampling.separator)
        if finish != "error" and steps and self._scores is not None:
            try:
                scored = self._scores.score(self.problem.question, parent.steps, steps)
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
            confidences=tuple(writing.confidences),
        )
        if error:
            self._errors.append((path, error))
        self.trace.add(node, writing.usage, scored.usage)
        return Candidate(
            state,
            path,
            finish,
            (parent.text + text).rstrip() if finish != "separator" else parent.text + text,
            parent.steps + steps,
            parent.scores + scored.scores,
            parent.tokens + node.tokens,
            parent.confidences + node.confidences,
            begins=writing.begins,
        )

    def _write(
        self,
        writing: Writing,
        parent: Candidate,
        most: int | None,
        temperature: float,
        watch: Watch | None,
    ) -> Finish:
        """Have the policy write until there are `most` steps: one separator too many makes none.

        Under caps or a watch a solution that is written whole is still written step by step, so
        that it can end, truncated, with the step in which a cap or the bar was reached.
        """
        through = most is None and not self._caps and watch is None
        while True:
            if self._stopped.is_set():
                raise RuntimeError("the search was stopped")
            room = self._sampling.max_tokens - parent.tokens - writing.usage.completion_tokens
            if room <= 0:
                return "length"
            meta = writing.run(
                gen(
                    STEP,
                    max_tokens=room,
                    temperature=temperature,
                    # A new list each time: the interpreter may add its own stops to it.
                    stop=None if through else [self._sampling.separator],
                    return_logprob=None if watch is None else True,
                    top_logprobs_num=None if watch is None else watch.top,
                )
            )
            with self._count:
                self._generated += meta["completion_tokens"]
            if watch and meta["completion_tokens"] and not meta.get("output_top_logprobs"):
                raise RuntimeError("the policy's endpoint tells no logprobs")
            finish = finish_of(meta, self._sampling.separator)
            if finish != "separator":
                return finish
            writing.close(self._sampling.separator)
            if watch and watch.is_over(parent.confidences + writing.confidences):
                return "length"
            if most is None:
                if self._cap_reached():
                    return "length"
                continue
            steps = len(split_steps(writing.text, self._sampling.separator))
            if steps >= most or (steps and self._cap_reached()):
                return "length" if room <= meta["completion_tokens"] else "separator"


def settle(started: Iterable[Future[Candidate]]) -> list[Candidate]:
    """Wait for candidates; they come in the order of their ids, whoever ended first."""
    return [future.result() for future in started]


def _reason(wrong: BaseException) -> str:
    return f"{type(wrong).__name__}: {wrong}"
