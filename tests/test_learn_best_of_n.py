"""Best-of-N by another PRM over recorded samples: its choice, graded, with nothing sampled again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from runs_examples import recipe, row, written_run
from test_learn_cli import sal

from sal.learn.bench_folder import FIGURES, JOURNAL
from sal.learn.bench_prm import BenchSettings
from sal.learn.best_of_n import best_of_n, rescored
from sal.learn.errors import LabelError
from sal.runs.journal import read_records
from sal.runs.results import CompletionRow, ResultRow

SETTINGS = BenchSettings(prm=f"{__name__}:prefers_b")
BEST_OF_4 = recipe(strategy="best-of-n", params={"budget": 4, "aggregate": "last"})


def prefers_b(question: str, steps: list[str]) -> list[float]:
    """Of two steps it likes the first always, and the second if it says b."""
    return [0.9, *(0.8 if "b" in step else 0.1 for step in steps[1:])]


def sample(key: str, right: bool, finish: str = "eot") -> CompletionRow:
    steps = ("so", key)
    verdict = "match" if right else "mismatch"
    return CompletionRow("\n\n".join(steps), steps, (0.5, 0.5), 3, finish, key, verdict, 0.5)


def problem(id: str, *samples: CompletionRow) -> ResultRow:
    return replace(row(id), completions=samples)


WON = problem("won", *[sample("a", False)] * 3, sample("b", True))
LOST = problem("lost", *[sample("a", True)] * 3, sample("b", False))
CUT = problem(
    "cut", sample("a", True), sample("a", True), sample("b", False, "length"), sample("", False)
)


def test_the_new_prm_chooses_and_the_recorded_verdicts_grade(tmp_path: Path) -> None:
    run = written_run(tmp_path / "run", BEST_OF_4, [WON, LOST, CUT])
    found = best_of_n(SETTINGS, run, tmp_path / "bench")
    assert found is not None
    at_4 = {rule: told["4"]["mean"] for rule, told in found["accuracy"].items()}
    # b weighs 0.8 and each of three a 0.1: it wins in both, and is right in the first alone
    assert at_4 == pytest.approx({"majority": 2 / 3, "weighted": 2 / 3, "naive": 2 / 3, "pass": 1})
    assert found["accuracy"]["pass"]["1"]["mean"] == pytest.approx((1 / 4 + 3 / 4 + 2 / 4) / 3)
    assert found["gain"]["weighted"]["mean"] == pytest.approx(0)
    assert found["gain"]["weighted"]["stderr"] == pytest.approx((1 / 3) ** 0.5)
    assert found["aggregate"] == "last"
    assert json.loads((tmp_path / "bench" / FIGURES).read_text()) == json.loads(json.dumps(found))
    told = read_records(tmp_path / "bench" / JOURNAL)
    scored = {record["id"] for record in told if record["type"] == "scores"}
    assert len(scored) == 10
    assert not {"cut/2", "cut/3"} & scored  # a limit cut one, and one says nothing


def test_step_scores_are_reduced_as_is_said(tmp_path: Path) -> None:
    """The least of three steps is the first one's, whatever the last says."""
    run = written_run(tmp_path / "run", BEST_OF_4, [WON])
    first = best_of_n(SETTINGS, run, tmp_path / "bench")
    again = best_of_n(SETTINGS, run, tmp_path / "bench", "mean")
    assert first is not None
    assert again is not None
    # 0.85 against three times 0.5
    assert first["accuracy"]["weighted"]["4"]["mean"] == 1
    assert again["accuracy"]["weighted"]["4"]["mean"] == 0
    assert again["accuracy"]["naive"]["4"]["mean"] == 1


def test_what_could_not_be_scored_has_no_vote() -> None:
    known = {f"won/{i}": {"scores": None if i == 3 else [0.9, 0.1]} for i in range(4)}
    weights = [c.weight for c in rescored(WON, known, "last").completions]
    assert weights == [0.1, 0.1, 0.1, None]


def test_a_run_that_a_prm_guided_is_refused(tmp_path: Path) -> None:
    run = written_run(tmp_path / "run", recipe(), [WON])
    with pytest.raises(LabelError, match="dvts went by a PRM as it wrote"):
        best_of_n(SETTINGS, run, tmp_path / "bench")


def test_the_command_shows_accuracy_at_n(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = written_run(tmp_path / "run", BEST_OF_4, [WON, LOST])
    told = ["--samples", str(run), "--prm", SETTINGS.prm, "--out", str(tmp_path / "bench")]
    code, out, err = sal(capsys, "bench", *told)
    assert code == 0, err
    assert "| n | majority | weighted | naive | pass |" in out
    assert "| 4 | 0.500 ± 0.500 | 0.500 ± 0.500 | 0.500 ± 0.500 | 1.000 ± 0.000 |" in out
    assert "Gain on majority at n = 4, paired over 2 problems: weighted 0.000 ± 1.000" in out


@pytest.mark.parametrize("more", [["gsm8k"], ["--limit", "3"]])
def test_samples_are_a_benchmark_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    told = ["--samples", str(tmp_path), "--prm", SETTINGS.prm, "--out", str(tmp_path / "bench")]
    code, _, err = sal(capsys, "bench", *told, *more)
    assert code == 2
    assert "--samples goes without sets and --limit" in err
