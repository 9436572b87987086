"""`sal learn label` on the real policy: what it writes, what it costs, and that it goes on."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from runs_terminal import Terminal, records
from test_runs_servers import sal

from sal.grading.grader import Grader
from sal.learn.sources import labels_from
from sal.programs.step_rollouts import StepRolloutsParams, step_rollouts
from sal.runs.export.files import Traces
from sal.runs.found import read_run
from sal.runs.graded import Graded
from sal.runs.problems import Question
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine
from sal.tiny.oracle import step_labels
from sal.tiny.paths import PROBLEMS

pytestmark = pytest.mark.servers

SAID = ["--budget", "6", "--rollouts", "4", "--max-tokens", "200"]


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first twelve to learn from."""
    file = tmp_path_factory.mktemp("problems") / "twelve.jsonl"
    file.write_text("".join(PROBLEMS["train"].read_text().splitlines(keepends=True)[:12]))
    return file


def words(policy: str, problems: Path) -> list[str]:
    return ["learn", "label", *SAID, "--policy", policy, "--dataset", str(problems)]


@pytest.fixture(scope="module")
def labelled(
    policy_server: str, problems: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The folder of a whole run, and what it printed."""
    folder = tmp_path_factory.mktemp("labels")
    ended = sal([*words(policy_server, problems), "--out", "labels"], folder)
    assert ended.returncode == 0, ended.stderr
    return folder / "labels", ended.stdout


def test_the_labels_are_counts_of_what_is_in_the_traces(labelled: tuple[Path, str]) -> None:
    folder, out = labelled
    rows = labels_from(str(folder)).rows
    assert rows
    assert {row.source for row in rows} == {"step-rollouts of policy"}
    for row in rows:
        assert row.rollouts[-1] == 1
        assert row.right[-1] == row.correct
        assert all(n > 0 and n % 4 == 0 for n in row.rollouts[:-1])
    of = Traces(folder / "traces")
    asked = sum(
        len(node["id"]) > 1 and node["id"][-1] > 0
        for text in of.values()
        for node in json.loads(text)["nodes"]
    )
    distinct = {
        (row.question, row.steps[:end]): row.rollouts[end - 1]
        for row in rows
        for end in range(1, len(row.steps))
    }
    assert sum(distinct.values()) == asked
    assert f"| solutions | {len(rows)} |" in out
    run = read_run(folder)
    both = [r for r in run.rows if len({c.right for c in r.completions if c.key}) == 2]
    assert {row.question for row in rows} == {r.question for r in both}


def test_a_right_prefix_is_finished_right_more_often(labelled: tuple[Path, str]) -> None:
    """By the exact judge of the task, which labelling knows nothing of."""
    shares: dict[bool, list[float]] = {True: [], False: []}
    for row in labels_from(str(labelled[0])).rows:
        truth = step_labels(row.question, row.steps)
        for right, n, good in zip(row.right, row.rollouts, truth, strict=True):
            shares[good].append(right / n)
    assert len(shares[True]) > 20
    assert len(shares[False]) > 5
    assert statistics.mean(shares[True]) > statistics.mean(shares[False]) + 0.4


def test_a_killed_run_goes_on_and_comes_to_the_labels_of_one_that_nobody_touched(
    labelled: tuple[Path, str], policy_server: str, problems: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "labels"
    first = Terminal([*words(policy_server, problems), "--resume", str(folder)], tmp_path)
    first.until(lambda: records(folder, "problem"))
    first.process.kill()
    first.wait()
    done = len(records(folder, "problem"))
    assert 1 <= done < 12, "it was not killed in the middle"
    second = sal(["learn", "label", "--resume", str(folder)], tmp_path)
    assert second.returncode == 0, second.stderr
    assert len(records(folder, "problem")) == 12
    ours, theirs = (labels_from(str(of)).rows for of in (folder, labelled[0]))
    assert ours == theirs
    third = sal(["learn", "label", "--resume", str(folder)], tmp_path)
    assert third.returncode == 0
    assert len(records(folder, "problem")) == 12


def test_only_a_run_that_labels_goes_on(tmp_path: Path, policy_server: str, problems: Path) -> None:
    of = ["--policy", policy_server, "--dataset", str(problems), "--limit", "2"]
    assert sal(["run", "majority", "--budget", "2", *of, "--out", "r"], tmp_path).returncode == 0
    ended = sal(["learn", "label", "--resume", "r"], tmp_path)
    assert ended.returncode == 2
    assert "holds a run of majority" in ended.stderr
    assert sal(["run", "step-rollouts", *of], tmp_path).returncode == 2


class Recording(Engine):
    """Keeps the token ids of every request with those of its reply, and the tokens prefilled."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sequences: list[tuple[int, ...]] = []
        self.prefilled: list[int] = []

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        reply = super().generate(payload)
        self.sequences.append((*payload["input_ids"], *reply.get("output_ids", ())))
        told = reply["meta_info"]
        self.prefilled.append(told["prompt_tokens"] - told["cached_tokens"])
        return reply


@pytest.mark.parametrize("first_error", [False, True], ids=["every step", "first error"])
def test_a_prefix_is_prefilled_once(
    first_error: bool, policy_server: str, problems: Path, grader: Grader
) -> None:
    """Tokens prefilled over the nodes of the trie of all that was sent and written: at most 1.10."""
    params = StepRolloutsParams(budget=8, rollouts=8, max_tokens=200, first_error=first_error)
    with Recording(policy_server) as engine:
        assert engine.flush_cache()
        for line in problems.read_text().splitlines()[:4]:
            row = json.loads(line)
            judge = Graded(Question(row["id"], row["question"], row["answer"]), grader)
            step_rollouts.run(
                row["question"], params=params, verifier=judge, backend=PooledBackend(engine)
            )
        trie = {s[:n] for s in engine.sequences for n in range(1, len(s) + 1)}
        assert sum(engine.prefilled) / len(trie) <= 1.10
