"""Workers that hang, grow or die: every pair gets an outcome, and the next pair is fine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import psutil
import pytest

from sal.grading.grader import Grader
from sal.grading.pool import GradingPool
from sal.grading.verdict import Outcome

EASY = ("x+1", "1+x")
ENDLESS = ("5", r"\sum_{n=1}^{99999} \frac{1}{n^2}")
HOPELESS = ("5", "9^{9^{9^9}}")  # grading refuses it before it gets here
HUNGRY = (r"\sqrt5", r"2^{(10^{11})}")  # 12 GB in one integer


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute in vain"
        time.sleep(0.01)


def ending(outcomes: Callable[[], list[Outcome]]) -> list[Outcome]:
    """What a comparison ends with; fails where it would wait for ever."""
    ended: list[list[Outcome]] = []
    Thread(target=lambda: ended.append(outcomes()), daemon=True).start()
    until(lambda: bool(ended))
    return ended[0]


@pytest.fixture
def make() -> Iterator[Callable[..., tuple[GradingPool, psutil.Process]]]:
    """A pool that has compared once, and its worker."""
    pools: list[GradingPool] = []

    def started(**limits: float) -> tuple[GradingPool, psutil.Process]:
        before = {child.pid for child in multiprocessing.active_children()}
        pools.append(GradingPool(**limits))  # type: ignore[arg-type]
        assert pools[-1].compare([EASY]) == ["match"]
        (pid,) = {child.pid for child in multiprocessing.active_children()} - before
        return pools[-1], psutil.Process(pid)

    yield started
    for pool in pools:
        pool.close()


Make = Callable[..., tuple[GradingPool, psutil.Process]]


def test_the_soft_alarm_keeps_the_worker(make: Make) -> None:
    pool, worker = make(soft_seconds=1, hard_seconds=60)
    assert ending(pool.submit([ENDLESS, EASY])) == ["timeout", "match"]
    assert worker.is_running()


def test_the_hard_limit_kills_the_worker(make: Make) -> None:
    pool, worker = make(soft_seconds=600, hard_seconds=3)
    assert ending(pool.submit([HOPELESS])) == ["timeout"]
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    assert pool.compare([EASY]) == ["match"]


def test_a_worker_killed_at_work_is_an_error_of_that_pair_alone(make: Make) -> None:
    pool, worker = make(soft_seconds=600, hard_seconds=600)
    outcomes = pool.submit([ENDLESS])
    idle = worker.cpu_times().user
    until(lambda: worker.cpu_times().user > idle + 0.2)  # it computes
    os.kill(worker.pid, signal.SIGKILL)
    assert ending(outcomes) == ["error"]
    assert pool.compare([EASY]) == ["match"]


def test_pairs_that_shared_a_killed_worker_are_compared_again(make: Make) -> None:
    pool, worker = make(soft_seconds=1, hard_seconds=600)
    outcomes = pool.submit([EASY, ENDLESS, ("x", "y")])
    idle = worker.cpu_times().user
    until(lambda: worker.cpu_times().user > idle + 0.2)
    os.kill(worker.pid, signal.SIGKILL)
    assert ending(outcomes) == ["match", "timeout", "mismatch"]


def test_a_worker_killed_while_idle_costs_one_pair_at_most(make: Make) -> None:
    pool, worker = make()
    os.kill(worker.pid, signal.SIGKILL)
    assert pool.compare([EASY])[0] in ("match", "error")
    assert pool.compare([EASY]) == ["match"]


def test_a_killed_worker_in_words_of_the_grader(make: Make) -> None:
    pool, worker = make(soft_seconds=600, hard_seconds=600)
    grader = Grader(pool=pool)
    with ThreadPoolExecutor(1) as thread:
        idle = worker.cpu_times().user
        verdict = thread.submit(grader.grade, rf"\boxed{{{ENDLESS[1]}}}", ENDLESS[0])
        until(lambda: worker.cpu_times().user > idle + 0.2)
        os.kill(worker.pid, signal.SIGKILL)
        assert (verdict.result().correct, verdict.result().reason) == (False, "error")
    assert grader.grade(r"\boxed{x+1}", "1+x").reason == "match"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")
def test_memory_is_limited_and_the_worker_survives(make: Make) -> None:
    pool, worker = make(soft_seconds=60, hard_seconds=60, memory_bytes=400 << 20)
    most, _ = worker.rlimit(psutil.RLIMIT_AS)
    assert 400 << 20 < most <= (400 << 20) + worker.memory_info().vms  # beside what it began with
    assert pool.compare([HUNGRY]) == ["error"]
    assert pool.compare([EASY]) == ["match"]
    assert worker.is_running()


def test_a_worker_that_cannot_start_is_an_error() -> None:
    with GradingPool(memory_bytes=1) as pool:
        assert pool.compare([EASY]) == ["error"]


def test_what_is_in_flight_at_the_close_ends_as_an_error(make: Make) -> None:
    pool, _ = make(soft_seconds=600, hard_seconds=600)
    waiting = [pool.submit([ENDLESS]), pool.submit([EASY, EASY])]
    pool.close()
    assert [ending(outcomes) for outcomes in waiting] == [["error"], ["error"] * 2]
    with pytest.raises(RuntimeError, match="closed"):
        pool.compare([EASY])


def test_threads_share_a_grader(grader: Grader) -> None:
    pairs = [(rf"\boxed{{x+{n}}}", f"{n % 7}+x") for n in range(40)]
    with ThreadPoolExecutor(4) as threads:
        verdicts = list(threads.map(lambda pair: grader.grade(*pair).correct, pairs))
    assert verdicts == [n < 7 for n in range(40)]


SCRIPT = f"""
import multiprocessing
from sal.grading.pool import GradingPool
pool = GradingPool(soft_seconds=600, hard_seconds=600)  # no main guard: users forget it
print(pool.compare([{EASY!r}])[0], multiprocessing.active_children()[0].pid, flush=True)
pool.compare([{HOPELESS!r}])
"""


def test_a_script_without_a_main_guard_and_its_sudden_death(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        outcome, pid = process.stdout.readline().split()
        assert outcome == "match"
        worker = psutil.Process(int(pid))
        process.kill()
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
