"""Many runs on one pair of servers: killed between two of them, interrupted in one, resumed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import CPU_ONLY
from runs_examples import planned
from runs_proxy import Proxy
from runs_terminal import records

import sal.runs.experiment as module
from sal.runs.display import Begun
from sal.runs.errors import FolderError, RunError
from sal.runs.experiment import Experiment
from sal.runs.outlook import seconds_left
from sal.runs.planned_run import PlannedRun
from sal.runs.problems import TINY
from sal.runs.server_plan import plan_servers
from sal.runs.settings import Settings, prepare
from sal.runs.snapshot import Snapshot
from sal.runtime.access import Access
from sal.runtime.client import Engine
from sal.runtime.plan import Plan
from sal.runtime.session import Servers

PROBLEMS = 3
BASE = Settings(strategy="", params={"max_tokens": 120}, dataset=TINY, limit=PROBLEMS)


def two(folder: Path) -> list[PlannedRun]:
    return planned(BASE, ["greedy", "best-of-n"], [2], folder)


class Follower:
    """Remembers what it was told; `ask_at` is the run in which its user wants to stop."""

    def __init__(self, ask_at: int | None = None) -> None:
        self.asked = False
        self.begun: list[Begun] = []
        self.closed = 0
        self.last: Snapshot | None = None
        self._ask_at = ask_at

    def note(self, text: str) -> None:
        raise AssertionError(f"these folders are whole: {text}")

    def begin(self, run: Begun) -> None:
        self.begun.append(run)

    def status(self, role: str, text: str) -> None:
        raise AssertionError("these servers were there")

    def update(self, snapshot: Snapshot) -> None:
        self.last = snapshot
        self.asked = len(self.begun) == self._ask_at

    def close(self) -> None:
        self.closed += 1

    @contextmanager
    def deferred(self) -> Iterator[None]:
        yield


def experiment(
    runs: list[PlannedRun], urls: dict[str, str], follower: Follower, made: list[Engine]
) -> Experiment:
    def client(url: str, access: Access) -> Engine:
        made.append(Engine(url, access))
        return made[-1]

    plan = Plan(urls=urls)  # type: ignore[arg-type]
    return Experiment(runs, plan, display=follower, interruption=follower, client=client)


KILLED_BETWEEN = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_runs_experiment import Follower, experiment, two

class Killer(Follower):
    def begin(self, run):
        super().begin(run)
        if run.number == 2:
            os.kill(os.getpid(), signal.SIGKILL)

folder, policy, prm = sys.argv[2:]
experiment(two(Path(folder)), {"policy": policy, "prm": prm}, Killer(), []).run()
"""


@pytest.mark.servers
def test_killed_between_two_runs_it_goes_on_with_the_second(
    policy_server: str, prm_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[Servers] = []

    class Counted(Servers):
        def __enter__(self) -> Servers:
            entered.append(self)
            return super().__enter__()

    monkeypatch.setattr(module, "Servers", Counted)
    with Proxy(policy_server) as policy, Proxy(prm_server) as prm:
        urls = {"policy": policy.url, "prm": prm.url}
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_BETWEEN, Path(__file__).parent, tmp_path, *urls.values()],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        greedy, best = runs = two(tmp_path)
        assert len(records(greedy.path, "problem")) == PROBLEMS
        assert records(best.path, "problem") == []
        journal = (greedy.path / "journal.jsonl").read_bytes()
        asked = policy.requests
        assert asked > 0
        assert prm.requests == 0

        follower, made = Follower(), list[Engine]()
        resumed = experiment(runs, urls, follower, made)
        assert resumed.owed == [best]
        assert list(resumed.summaries) == [greedy.path]
        resumed.run()

        assert resumed.owed == []
        assert [(run.name, run.number, run.total) for run in follower.begun] == [
            ("best-of-n, N = 2", 2, 2)
        ]
        assert follower.closed == 1
        assert follower.last is not None
        assert follower.last.done == PROBLEMS
        used = resumed.summaries[best.path]
        assert used.problems == PROBLEMS
        assert policy.requests - asked == used.policy.requests
        assert prm.requests == used.prm.requests > 0
        assert (greedy.path / "journal.jsonl").read_bytes() == journal
        assert len(entered) == 1

        asked = policy.requests
        again = experiment(runs, urls, follower, made)
        again.run()  # nothing is owed, nobody is asked
        assert again.summaries[best.path].policy == used.policy
        assert list(again.summaries) == [greedy.path, best.path]
        assert policy.requests == asked
        assert len(entered) == 1


@pytest.mark.servers
def test_both_run_on_the_same_servers_with_clients_of_their_own(
    policy_server: str, prm_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Engine] = []
    follower = Follower()
    runs = two(tmp_path)
    urls = {"policy": policy_server, "prm": prm_server}
    done = experiment(runs, urls, follower, made)
    done.run()
    greedy, best = (done.summaries[run.path] for run in runs)
    assert [run.number for run in follower.begun] == [1, 2]
    # What was opened with the servers, then the policy's for greedy, then a pair for best-of-n.
    assert [engine.url for engine in made] == [*urls.values(), policy_server, *urls.values()]
    assert [engine.usage.requests for engine in made] == [
        *(0, 0, greedy.policy.requests),
        *(best.policy.requests, best.prm.requests),
    ]
    assert {engine.in_flight for engine in made} == {0}


@pytest.mark.servers
def test_an_interrupted_run_is_owed_and_what_came_before_is_not(
    policy_server: str, prm_server: str, tmp_path: Path
) -> None:
    greedy, best = runs = two(tmp_path)
    urls = {"policy": policy_server, "prm": prm_server}
    follower = Follower(ask_at=2)
    stopped = experiment(runs, urls, follower, [])
    # At the latest in its last tick, when all of it may be done.
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert stopped.owed == [best]
    assert list(stopped.summaries) == [greedy.path]
    assert stopped.outcomes[best.path].interrupted
    assert follower.closed == 2
    assert (best.path / "summary.json").exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    greedy, best = two(tmp_path)
    best.path.mkdir()
    (best.path / "notes.txt").write_text("mine")
    with pytest.raises(FolderError, match="holds no run"):
        experiment([greedy, best], {}, Follower(), [])


class TestPlanning:
    @pytest.mark.parametrize("first", ["greedy", "dvts"])
    def test_the_servers_are_for_all_recipes(self, first: str) -> None:
        other = "dvts" if first == "greedy" else "greedy"
        recipes = [
            prepare(replace(BASE, strategy=name), gpu=False).recipe for name in (first, other)
        ]
        assert set(plan_servers(recipes, CPU_ONLY).servers) == {"policy", "prm"}
        alone = [recipe for recipe in recipes if recipe.strategy == "greedy"]
        assert set(plan_servers(alone, CPU_ONLY).servers) == {"policy"}

    def test_recipes_with_other_models_have_other_servers(self) -> None:
        given = (replace(BASE, strategy="dvts"), replace(BASE, strategy="dvts", policy="a/b"))
        with pytest.raises(RunError, match=r"these differ: policy$"):
            plan_servers([prepare(settings, gpu=False).recipe for settings in given], CPU_ONLY)


class Told:
    """As much of a summary as the outlook reads."""

    def __init__(self, strategy: str, budget: int, seconds: float) -> None:
        self.strategy, self.budget, self.seconds = strategy, budget, seconds


def test_the_time_left_is_from_the_completions_so_far(tmp_path: Path) -> None:
    """majority: 12 completions in 6 s, so 24 take 12 s; dvts: as all so far, 36 take 18 s."""
    runs = planned(BASE, ["greedy", "majority", "dvts"], [4, 8], tmp_path)
    assert [run.work for run in runs] == [PROBLEMS * n for n in (1, 4, 4, 8, 8)]
    greedy, majority_4, *owed = runs
    assert seconds_left(runs, runs, {}) is None
    done = {greedy.path: Told("greedy", 1, 100.0)}
    assert seconds_left(runs, runs, done) is None  # type: ignore[arg-type]
    done[majority_4.path] = Told("majority", 4, 6.0)
    assert seconds_left(owed, runs, done) == 12 + 18  # type: ignore[arg-type]
