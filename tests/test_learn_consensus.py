"""A judge's second opinion: what it is asked, what is kept of it, and the rows it leaves."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from judge_stand_in import KEY, JudgeApi

from sal.cli.main import main
from sal.learn.consensus import DISAGREED, JOURNAL, UNJUDGED, Judging, agreed, judged
from sal.learn.labelled import Labelled
from sal.learn.rows import StepLabels
from sal.learn.sources import labels_from
from sal.runtime.endpoint_errors import Denied, EndpointError, Unreachable
from sal.runtime.usage import Usage
from sal.verifiers.interface import Scored


def row(id: str, *steps: str, **told: Any) -> StepLabels:
    return StepLabels(id=id, question="?", steps=steps or ("a", "b"), **told)


class ScriptedJudge:
    """Holds a step to be right unless it says "wrong"; remembers what it was asked."""

    def __init__(self, fail: Callable[[Sequence[str]], Exception | None] = lambda _: None) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._fail = fail
        self._lock = threading.Lock()

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        with self._lock:
            self.asked.append(tuple(steps))
        assert (question, prefix) == ("?", ())
        if (error := self._fail(steps)) is not None:
            raise error
        return Scored(
            tuple(0.1 if "wrong" in step else 0.9 for step in steps),
            Usage(prompt_tokens=10, cached_tokens=0, completion_tokens=5, requests=1),
        )


THREE = Labelled([row("1", "a", "wrong"), row("2", "a", "b"), row("3", "a", "b")])


def test_every_solution_is_judged_once_and_equal_ones_together(tmp_path: Path) -> None:
    judge, seen = ScriptedJudge(), list[Judging]()
    found = judged(THREE, judge, "j", tmp_path, tick=seen.append)
    assert [r.judged for r in found.rows] == [(0.9, 0.1), (0.9, 0.9), (0.9, 0.9)]
    assert sorted(judge.asked) == [("a", "b"), ("a", "wrong")]
    assert (seen[0].done, seen[-1].done, seen[-1].total) == (0, 2, 2)
    assert (seen[-1].usage.completion_tokens, seen[-1].usage.requests) == (10, 2)


def test_it_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    judged(THREE, ScriptedJudge(), "j", tmp_path)
    file = tmp_path / JOURNAL
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + second[:20])  # the kill left half a line
    again, seen = ScriptedJudge(), list[Judging]()
    found = judged(THREE, again, "j", tmp_path, tick=seen.append)
    assert len(again.asked) == 1
    assert len(found.rows) == 3
    assert seen[-1].usage.requests == 2  # the earlier one, too
    other = ScriptedJudge()
    judged(THREE, other, "another judge", tmp_path)
    assert len(other.asked) == 2


def test_what_it_cannot_judge_is_left_out_and_asked_again(tmp_path: Path) -> None:
    judge = ScriptedJudge(lambda steps: ValueError("no verdict") if "wrong" in steps else None)
    found = judged(THREE, judge, "j", tmp_path)
    assert [r.id for r in found.rows] == ["2", "3"]
    assert found.dropped == {UNJUDGED: 1}
    again = ScriptedJudge()
    assert len(judged(THREE, again, "j", tmp_path).rows) == 3
    assert again.asked == [("a", "wrong")]


@pytest.mark.parametrize("error", [Denied("no key", at_fault=True), Unreachable("gone")])
def test_a_judge_that_lets_nobody_in_or_is_gone_ends_it(
    error: EndpointError, tmp_path: Path
) -> None:
    broken_off: list[bool] = []
    judge = ScriptedJudge(lambda _: error)
    with pytest.raises(type(error)):
        judged(THREE, judge, "j", tmp_path, abort=lambda: broken_off.append(True))
    assert broken_off == [True]


def test_it_agrees_where_it_names_the_same_first_wrong_step() -> None:
    """As the counts, the labels or the given error say it; where they do not tell, nobody agrees."""
    second = (0.9, 0.1)
    rows = [
        row("counts", right=(3, 0), rollouts=(8, 1), judged=second),
        row("counts differ", right=(3, 1), rollouts=(8, 1), judged=second),
        row("labels", labels=(1, -1), judged=second),
        row("labels differ", labels=(True, True), judged=second),
        row("given", first_error=1, judged=second),
        row("given differs", first_error=-1, judged=second),
        row("both right", first_error=-1, judged=(0.9, 0.6)),
        row("nobody looked", right=(0, 0), rollouts=(0, 1), judged=second),
        row("nothing", judged=second),
    ]
    found = agreed(Labelled(rows))
    assert [r.id for r in found.rows] == ["counts", "labels", "given", "both right"]
    assert found.dropped == {DISAGREED: 5}


def says(payload: dict[str, Any]) -> str:
    """A verdict on each step that is shown: 10 for one that says wrong, else 90."""
    steps = re.findall(r"<step (\d+)>\n(.*?)\n</step", payload["messages"][-1]["content"])
    return "\n".join(f"Step {k}: {10 if 'wrong' in text else 90}" for k, text in steps)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        {"prompt": "?", "completions": ["a", "wrong"], "labels": [True, False]},
        {"prompt": "?", "completions": ["wrong", "b"], "labels": [True, False]},
        {"prompt": "?", "completions": ["a", "b"], "labels": [True, True]},
    ]
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def label(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["learn", "label", *words])
    return int(end.value.code or 0)


def test_the_command_keeps_the_rows_on_which_a_judge_agrees(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with JudgeApi(says) as api:
        judge = ["--judge", f"{api.url}/v1", "--judge-family", "judge:model=small"]
        code = label(str(file), "--out", str(out), *judge, "--judge-key", KEY, "--consensus")
        assert len(api.asked) == 3
    assert code == 0
    rows = labels_from(str(out)).rows
    assert [(r.steps, r.labels, r.judged) for r in rows] == [
        (("a", "wrong"), (True, False), (0.9, 0.1)),
        (("a", "b"), (True, True), (0.9, 0.9)),
    ]
    said = capsys.readouterr()
    assert f"left out: {DISAGREED} | 1 |" in said.out
    assert "judge generated tokens | 21 |" in said.out
    assert "judge: 3 of 3 solutions" in said.err
    assert KEY not in (out / JOURNAL).read_text() + said.out + said.err
    card = (out / "README.md").read_text()
    assert "| solutions | 2 |" in card
    assert str(tmp_path) not in card


def test_a_judge_behind_a_key_is_told_of_in_a_line(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with JudgeApi(says) as api:
        assert label(str(file), "--out", str(tmp_path / "o"), "--judge", f"{api.url}/v1") == 1
    assert "--judge-key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--consensus"], "--consensus goes with --judge"),
        (["--rollouts", "8"], "go without a SOURCE"),
        (["--dry-run"], "go without a SOURCE"),
        (["nowhere.jsonl"], "nowhere.jsonl"),
        (
            ["--judge", "http://127.0.0.1:9/v1", "--judge-family", "none"],
            "not one of the PRM families",
        ),
    ],
)
def test_wrong_words_are_told_before_anything_is_asked(
    words: list[str], says: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [] if "jsonl" in words[0] else [str(file)]
    assert label(*sources, *words, "--out", str(tmp_path / "o")) == 2
    assert says in capsys.readouterr().err


def test_labels_are_not_written_where_others_are(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert label(str(file), "--out", out) == 0
    assert label(str(file), "--out", out) == 2
    assert "give another --out" in capsys.readouterr().err
