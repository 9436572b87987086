"""Trainings that are killed, at any instant and at any touch of a file: the same weights in the end."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from learn_examples import base_model, labelled

from sal.learn import checkpoints
from sal.learn.files import write_labels
from sal.learn.sources import labels_from
from sal.learn.train import TrainSettings, plan, train
from sal.learn.weights import weights_digest

PROCESSES = multiprocessing.get_context("forkserver")
OWN = forkserver.ForkServer()  # the other is the graders', whose workers may not begin so large
OWN.set_forkserver_preload(["torch", "transformers.trainer", "sal.learn.train"])

KILLS = 10
FINISHED = 1_000_000
TOUCHES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}
"""What Python tells of files, among them every writing of a checkpoint's and of the PRM's."""


def settings(base: str, **told: Any) -> TrainSettings:
    given = {"held_out": 0.2, "learning_rate": 4e-3, "epochs": 2.5, "batch_size": 16}
    return TrainSettings(base=base, **(given | {"evaluate_every": 4} | told))


def work(
    base: str, labels: str, out: str, told: dict[str, Any], seconds: float, touches: int
) -> None:
    """A training in a process of its own, which dies as any process may, if it is to.

    That is after so many seconds of computing, or at its so many-th touch of a file in `out`.
    """
    import torch

    torch.set_num_threads(1)
    signal.setitimer(signal.ITIMER_PROF, seconds)  # of its own time, however busy the machine is
    seen = 0

    def touch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in TOUCHES and f"{arguments[0]}/".startswith(f"{out}/"):
            seen += 1
            if seen == touches:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(touch)
    train(plan(settings(base, **told), labels_from(labels).rows), Path(out), lambda _: None)
    Path(f"{out}-spent").write_text(json.dumps([time.process_time(), seen]))


@pytest.fixture(scope="module", autouse=True)
def own_forkserver() -> Iterator[None]:
    yield
    OWN._stop()  # type: ignore[attr-defined] # gives its memory back


class Trainings:
    """Of one model on one set of labels; `told` are settings."""

    def __init__(self, folder: Path, **told: Any) -> None:
        self.folder, self.told = folder, told
        self.base = str(base_model(folder / "base"))
        self.labels = str(folder / "labels")
        write_labels(labelled(240), folder / "labels")

    def run(self, out: Path, seconds: float = 0, touches: int = 0) -> bool:
        """Whether it came to its end before it died."""
        arguments = (self.base, self.labels, str(out), self.told, seconds, touches)
        process = PROCESSES.Process(target=work, args=arguments)
        with patch.object(forkserver, "connect_to_new_process", OWN.connect_to_new_process):
            process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL, -signal.SIGPROF)
        return process.exitcode == 0


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return Trainings(tmp_path_factory.mktemp("trainings"), family="token-classifier")


def whole_step(out: Path) -> int:
    """How many steps are safe: all of a training that is recorded as finished."""
    told = out / checkpoints.RECORD
    if told.is_file() and "figures" in json.loads(told.read_bytes()):
        return FINISHED
    last = checkpoints.last_whole(out / checkpoints.CHECKPOINTS)
    return int(last.name.rpartition("-")[2]) if last else 0


def record(out: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((out / checkpoints.RECORD).read_text())
    for row in [told["figures"], *told["history"]]:
        for name in [n for n in row if n.endswith(("runtime", "per_second"))]:
            del row[name]
    return told


def test_whenever_it_is_killed_no_checkpoint_is_lost_and_the_weights_are_the_same(
    trainings: Trainings, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    assert trainings.run(alone)
    seconds, touches = json.loads(Path(f"{alone}-spent").read_text())
    dice = random.Random(17)
    kills = gone_on = finished = 0
    while kills < KILLS:
        out, safe = tmp_path / f"killed-{finished}", 0
        while kills < KILLS:
            at = (seconds * dice.random(), 0) if kills % 2 else (0, dice.randrange(1, touches))
            if trainings.run(out, *at):
                break
            kills += 1
            assert whole_step(out) >= safe
            safe = whole_step(out)
            gone_on += safe > 0
        assert trainings.run(out)
        assert weights_digest(str(out)) == weights_digest(str(alone))
        assert record(out)["figures"] == record(alone)["figures"]
        assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in alone.iterdir())
        finished += 1
    assert gone_on >= KILLS // 3, "too many kills hit the first steps alone"


@pytest.mark.parametrize(
    "told",
    [
        {"epochs": 60.0, "patience": 1, "evaluate_every": 1, "learning_rate": 2e-2},
        {"overrides": {"max_steps": 7}},
    ],
    ids=["early", "by its steps"],
)
def test_a_training_that_had_ended_when_it_was_killed_learns_nothing_more(
    told: dict[str, Any], tmp_path: Path
) -> None:
    trainings = Trainings(tmp_path, family="step-token", **told)
    assert trainings.run(tmp_path / "alone")
    _, touches = json.loads((tmp_path / "alone-spent").read_text())
    assert not trainings.run(tmp_path / "killed", touches=touches - 8)
    assert not (tmp_path / "killed" / "config.json").exists()
    last = checkpoints.last_whole(tmp_path / "killed" / checkpoints.CHECKPOINTS)
    assert checkpoints.is_over(last, told.get("patience", 0)), "it was killed too early"
    assert trainings.run(tmp_path / "killed")
    ours, theirs = record(tmp_path / "killed"), record(tmp_path / "alone")
    assert ours["figures"] == theirs["figures"]
    steps = [
        max(row["step"] for row in told["history"] if "rank" in row) for told in (ours, theirs)
    ]
    assert steps[0] == steps[1]
