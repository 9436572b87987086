from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import replace
from typing import Any

import pytest
from programs_scripted import ScriptedPolicy, ScriptedPrm, end, search
from runs_examples import COST, ScriptedServers, completion, found, questions, row

from sal.grading.grader import Grader
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.trace import SearchResult, Trace
from sal.runs.admission import Admission
from sal.runs.errors import ServersLost
from sal.runs.judging import judge
from sal.runs.owed import owed_problems
from sal.runs.problems import ProblemSet, Question
from sal.runs.progress import Progress
from sal.runs.results import ResultRow
from sal.runs.runner import Runner, TimeLimit
from sal.runs.shard import Shard
from sal.runs.summary import summarise
from sal.runtime.endpoint_errors import Closed, Unreachable
from sal.runtime.policy import IncompleteReply
from sal.runtime.usage import Usage
from sal.strategies.voting import elect


class AtATime(Admission):
    """So many problems, whatever is seen; a test may change its mind."""

    def __init__(self, problems: int) -> None:
        super().__init__(1, None)
        self.admitted = problems

    @property
    def problems(self) -> int:
        return self.admitted


class Bench:
    """A runner with everything scripted; `rows` are what it recorded."""

    def __init__(self, count: int, search: Any, *, in_flight: int = 4, **options: Any) -> None:
        self.rows: list[ResultRow] = []
        self.servers = options.pop("servers", ScriptedServers())
        self.progress = options.pop("progress", Progress(count))
        self.runner = Runner(
            deque(enumerate(questions(count))),
            search=lambda _number, question, trace: search(question, trace),
            judge=lambda q, r, cost, s: judge(q, r, cost, s, grader=Grader()),
            record=lambda _number, row, _trace: self.rows.append(row),
            servers=self.servers,
            progress=self.progress,
            admission=options.pop("admission", None) or AtATime(in_flight),
            requests=options.pop("requests", lambda: 0),
            **options,
        )


def right(question: Question, trace: Trace) -> SearchResult:
    return found(trace, completion(question.answer))


def test_every_problem_is_searched_once_and_graded() -> None:
    bench = Bench(20, right)
    bench.runner.run()
    assert sorted(row.id for row in bench.rows) == sorted(q.id for q in questions(20))
    assert all(row.correct["weighted"] for row in bench.rows)
    snapshot = bench.progress.snapshot()
    assert (snapshot.done, snapshot.failed, snapshot.accuracy) == (20, 0, 1.0)
    assert snapshot.policy.requests == 20 * COST.requests
    assert snapshot.in_flight == ()


def test_a_problem_that_fails_is_a_failed_row_and_the_others_go_on() -> None:
    def search(question: Question, trace: Trace) -> SearchResult:
        if question.id == "q1":
            raise KeyError("A")
        if question.id == "q2":
            return found(trace, errors=("Overloaded: full", "Overloaded: full"))
        return right(question, trace)

    bench = Bench(4, search)
    bench.runner.run()
    errors = {row.id: row.error for row in bench.rows}
    assert errors == {"q0": "", "q1": "KeyError: 'A'", "q2": "Overloaded: full", "q3": ""}
    assert bench.progress.snapshot().failed == 2


def test_a_cap_before_the_first_completion_is_told() -> None:
    def search(_: Question, trace: Trace) -> SearchResult:
        return replace(found(trace), unspent=8, capped=True)

    bench = Bench(1, search)
    bench.runner.run()
    (failed,) = bench.rows
    assert failed.error == "no completion before a cap was reached"
    assert (failed.unspent, failed.capped) == (8, True)


def test_as_many_run_at_once_as_are_admitted_and_no_more() -> None:
    together = threading.Barrier(3, timeout=20)
    lock = threading.Lock()
    running = 0
    most = 0

    def search(question: Question, trace: Trace) -> SearchResult:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait()
        with lock:
            running -= 1
        return right(question, trace)

    Bench(6, search, in_flight=3).runner.run()
    assert most == 3


def test_more_are_admitted_while_others_run_and_fewer_when_the_server_fills() -> None:
    admission = AtATime(2)
    begun = threading.Semaphore(0)
    go_on = threading.Semaphore(0)
    lock = threading.Lock()
    running: set[str] = set()
    most = 0

    def search(question: Question, trace: Trace) -> SearchResult:
        nonlocal most
        with lock:
            running.add(question.id)
            most = max(most, len(running))
        begun.release()
        assert go_on.acquire(timeout=20)
        with lock:
            running.discard(question.id)
        return right(question, trace)

    bench = Bench(12, search, admission=admission)
    runner = threading.Thread(target=bench.runner.run)
    runner.start()
    for _ in range(2):
        assert begun.acquire(timeout=20)
    admission.admitted = 5
    for _ in range(3):  # nothing has finished
        assert begun.acquire(timeout=20)
    assert most == 5
    admission.admitted = 2
    for _ in range(5):
        go_on.release()
    for _ in range(2):
        assert begun.acquire(timeout=20)
    with lock:
        assert len(running) <= 2
        most = 0
    for _ in range(7):
        go_on.release()
    runner.join(20)
    assert len(bench.rows) == 12
    assert most <= 2


def test_the_runner_samples_what_is_in_flight() -> None:
    """Ten problems that have one request each leave room for all, though eight were expected."""
    seen: list[tuple[int, int, int]] = []

    class Watched(Admission):
        def sample(self, requests: int, problems: int, silent: int, seconds: float) -> None:
            assert 0 <= seconds < 20
            seen.append((requests, problems, silent))
            super().sample(requests, problems, silent, 5.0)

    def search(question: Question, trace: Trace) -> SearchResult:
        trace.spend(COST)
        together.wait(20)
        return right(question, trace)

    together = threading.Barrier(10)
    admission = Watched(expected=8, capacity=16)
    assert admission.problems == 2
    bench: Bench = Bench(
        10, search, admission=admission, requests=lambda: bench.progress.running()[0]
    )
    bench.runner.run()
    assert [row.error for row in bench.rows] == [""] * 10
    assert any(requests == problems <= 2 and not silent for requests, problems, silent in seen)


def test_an_interrupt_drops_what_is_in_flight_and_keeps_what_is_done() -> None:
    servers = ScriptedServers()

    def search(question: Question, trace: Trace) -> SearchResult:
        if question.id == "q0":
            return right(question, trace)
        assert servers.aborted.wait(20)
        raise Closed("shut down")

    bench = Bench(5, search, in_flight=2, servers=servers)

    def tick() -> None:
        if bench.rows:
            bench.runner.interrupt()

    bench.runner.run(tick)
    assert [row.id for row in bench.rows] == ["q0"]
    assert bench.progress.snapshot().done == 1
    assert bench.progress.snapshot().in_flight == ()


def test_a_partial_result_of_an_interrupted_search_is_not_recorded() -> None:
    servers = ScriptedServers()

    def search(question: Question, trace: Trace) -> SearchResult:
        started.set()
        assert servers.aborted.wait(20)
        return found(trace, completion("0"), errors=("Closed: shut down",))

    started = threading.Event()
    bench = Bench(1, search, servers=servers)
    bench.runner.run(lambda: bench.runner.interrupt() if started.is_set() else None)
    assert bench.rows == []


def test_lost_servers_stop_the_run_and_owe_the_rest() -> None:
    def search(question: Question, trace: Trace) -> SearchResult:
        if question.id == "q0":
            return right(question, trace)
        raise Unreachable("refused")

    servers = ScriptedServers(lost=ServersLost("the policy server died twice"))
    bench = Bench(9, search, in_flight=1, servers=servers)
    with pytest.raises(ServersLost, match="died twice"):
        bench.runner.run()
    assert [row.id for row in bench.rows] == ["q0"]


def test_a_journal_that_cannot_be_written_stops_the_run() -> None:
    bench = Bench(3, right)

    def full(number: int, row: ResultRow, trace: Trace) -> None:
        raise OSError(28, "No space left on device")

    bench.runner._record = full
    with pytest.raises(OSError, match="No space"):
        bench.runner.run()


def test_the_time_limit_admits_no_problem_that_would_end_too_late() -> None:
    now = 0.0

    def search(question: Question, trace: Trace) -> SearchResult:
        nonlocal now
        now += 10
        return right(question, trace)

    progress = Progress(100, clock=lambda: now)
    limit = TimeLimit(admit_until=35, stop_at=1000)
    bench = Bench(100, search, in_flight=1, progress=progress, time_limit=limit)
    bench.runner.run()
    assert len(bench.rows) == 3  # they end at 10, 20 and 30; a fourth would end at 40
    assert bench.runner.timed_out


def test_what_still_runs_at_the_end_of_the_time_is_dropped() -> None:
    servers = ScriptedServers()
    now = 0.0

    def search(question: Question, trace: Trace) -> SearchResult:
        nonlocal now
        now = 100
        assert servers.aborted.wait(20)
        raise Closed("shut down")

    progress = Progress(1, clock=lambda: now)
    limit = TimeLimit(admit_until=50, stop_at=60)
    bench = Bench(1, search, servers=servers, progress=progress, time_limit=limit)
    bench.runner.run()
    assert bench.rows == []
    assert bench.runner.timed_out


def test_what_is_done_is_not_owed() -> None:
    done = ["q1", "q3"]
    problems = ProblemSet(tuple(questions(5)), "tiny", "test", "question", "answer")
    assert [number for number, _ in owed_problems(problems, done)] == [0, 2, 4]
    of_shard = owed_problems(problems.shard(Shard(2, 2)), done[:1])
    assert [(number, q.id) for number, q in of_shard] == [(3, "q3")]


def test_truncated_completions_neither_vote_nor_pass() -> None:
    question = Question("q", "?", "7")
    trace = Trace()
    result = found(
        trace,
        completion("7", 0.9, finish="length"),
        completion("8", 0.8),
        completion("8", 0.1),
        completion("", 0.99),
    )
    result = replace(result, unspent=2)
    judged = judge(question, result, (COST, Usage()), 2.0, grader=Grader())
    assert judged.chosen == {"naive": 1, "weighted": 1, "majority": 1}
    assert judged.correct == {"naive": False, "weighted": False, "majority": False, "pass": False}
    assert [c.verdict for c in judged.completions] == ["match", "mismatch", "mismatch", "no_answer"]
    assert judged.unspent == 2
    assert ResultRow.from_json(judged.as_json()) == judged


def test_the_eta_is_of_the_problems_in_flight_and_never_past_the_time_limit() -> None:
    now = 0.0
    progress = Progress(80, until=60.0, clock=lambda: now)
    assert (progress.snapshot().eta, progress.snapshot().limited) == (60.0, True)
    for i in range(32):
        progress.begin(f"q{i}", Trace())
    now = 10.0
    progress.finish(replace(row("q0"), seconds=10.0))
    snapshot = progress.snapshot()
    assert snapshot.eta == pytest.approx(10.0 * 79 / 31)  # and not 10 s for each that is owed
    assert not snapshot.limited
    now = 50.0
    assert (progress.snapshot().eta, progress.snapshot().limited) == (10.0, True)


def test_a_fault_of_the_policys_backend_stops_the_run_and_fails_no_problem() -> None:
    def search(question: Question, trace: Trace) -> SearchResult:
        raise IncompleteReply("Theirs", "finish_reason", "it must tell how the text ended")

    bench = Bench(50, search)
    with pytest.raises(IncompleteReply, match="Theirs"):
        bench.runner.run()
    assert bench.rows == []
    assert bench.progress.snapshot().failed == 0


def test_what_the_search_chose_is_not_voted_again() -> None:
    """By number and by weight 7 would win; the search's own rule took 9."""
    completions = (completion("7", 0.9), completion("7", 0.8), completion("9", 0.1))
    result = found(Trace(), *completions)
    result = replace(result, rule="mine", chosen=result.chosen | {"mine": 2})
    judged = judge(Question("q", "?", "9"), result, (COST, Usage()), 2.0, grader=Grader())
    assert judged.chosen == {"naive": 0, "weighted": 0, "majority": 0, "mine": 2}
    assert judged.correct == {
        "naive": False, "weighted": False, "majority": False, "mine": True, "pass": True,
    }  # fmt: skip
    assert judged.right
    summary = summarise(
        [judged], strategy="s", budget=3, owed=0, seconds=1.0, versions={}, recipe="", models={}
    )
    assert (summary.rule, summary.accuracy["mine"].mean) == ("mine", 1.0)
    # What a row has is enough to vote again.
    said = judged.as_json()["completions"]
    again = elect([c["key"] for c in said], [c["weight"] for c in said])
    assert again.items() <= judged.chosen.items()
    assert ResultRow.from_json(json.loads(json.dumps(judged.as_json()))) == judged


def test_one_of_several_right_answers_is_enough_and_a_list_of_them_is_none() -> None:
    answers = ("3", "2", "2, 3", "4")
    result = found(Trace(), *(completion(answer) for answer in answers))
    some = Question("q", "?", "2", others=("3",))
    judged = judge(some, result, (COST, Usage()), 2.0, grader=Grader())
    assert [c.verdict for c in judged.completions] == ["match", "match", "mismatch", "mismatch"]
    assert judged.answer == "2 or 3"
    every = Question("q", "?", "2, 3")
    judged = judge(every, result, (COST, Usage()), 2.0, grader=Grader())
    assert [c.verdict for c in judged.completions] == ["mismatch", "mismatch", "match", "mismatch"]


def test_votes_are_of_the_graders_answers() -> None:
    """1/2 and 0.5 are one answer, and outweigh 8; a solution without one has the key ""."""
    texts = [f"\\boxed{{{answer}}}" for answer in ("8", "\\frac{1}{2}", "0.5")] + ["no idea"]
    policy = ScriptedPolicy({(i,): end(text) for i, text in enumerate(texts)})
    prm = ScriptedPrm({texts[0]: 0.6, texts[1]: 0.5, texts[2]: 0.4})
    result = search(best_of_n, policy, prm, BestOfNParams(budget=4), answer_keys=Grader().keys)
    keys = [c.key for c in result.completions]
    assert (keys[0] != keys[1], keys[1] == keys[2], keys[3]) == (True, True, "")
    assert (result.rule, result.chosen["weighted"], result.chosen["naive"]) == ("weighted", 1, 0)


def test_progress_counts_earlier_rows_but_not_their_cost() -> None:
    progress = Progress(4, [row("a"), row("b", correct=False)])
    snapshot = progress.snapshot()
    assert (snapshot.done, snapshot.accuracy, snapshot.eta) == (2, 0.5, None)
    assert snapshot.policy == Usage()
