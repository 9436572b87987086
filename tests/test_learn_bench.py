"""`sal learn bench`: what is scored, what is owed again, and ProcessBench's files."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sal.learn.bench import bench, read_sets
from sal.learn.bench_folder import FIGURES, JOURNAL, PAGE, PLOT, BenchFolder
from sal.learn.bench_prm import BenchSettings
from sal.learn.errors import LabelError
from sal.learn.files import write_labels
from sal.learn.processbench import read_subset
from sal.learn.rows import StepLabels
from sal.learn.weights import weights_digest
from sal.runs.errors import FolderError, RunError, ServersLost
from sal.runtime.endpoint_errors import Misread, Rejected, Unreachable
from sal.verifiers.interface import Scored, Usage

SETTINGS = BenchSettings(prm="http://prm")


def row(i: int, label: int, steps: int = 3) -> StepLabels:
    return StepLabels(
        id=f"p-{i}",
        question=f"Q {i}?",
        steps=tuple(f"step {k}" for k in range(steps)),
        first_error=label,
    )


ROWS = [row(i, -1 if i % 2 else i % 3) for i in range(12)]


class Oracle:
    """Knows the labels; `fail` says what it raises on a question."""

    def __init__(self, **fail: Exception) -> None:
        self.fail = {name.replace("_", " ") + "?": error for name, error in fail.items()}
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        assert not prefix
        with self._lock:
            self.asked.append(question)
        if question in self.fail:
            raise self.fail[question]
        label = next(r.first_error for r in ROWS if r.question == question)
        return Scored(
            tuple(0.1 if k == label else 0.9 for k in range(len(steps))), Usage(10, 0, 0, 1)
        )


def figured(folder: BenchFolder) -> dict[str, Any]:
    """Of `ROWS`, all scored: nothing answers at that URL."""
    folder.journal.close()
    found = bench(SETTINGS, {"own": ROWS}, folder.path)
    assert found is not None
    own: dict[str, Any] = json.loads(json.dumps(found["subsets"]["own"]))
    return own


def test_every_solution_is_scored_once_and_measured(tmp_path: Path) -> None:
    folder, oracle = BenchFolder(tmp_path, SETTINGS, ROWS), Oracle()
    ticks: list[tuple[int, int, int]] = []
    assert folder.score(oracle, 4, tick=lambda *told: ticks.append(told)) == 0
    assert sorted(oracle.asked) == sorted(r.question for r in ROWS)
    assert folder.owed == []
    assert ticks[-1] == (12, 12, 0)
    told = figured(folder)
    assert told["0.5"]["f1"] == 1.0
    assert (told["solutions"], told["wrong"], told["failed"]) == (12, 6, 0)
    assert json.loads((tmp_path / FIGURES).read_text())["subsets"]["own"] == told


def test_what_failed_or_was_torn_is_scored_again_and_nothing_else(tmp_path: Path) -> None:
    folder = BenchFolder(tmp_path, SETTINGS, ROWS)
    assert folder.score(Oracle(Q_3=Unreachable("gone")), 4) == 1
    assert [r.id for r in folder.owed] == ["p-3"]
    folder.journal.close()
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-9])  # as a kill leaves it
    again, oracle = BenchFolder(tmp_path, SETTINGS, ROWS), Oracle()
    owed = {r.question for r in again.owed}
    assert "Q 3?" in owed
    assert len(owed) == 2
    again.score(oracle, 4)
    assert set(oracle.asked) == owed
    assert figured(again)["0.5"]["f1"] == 1.0


def test_a_solution_that_the_prm_refuses_counts_as_judged_wrongly(tmp_path: Path) -> None:
    folder = BenchFolder(tmp_path, SETTINGS, ROWS)
    folder.score(Oracle(Q_0=Rejected("4,096 tokens at most"), Q_1=Rejected("no")), 4)
    assert folder.owed == []
    told = figured(folder)
    assert told["failed"] == 2
    assert (told["0.5"]["error"], told["0.5"]["correct"]) == pytest.approx((5 / 6, 5 / 6))


@pytest.mark.parametrize("fault", [Misread, Rejected])
def test_an_endpoint_at_fault_ends_it_and_keeps_what_was_scored(
    tmp_path: Path, fault: type[Exception]
) -> None:
    folder = BenchFolder(tmp_path, SETTINGS, ROWS)
    broken: Any = fault("no head", at_fault=True)  # type: ignore[call-arg]
    with pytest.raises(ServersLost, match="no head"):
        folder.score(Oracle(Q_7=broken), 1)
    assert [r.id for r in folder.owed] == [f"p-{i}" for i in range(7, 12)]


def test_it_ends_in_order_when_it_is_asked_to(tmp_path: Path) -> None:
    folder, oracle = BenchFolder(tmp_path, SETTINGS, ROWS), Oracle()
    folder.score(oracle, 2, stop=lambda: len(oracle.asked) >= 4)
    assert 4 <= len(oracle.asked) <= 6
    assert len(folder.owed) == 12 - len(oracle.asked)


def test_another_benchmark_in_the_folder_is_refused(tmp_path: Path) -> None:
    with BenchFolder(tmp_path, SETTINGS, ROWS) as folder:
        folder.score(Oracle(), 4)
    with pytest.raises(FolderError, match="a benchmark of other solutions: name another --out"):
        BenchFolder(tmp_path, SETTINGS, ROWS[1:])
    other = BenchSettings(prm="http://other", family="chat-turn")
    with pytest.raises(FolderError, match="a benchmark of other prm, family"):
        BenchFolder(tmp_path, other, ROWS)


def test_a_prm_that_scored_nothing_is_not_remembered(tmp_path: Path) -> None:
    """As one whose name was mistyped, and that no server could be started with."""
    for settings in (BenchSettings(prm="http://mistyped"), SETTINGS):
        with BenchFolder(tmp_path, settings, ROWS) as folder:
            assert folder.known == {}
    with BenchFolder(tmp_path, SETTINGS, ROWS) as folder:
        folder.score(Oracle(), 4)
    with pytest.raises(FolderError, match="a benchmark of other prm"):
        BenchFolder(tmp_path, BenchSettings(prm="http://mistyped"), ROWS)


def test_other_weights_under_the_same_name_are_refused(tmp_path: Path) -> None:
    """As of a PRM that was trained again in its folder: old scores are not taken for its own."""
    prm = tmp_path / "prm"
    prm.mkdir()
    (prm / "model.safetensors").write_bytes(b"one")
    settings = BenchSettings(prm=str(prm))
    with BenchFolder(tmp_path / "bench", settings, ROWS) as folder:
        assert folder.weights == hashlib.sha256(b"one").hexdigest()
        folder.score(Oracle(), 1)
    with BenchFolder(tmp_path / "bench", settings, ROWS) as folder:
        assert folder.owed == []
    (prm / "model.safetensors").write_bytes(b"two")
    with pytest.raises(FolderError, match="a benchmark of other weights: name another --out"):
        BenchFolder(tmp_path / "bench", settings, ROWS)


def test_weights_that_come_later_are_known_from_then_on(tmp_path: Path) -> None:
    """A model of the Hub is fetched when it is served; benchmarks of older versions name none."""
    prm = tmp_path / "prm"
    settings = BenchSettings(prm=str(prm))
    with BenchFolder(tmp_path / "bench", settings, ROWS) as folder:
        assert folder.weights is None
    prm.mkdir()
    (prm / "model.safetensors").write_bytes(b"one")
    with BenchFolder(tmp_path / "bench", settings, ROWS) as folder:
        known = folder.weights
    (prm / "model.safetensors").unlink()
    with BenchFolder(tmp_path / "bench", settings, ROWS) as folder:
        assert folder.weights == known is not None


def test_the_digest_is_what_sha256sum_says(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in ("model-2.safetensors", "model-1.safetensors"):
        (tmp_path / name).write_bytes(name.encode())
    sums = subprocess.run(
        ["sha256sum", "model-1.safetensors", "model-2.safetensors"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    ).stdout
    assert weights_digest(str(tmp_path)) == hashlib.sha256(sums).hexdigest()
    one = tmp_path / "one"
    one.mkdir()
    stored = tmp_path / ("ab" * 32)  # as in the Hub's cache, whose names are not computed again
    stored.write_bytes(b"large")
    (one / "model.safetensors").symlink_to(stored)
    assert weights_digest(str(one)) == stored.name
    assert weights_digest("http://prm") is weights_digest(str(tmp_path / "nowhere")) is None


def score(question: str, steps: list[str]) -> list[float]:
    """A PRM that is a function: it dislikes the middle step of three."""
    return [0.2 if k == 1 else 0.8 for k in range(len(steps))]


def test_a_function_is_measured_like_any_prm(tmp_path: Path) -> None:
    rows = [row(0, 1), row(1, 1), row(2, -1), row(3, 0), row(4, -1, steps=1)]
    found = bench(BenchSettings(prm=f"{__name__}:score"), {"own": rows}, tmp_path)
    assert found is not None
    told = found["subsets"]["own"]["0.5"]
    assert (told["error"], told["correct"]) == pytest.approx((2 / 3, 1 / 2))
    page = (tmp_path / PAGE).read_text()
    assert "| own | 0.5 | 66.7 | 50.0 | 57.1 |" in page
    assert f"| PRM | {__name__}:score |" in page
    assert "| requests | " in page
    plot = (tmp_path / PLOT).read_text()
    assert plot.count("<circle") == len(found["subsets"]["own"]["calibration"]["bins"]) == 2
    assert "own (ECE " in plot


def test_a_prm_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        bench(BenchSettings(prm="./nowhere", family="step-token"), {"own": ROWS}, tmp_path)


def test_own_labels_are_a_set_and_must_tell_the_first_error(tmp_path: Path) -> None:
    counted = StepLabels(id="c", question="q", steps=("a", "b"), right=(3, 0), rollouts=(4, 4))
    write_labels([counted, row(1, -1)], tmp_path / "labels")
    sets = read_sets([str(tmp_path / "labels")])
    assert [r.id for r in sets[str(tmp_path / "labels")]] == ["c", "p-1"]
    unknown = StepLabels(id="u", question="q", steps=("a", "b"), right=(0, 0), rollouts=(0, 4))
    write_labels([counted, row(1, -1), unknown], tmp_path / "unknown")
    said: list[str] = []
    (rows,) = read_sets([str(tmp_path / "unknown")], say=said.append).values()
    assert [r.id for r in rows] == ["c", "p-1"]
    assert said == [f"{tmp_path / 'unknown'}: 1 of 3 are left out: what is wrong is not known"]
    write_labels([counted], tmp_path / "one")
    with pytest.raises(LabelError, match="with a wrong step, and without one"):
        read_sets([str(tmp_path / "one")])
    write_labels([counted, counted, row(1, -1)], tmp_path / "twice")
    with pytest.raises(LabelError, match="1 ids are there more than once, as c"):
        read_sets([str(tmp_path / "twice")])


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (4, "0 1 4 5"),
        (3, "0 1 4"),
        (5, "0 1 2 4 5"),
        (6, "0 1 2 3 4 5"),
        (1, "0"),
        (9, "0 1 2 3 4 5"),
    ],
)
def test_a_limit_takes_solutions_of_both_kinds(limit: int, kept: str, tmp_path: Path) -> None:
    """ProcessBench's subsets begin with hundreds that have an error."""
    write_labels([row(i, 0 if i < 4 else -1) for i in range(6)], tmp_path)
    if limit == 1:
        with pytest.raises(LabelError, match="with a wrong step, and without one"):
            read_sets([str(tmp_path)], limit)
        return
    (rows,) = read_sets([str(tmp_path)], limit).values()
    assert [r.id for r in rows] == [f"p-{i}" for i in kept.split()]


def test_processbench_is_read_from_a_local_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {
            "id": "math-0",
            "generator": "x",
            "problem": "P?",
            "steps": ["a", "b"],
            "final_answer_correct": False,
            "label": 1,
        }
    ]
    (tmp_path / "processbench_math.json").write_text(json.dumps(rows))
    monkeypatch.setenv("SAL_DATA", str(tmp_path))
    (found,) = read_subset("math")
    assert (found.id, found.question, found.first_error) == ("math-0", "P?", 1)
    assert (found.correct, found.source) == (False, "ProcessBench")


@pytest.mark.recorded
@pytest.mark.parametrize(("subset", "wrong", "right"), [("gsm8k", 207, 193), ("math", 594, 406)])
def test_processbench_as_published(
    recorded_data: Path, monkeypatch: pytest.MonkeyPatch, subset: str, wrong: int, right: int
) -> None:
    """The counts of its Table 1 (arXiv 2412.06559)."""
    monkeypatch.setenv("SAL_DATA", str(recorded_data))
    rows = read_sets([subset])[subset]
    labels = [r.first_error for r in rows]
    assert sum(label != -1 for label in labels) == wrong
    assert sum(label == -1 for label in labels) == right
