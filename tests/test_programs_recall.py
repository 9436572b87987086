"""A search that is killed after any of its nodes and goes on: as if nothing had happened."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from programs_scripted import QUESTION, ScriptedPolicy, ScriptedPrm, end, search
from test_strategies_registry import small

from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.programs.dvts import DvtsParams, dvts
from sal.programs.extension import Watch
from sal.programs.kv_held import kv_peak
from sal.programs.recall import Outcome
from sal.programs.search import Search
from sal.programs.trace import SearchResult, Trace
from sal.runs.nodes import Kept, ProblemNodes, read_kept
from sal.runs.registry import STRATEGIES
from sal.runtime.frontend.backend import Policy
from sal.runtime.frontend.growth import mark
from sal.runtime.policy import KnownIds, Reply, Request
from sal.runtime.usage import Usage
from sal.strategies.seeds import derive
from sal.verifiers.interface import Scored

END = 0
"""The token that ends a text, and is not shown in it."""


class Told(Policy):
    """Makes up up to five steps, the same for the same request; a token is a character.

    It must be sent the ids that it wrote itself, and remembers what it was asked. With `delays`
    replies come in another order every time.
    """

    reads_ahead = True

    def __init__(self, delays: bool = False) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self._dice = random.Random() if delays else None

    def write(self, request: Request) -> Reply:
        self.requests.append(replace(request, options={}))
        if self._dice is not None:
            time.sleep(self._dice.random() / 300)
        written = request.text
        assert request.known is None or request.known.chars <= len(written)
        ids = [ord(c) for c in written] if request.known is None else [
            *request.known.ids, *map(ord, written[request.known.chars :])
        ]  # fmt: skip
        if request.max_tokens == 0:
            return Reply("", "length", usage=Usage(len(ids), 0, 0, 1))
        text, ended = "", "end"
        while True:
            dice = random.Random(f"{request.seed} {len(written)}")
            if written.count("\n\n") > 4 or dice.random() < 0.25:
                text += f"\\boxed{{{dice.choice('11123')}}}"
                break
            # Siblings often say the same.
            step = f" {dice.randrange(3)}\n\n"
            text, written = text + step, written + step
            if request.stop:
                ended = "stop"
                break
        made = [ord(c) for c in text]
        known = KnownIds((*ids, *made), len(request.text) + len(text))
        if ended == "end":
            made.append(END)
        return Reply(
            text,
            "stop" if ended == "stop" else "end",
            "\n\n" if ended == "stop" else "",
            Usage(len(ids), len(ids) // 2, len(made), 1),
            tuple(made),
            ((-random.Random(text).uniform(1, 9),),) * len(made) if request.top_logprobs else (),
            known,
        )


class Judge:
    """Scores a step by all that leads to it; `asked` has these paths."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        paths = [(*prefix, *steps[: i + 1]) for i in range(len(steps))]
        self.asked += paths
        scores = tuple(random.Random(repr(path)).random() for path in paths)
        return Scored(scores, Usage(10 * len(paths), 0, 0, 1))


@dataclass
class Ran:
    """A search, the lines that it recorded, and what it asked of either endpoint."""

    result: SearchResult
    lines: list[bytes]
    requests: list[Request]
    scored: list[tuple[str, ...]]


def run(
    name: str, params: Any, path: Path, *, session: int = 1, delays: bool = False, **more: Any
) -> Ran:
    """One session of a search, with what the file at `path` holds."""
    policy, judge = Told(delays), Judge()
    lost: list[Exception] = []
    with ProblemNodes(
        path, QUESTION, read_kept(path), session, time.monotonic, lost.append
    ) as kept:
        program = STRATEGIES[name].program
        result = search(program, policy, judge, params, recall=kept, **more)
    assert lost == []
    return Ran(result, path.read_bytes().splitlines(keepends=True), policy.requests, judge.asked)


def told(request: Request) -> Any:
    """What decides about the reply, and what engines must not tokenise again."""
    return (request.seed, request.text, request.known, request.max_tokens, request.stop)


def cached(usage: Usage) -> Any:
    return (usage.prompt_tokens, usage.completion_tokens, usage.requests)


def check_same(again: SearchResult, made: SearchResult) -> None:
    assert again.completions == made.completions
    assert again.chosen == made.chosen
    assert (again.rule, again.errors, again.unspent) == (made.rule, made.errors, made.unspent)
    by_id = [sorted(r.trace.nodes, key=lambda n: n.id) for r in (again, made)]
    assert by_id[0] == by_id[1]
    assert cached(again.trace.policy) == cached(made.trace.policy)


def known(recorded: Kept) -> set[tuple[str, ...]]:
    """The paths of steps that have a score on record."""
    whole: dict[tuple[int, ...], tuple[str, ...]] = {(): ()}
    paths = set()
    for outcome in recorded.outcomes:
        before = whole[outcome.node.parent] if outcome.prefix else ()
        own = tuple(step for step in map(str.strip, outcome.node.text.split("\n\n")) if step)
        whole[outcome.node.id] = (*before, *own)
        if outcome.node.scores:
            paths |= {(*before, *own[: i + 1]) for i in range(len(own))}
    return paths


def check_cut_anywhere(made: Ran, go_on: Any, path: Path, every: int = 1) -> None:
    """After each number of lines: nothing recorded is asked again, and all ends the same."""
    for count in range(0, len(made.lines) + 1, every):
        path.write_bytes(b"".join(made.lines[:count]))
        recorded = read_kept(path)
        assert len(recorded.outcomes) == sum(b'"node"' in ln[:20] for ln in made.lines[:count])
        again: Ran = go_on()
        check_same(again.result, made.result)
        done = {derive(0, QUESTION, outcome.node.id) for outcome in recorded.outcomes}
        owed = [r for r in made.requests if r.seed not in done]
        if recorded.prompt is not None:
            owed = [r for r in owed if r.max_tokens]
        assert Counter(map(told, again.requests)) == Counter(map(told, owed))
        # Of equal steps too the PRM is asked once.
        assert Counter(again.scored) == Counter(set(made.scored) - known(recorded))
        assert kv_peak(again.result.trace.nodes) is not None


@pytest.mark.parametrize("name", STRATEGIES)
def test_cut_after_any_node_it_ends_the_same(name: str, tmp_path: Path) -> None:
    params = small(STRATEGIES[name], 8)
    made = run(name, params, tmp_path / "whole")
    path = tmp_path / "nodes"
    check_cut_anywhere(made, lambda: run(name, params, path, session=2), path)
    # Killed once more, with what the session in between has added.
    lines = made.lines
    path.write_bytes(b"".join(lines[: len(lines) // 3]))
    between = run(name, params, path, session=2)
    path.write_bytes(b"".join(between.lines[: 2 * len(lines) // 3]))
    check_same(run(name, params, path, session=3).result, made.result)


@pytest.mark.parametrize("name", STRATEGIES)
def test_whoever_ends_first_it_ends_the_same(name: str, tmp_path: Path) -> None:
    params = small(STRATEGIES[name], 24)
    made = run(name, params, tmp_path / "whole", delays=True)
    path = tmp_path / "nodes"
    every = max(1, len(made.lines) // 5)
    check_cut_anywhere(made, lambda: run(name, params, path, session=2, delays=True), path, every)
