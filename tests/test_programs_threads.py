"""Whose threads a candidate is written in, and what becomes of them."""

from __future__ import annotations

import threading
from typing import Any

from programs_scripted import PATIENCE, QUESTION, Say, ScriptedPolicy, ScriptedPrm, end
from sglang.lang.api import function

from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.programs.search import THREADS, Search
from sal.programs.threads import SharedThreads


def test_searches_that_overlap_share_a_pool_which_ends_with_the_last() -> None:
    shared = SharedThreads(2)
    pool = shared.join()
    assert shared.join() is pool
    shared.leave()
    thread = pool.submit(threading.current_thread).result(PATIENCE)
    shared.leave()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert shared.join() is not pool
    shared.leave()


def test_the_next_problem_uses_the_threads_of_the_one_before() -> None:
    used = set()

    def script(_: tuple[int, ...]) -> Say:
        used.add(threading.current_thread())
        return end("\\boxed{1}")

    params = BestOfNParams(budget=2)
    THREADS.join()  # another problem, which outlasts these
    try:
        for _ in range(20):
            policy, verifier = ScriptedPolicy(script), ScriptedPrm()
            best_of_n.run(QUESTION, params=params, verifier=verifier, backend=policy)
    finally:
        THREADS.leave()
    assert len(used) < 20
    for thread in used:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in used)


def test_what_an_abandoned_search_was_writing_ends_with_its_present_step() -> None:
    asked, goes_on = threading.Event(), threading.Event()

    def script(_: tuple[int, ...]) -> list[Say]:
        asked.set()
        return [Say("a", after=goes_on), Say("b"), end("c")]

    begun = []

    @function
    def abandoned(s: Any) -> None:
        params = BestOfNParams(budget=1)
        with Search(s, QUESTION, params, caps=Caps(tokens=1000)) as tree:
            begun.extend(tree.start(tree.root, 1, whole=True))
            assert asked.wait(PATIENCE)

    policy = ScriptedPolicy(script)
    THREADS.join()
    try:
        abandoned.run(backend=policy)
        goes_on.set()
        assert begun[0].result(PATIENCE).finish == "error"
    finally:
        THREADS.leave()
    assert len(policy.stops) == 1
