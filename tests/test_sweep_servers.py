"""Sweeps on real servers: killed, interrupted, resumed; what is shared, and what it costs."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import known
from runs_examples import planned
from runs_terminal import SAL, environment, records

from bench import ours
from sal.cli.display.lines import NoDisplay
from sal.cli.interrupt import EXIT_CODE, Interrupt
from sal.runs.planned_run import PlannedRun
from sal.runs.problems import TINY
from sal.runs.settings import Settings
from sal.runs.sweep.folder import SweepFolder
from sal.runs.sweep.sweep import Sweep
from sal.runtime.access import Access
from sal.runtime.client import Engine
from sal.runtime.plan import Plan, Role
from sal.runtime.shared import Replies, SharedEngine
from sal.runtime.usage import Usage

pytestmark = pytest.mark.servers

PROBLEMS = 6
BASE = Settings(strategy="", params={}, dataset=TINY, limit=PROBLEMS)
GRID = ["--strategies", "greedy,majority,best-of-n", "--budgets", "2,8"]
CELLS = ["greedy", "majority-2", "best-of-n-2", "majority-8", "best-of-n-8"]


PATIENCE = 400
"""Seconds for a command that nothing is to be waited for."""


def recorded(out: Path) -> list[str]:
    """Every problem of every cell."""
    return [f"{cell} {id}" for cell in CELLS for id in ids_of(out / cell)]


def ids_of(folder: Path) -> list[str]:
    if not (folder / "journal.jsonl").exists():
        return []
    return [record["row"]["id"] for record in records(folder, "problem")]


class TestCommand:
    def start(self, folder: Path, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [SAL, "sweep", *words, "--display", "plain"],
            cwd=folder,
            env=environment(folder / "state"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_another(self, out: Path, process: subprocess.Popen[str]) -> None:
        """Until a search has recorded a problem."""
        before = found = recorded(out)
        while found == before and process.poll() is None:
            time.sleep(0.01)
            found = recorded(out)

    def test_killed_interrupted_and_resumed_it_ends_with_every_problem_once(
        self, policy_server: str, prm_server: str, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        urls = ["--policy", policy_server, "--prm", prm_server]
        words = [*GRID, *urls, "--dataset", "tiny", "--limit", str(PROBLEMS), "--out", str(out)]
        killed = self.start(tmp_path, *words)
        while len(recorded(out)) <= PROBLEMS and killed.poll() is None:  # greedy, and one more
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        _, said = killed.communicate()
        assert killed.returncode == -signal.SIGKILL, said
        assert "1/5  greedy" in said

        before = {cell: ids_of(out / cell) for cell in CELLS}
        assert len(before["greedy"]) == PROBLEMS
        with SweepFolder(out):
            second = self.start(tmp_path, "--resume", str(out))
            _, said = second.communicate(timeout=PATIENCE)
        assert second.returncode == 2
        assert said.endswith(f"sal: {out}: another sweep is writing there\n")

        interrupted = self.start(tmp_path, "--resume", str(out))
        self.wait_for_another(out, interrupted)
        interrupted.send_signal(signal.SIGINT)
        _, said = interrupted.communicate(timeout=PATIENCE)
        assert interrupted.returncode == EXIT_CODE, said
        assert said.endswith(f"cells; resume with\n  sal sweep --resume {out}\n")
        assert "greedy" not in said

        last = self.start(tmp_path, "--resume", str(out))
        text, said = last.communicate(timeout=PATIENCE)
        assert last.returncode == 0, said
        for cell in CELLS:
            found = ids_of(out / cell)
            assert found[: len(before[cell])] == before[cell]
            assert (len(found), len(set(found))) == (PROBLEMS, PROBLEMS)
        assert (out / "compare.md").read_text() == text
        content = json.loads((out / "compare.json").read_text())
        arms = {(a["method"], a["budget"]): a for a in content["arms"]}
        assert [key for key in arms if key[1] in (1, 8)] == [
            *(("greedy", 1), ("majority", 8)),
            *(("best-of-n", 8), ("best-of-n, naive", 8)),
        ]
        for (method, _), arm in arms.items():
            assert (arm["judged"] > 0) == method.startswith("best-of-n")
            assert arm["flops"] > 0
            assert arm["failed"] == 0

        again = self.start(tmp_path, "--resume", str(out), "--json")
        text, said = again.communicate(timeout=PATIENCE)
        assert f"Nothing is owed in {out}." in said
        assert json.loads(text)["arms"] == content["arms"]


ROLES: tuple[Role, Role] = ("policy", "prm")


class Kept(SharedEngine):
    """Remembers every client, whose `usage` is what the server was really asked."""

    made: ClassVar[list[Kept]] = []

    def __init__(self, url: str, access: Access, *, replies: Replies) -> None:
        super().__init__(url, access, replies=replies)
        self.made.append(self)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Kept]:
    monkeypatch.setattr(Kept, "made", [])
    return Kept.made


class Place:
    """Searches runs on the two servers."""

    def __init__(self, policy: str, prm: str) -> None:
        self.plan = Plan(urls={"policy": policy, "prm": prm})
        self.replies = Replies(1 << 30)

    def search(self, runs: Sequence[PlannedRun]) -> Sweep:
        with Interrupt() as interrupt:
            sweep = Sweep(
                [(self.plan, runs)],
                replies=self.replies,
                display=NoDisplay(),
                interruption=interrupt,
                client=Kept,
            )
            sweep.run()
        return sweep


@pytest.fixture
def place(policy_server: str, prm_server: str, clients: list[Kept]) -> Place:
    return Place(policy_server, prm_server)


def but_for_the_cache(usage: Usage) -> Usage:
    return replace(usage, cached_tokens=0, attended_tokens=0)


def asked(clients: Sequence[Kept], place: Place) -> tuple[int, int]:
    """Requests that the policy and the PRM really answered."""
    policy, prm = (
        sum(client.usage.requests for client in clients if client.url == place.plan.urls[role])
        for role in ROLES
    )
    return policy, prm


def test_the_samples_of_all_budgets_and_votes_are_those_of_the_largest(
    place: Place, clients: list[Kept], tmp_path: Path
) -> None:
    """Small budgets come first, and the largest asks for the rest."""
    runs = planned(BASE, ["majority", "best-of-n"], [2, 4, 8], tmp_path / "all")
    told = place.search(runs).summaries
    shared = asked(clients, place)
    clients.clear()
    place.replies = Replies(1 << 30)
    (alone,) = planned(BASE, ["best-of-n"], [8], tmp_path / "alone")
    summary = place.search([alone]).summaries[alone.path]
    assert asked(clients, place) == (summary.policy.requests, summary.prm.requests)
    assert shared[0] == summary.policy.requests
    # How many these are depends on which of two solutions with one beginning was written first.
    assert 0 < shared[1] < sum(told[run.path].prm.requests for run in runs)


def test_another_aggregate_votes_as_its_own_search_does(
    place: Place, clients: list[Kept], tmp_path: Path
) -> None:
    """Of each other, real searches have the same texts, and scores but for their last digits."""
    runs = [
        run
        for how in ("last", "min", "prod", "mean")
        for run in planned(
            replace(BASE, params={"aggregate": how}), ["best-of-n"], [4], tmp_path / "votes" / how
        )
    ]
    voted = place.search(runs)
    assert len({client.url for client in clients}) == 2
    assert len(clients) == 4, "one search: a pair of clients for it, and one at the start"
    for run in runs:
        searched = replace(run, path=tmp_path / "searched" / run.path.parent.name)
        summary = place.search([searched]).summaries[searched.path]
        ours = voted.summaries[run.path]
        assert ours.accuracy == summary.accuracy
        assert but_for_the_cache(ours.policy) == but_for_the_cache(summary.policy)
        for row, real in zip(run.rows(), searched.rows(), strict=True):
            assert (row.id, row.rule, row.chosen) == (real.id, real.rule, real.chosen)
            assert row.correct == real.correct
            for one, other in zip(row.completions, real.completions, strict=True):
                rounded = replace(one, scores=other.scores, weight=other.weight)
                assert rounded == other
                assert one.scores == pytest.approx(other.scores, rel=1e-3)
                assert one.weight == pytest.approx(other.weight, rel=1e-3)
    weights = {tuple(c.weight for row in run.rows() for c in row.completions) for run in runs}
    assert len(weights) == 4, "the aggregates differ on these"


def test_what_was_asked_before_is_not_asked_again_and_costs_the_same(
    place: Place, clients: list[Kept], policy: Engine, prm: Engine, tmp_path: Path
) -> None:
    """Beam search, the same but for what is never reached, and DVTS, whose first steps are among those of beam search."""
    ours.flush(policy, prm)
    runs = [
        run
        for name, most in (("beam", 40), ("beam", 39), ("dvts", 40))
        for run in planned(
            replace(BASE, params={"max_steps": most}), [name], [8], tmp_path / f"{most}"
        )
    ]
    done = place.search(runs)
    first, again, after = (done.summaries[run.path] for run in runs)
    used = [client.usage for client in clients[2:]]  # each run has two of its own

    for counted, real, twice in zip((first.policy, first.prm), used[:2], (0.02, 0.15), strict=True):
        assert but_for_the_cache(counted) == but_for_the_cache(real)
        assert counted.cached_tokens == pytest.approx(real.cached_tokens, rel=twice)
        # Equal texts that come at once are read twice by a server: 2 to 12 % of the PRM's tokens.
        assert counted.attended_tokens == pytest.approx(real.attended_tokens, rel=2 * twice)

    assert [usage.requests for usage in used[2:4]] == [0, 0]
    for once, anew in ((first.policy, again.policy), (first.prm, again.prm)):
        assert but_for_the_cache(anew) == but_for_the_cache(once)
        assert anew.cached_tokens == pytest.approx(once.cached_tokens, rel=0.01)
    rows, rows_again = (list(run.rows()) for run in runs[:2])
    assert [row.completions for row in rows_again] == [row.completions for row in rows]

    assert 0 < used[4].requests < after.policy.requests
    assert known(after.policy.cached_tokens) < known(after.policy.prompt_tokens)
