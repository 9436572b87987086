"""A search that is killed after any of its nodes and goes on: as if nothing had happened."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
from programs_scripted import QUESTION, ScriptedPolicy, ScriptedPrm, Tree, end, search
from sglang import function
from test_strategies_registry import small

from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.programs.dvts import DvtsParams
from sal.programs.extension import Watch
from sal.programs.kv_held import kv_peak
from sal.programs.recall import Outcome
from sal.programs.search import Search
from sal.programs.trace import SearchResult, Trace
from sal.runs.nodes import Kept, ProblemNodes, read_kept
from sal.runs.registry import STRATEGIES
from sal.runtime.frontend.backend import Policy
from sal.runtime.policy import KnownIds, Reply, Request
from sal.runtime.usage import Usage
from sal.strategies.seeds import derive
from sal.strategies.steps import split_steps
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


class Remembers(Protocol):
    """A policy that knows what it was asked."""

    requests: list[Request]


def run(
    name: str,
    params: Any,
    path: Path,
    *,
    session: int = 1,
    delays: bool = False,
    told: Callable[[], Remembers] | None = None,
    **more: Any,
) -> Ran:
    """One session of a search, with what the file at `path` holds; `told` makes the policy."""
    policy: Any = Told(delays) if told is None else told()
    judge = Judge()
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
        own = split_steps(outcome.node.text)
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


class Falters(Told):
    """Fails for the nodes in `failing`, as an endpoint does with one request."""

    def __init__(self, failing: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self._failing = {derive(0, QUESTION, path) for path in failing}

    def write(self, request: Request) -> Reply:
        if request.seed in self._failing:
            raise RuntimeError("the server is going down")
        return super().write(request)


def test_a_node_that_failed_is_asked_for_again_and_so_is_what_came_after(tmp_path: Path) -> None:
    params = small(STRATEGIES["beam"], 8)
    made = run("beam", params, tmp_path / "whole")
    second = next(o.node.id for o in read_kept(tmp_path / "whole").outcomes if len(o.node.id) == 2)
    for failing in [(0,), second]:
        path = tmp_path / f"failed-{len(failing)}"
        with ProblemNodes(path, QUESTION, Kept(), 1, time.monotonic, fail) as kept:
            lame = search(
                STRATEGIES["beam"].program, Falters([failing]), Judge(), params, recall=kept
            )
        assert "going down" in lame.errors[0]
        depths = [len(outcome.node.id) for outcome in read_kept(path).outcomes]
        # Siblings of the failed one did not know; all that is deeper may have been chosen for it.
        assert len(depths) >= 7
        assert max(depths) == len(failing)
        again = run("beam", params, path, session=2)
        check_same(again.result, made.result)


def fail(error: Exception) -> None:
    raise error


def test_what_the_policy_itself_did_wrong_is_no_fault_of_an_endpoint(tmp_path: Path) -> None:
    """It would do so again; what came after counts."""
    script: Tree = {(0,): end(""), (1,): end("\\boxed{1}"), (2,): end("\\boxed{2}")}
    results, requests = [], []
    for session in (1, 2):
        policy = ScriptedPolicy(script)
        kept = ProblemNodes(
            tmp_path / "nodes",
            QUESTION,
            read_kept(tmp_path / "nodes"),
            session,
            time.monotonic,
            fail,
        )
        with kept:
            results.append(
                search(best_of_n, policy, ScriptedPrm(), BestOfNParams(budget=3), recall=kept)
            )
        requests.append(len(policy.rooms))
    assert requests == [3, 0]
    assert results[0].errors == ("policy: it ended without a word",)
    check_same(results[1], results[0])


def test_a_damaged_line_costs_its_node_and_what_stands_below(tmp_path: Path) -> None:
    params = small(STRATEGIES["rebase"], 8)
    made = run("rebase", params, tmp_path / "whole")
    lost = 0
    for number in range(1, len(made.lines)):
        path = tmp_path / "nodes"
        zeros = b"\0" * (len(made.lines[number]) - 1) + b"\n"
        path.write_bytes(b"".join([*made.lines[:number], zeros, *made.lines[number + 1 :]]))
        lost = max(lost, len(made.result.trace.nodes) - len(read_kept(path).outcomes))
        again = run("rebase", params, path, session=2)
        check_same(again.result, made.result)
        assert kv_peak(again.result.trace.nodes) is not None
    assert lost > 1
    # And a torn last one.
    path.write_bytes(b"".join(made.lines[:9])[:-7])
    assert len(read_kept(path).outcomes) == len(made.lines[:8]) - 2
    check_same(run("rebase", params, path, session=2).result, made.result)
    assert all(line.startswith(b'{"') for line in path.read_bytes().splitlines())


def test_another_request_at_the_same_place_is_another(tmp_path: Path) -> None:
    """A plan that asks for whole solutions takes no single steps for them."""
    run("dvts", DvtsParams(budget=4), tmp_path / "nodes")
    alone = run("best-of-n", BestOfNParams(budget=4), tmp_path / "alone")
    again = run("best-of-n", BestOfNParams(budget=4), tmp_path / "nodes", session=2)
    assert again.result.completions == alone.result.completions


def test_data_that_json_does_not_hold_are_asked_for_again(tmp_path: Path) -> None:
    for data, asked in ((frozenset({1}), 2), ((1.5, ("a", None)), 0), ({"a": 1}, 0), (object, 2)):
        path = tmp_path / f"{asked}-{type(data).__name__}"
        for session in (1, 2):
            policy = Told()
            recall = ProblemNodes(path, QUESTION, read_kept(path), session, time.monotonic, fail)
            with recall, Search(root_of(policy), QUESTION, BestOfNParams(), recall=recall) as tree:
                watch = Watch(partial(given, data))
                futures = tree.start(tree.root, 2, whole=True, watch=watch)
                assert [f.result().data for f in futures] == [data, data]
        assert sum(bool(r.max_tokens) for r in policy.requests) == asked


def given(made: Any, _data: Any, _reply: Reply) -> Any:
    """Data that are the same whatever is seen."""
    return made


def root_of(policy: Policy) -> Any:
    """The state of a program that has only begun."""

    @function
    def nothing(s: Any) -> None:
        s += ""

    return nothing.run(backend=policy, use_thread=False)


def test_caps_count_what_was_spent_and_cut_nothing_that_was_found(tmp_path: Path) -> None:
    params = small(STRATEGIES["ab-mcts"], 8)
    caps = Caps(tokens=40)
    made = run("ab-mcts", params, tmp_path / "whole", caps=caps)
    assert made.result.capped
    assert made.result.unspent
    path = tmp_path / "nodes"
    for count in range(
        len(made.lines) + 1
    ):  # one is in flight at a time: nothing is left to chance
        path.write_bytes(b"".join(made.lines[:count]))
        again = run("ab-mcts", params, path, session=2, caps=caps)
        check_same(again.result, made.result)
        assert again.result.capped
    late = run("ab-mcts", params, path, session=3, caps=Caps(seconds=1e-9))
    assert late.requests == []
    assert late.result.completions == made.result.completions


def test_what_earlier_sessions_took_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "nodes"
    params = BestOfNParams(budget=4)
    lines = run("best-of-n", params, tmp_path / "whole").lines
    clock = [5.0]
    for session, until in ((1, 12.0), (2, 3.0)):
        kept = ProblemNodes(path, QUESTION, read_kept(path), session, lambda: clock[-1], fail)
        policy = Told()
        clock.append(until)
        with kept:
            trace = Trace()
            search(best_of_n, policy, Judge(), params, recall=kept, trace=trace)
        if session == 1:
            assert (trace.earlier, trace.earlier_seconds) == (Usage(), 0.0)
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
            assert len(lines) == 6  # one of the search, one of the prompt
            assert (read_kept(path).seconds, read_kept(path).until) == (7.0, 12.0)
            clock.append(1.0)
        else:
            assert trace.earlier_seconds == 7.0
            assert trace.earlier.requests == 3
            assert trace.policy.requests == 5
    assert (read_kept(path).seconds, read_kept(path).session) == (9.0, 2)


def test_a_closed_file_is_not_written_again(tmp_path: Path) -> None:
    """A thread that ends late must not bring back what was removed."""
    path = tmp_path / "nodes"
    run("best-of-n", BestOfNParams(budget=2), path)
    outcome: Outcome = read_kept(path).outcomes[0]
    kept = ProblemNodes(path, QUESTION, Kept(), 1, time.monotonic, fail)
    with kept:
        threads = [threading.Thread(target=kept.keep, args=(outcome,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(read_kept(path).outcomes) == 9 + 1
    path.unlink()
    kept.keep(outcome)
    assert not path.exists()


def test_a_full_disk_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("best-of-n", BestOfNParams(budget=2), tmp_path / "made")
    outcomes = read_kept(tmp_path / "made").outcomes
    lost: list[Exception] = []

    def full(handle: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    path = tmp_path / "nodes"
    with ProblemNodes(path, QUESTION, Kept(), 1, time.monotonic, lost.append) as recall:
        for outcome in outcomes:
            recall.keep(outcome)
    assert [str(error) for error in lost] == [f"[Errno 28] No space left on device: '{path}'"]
