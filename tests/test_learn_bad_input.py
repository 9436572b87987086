"""What cannot be trained on is said in one line, before a model is loaded or a folder is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from learn_examples import base_model, labelled
from prm_models import llama_tokenizer
from test_learn_cli import sal

from sal.learn.files import write_labels
from sal.learn.taught import Taught


def trl(labels: list[Any], question: str = "Is it?") -> dict[str, Any]:
    return {"prompt": question, "completions": ["step 0", "step 1"], "labels": labels}


GOOD = trl([True, False])
CASES: dict[str, tuple[list[dict[str, Any]], list[str], str]] = {
    "no label column": (
        [{"question": "1+1?", "answer": "2"}],
        [],
        "set.jsonl: no labels in the columns question, answer (known are PRM800K: ",
    ),
    "labels of two lengths": (
        [GOOD, trl([True])],
        [],
        "set.jsonl:2: 1 labels for 2 completions",
    ),
    "labels that are texts": (
        [trl(["+", "-"])],
        [],
        "the label '+' is neither true or false nor a number",
    ),
    "no rows": ([], [], "set.jsonl: holds no rows"),
    "one class": (
        [trl([True, True], f"Is it {i}?") for i in range(40)],
        ["--held-out", "0.5"],
        "targets are 1, so that there is nothing to tell apart",
    ),
    "nothing labelled": (
        [trl([None, None]) for _ in range(3)],
        ["--held-out", "{good}"],
        "there is nothing to learn from: 3 without a label",
    ),
    "ratings as shares": (
        [trl([1, -1]) for _ in range(3)],
        ["--targets", "soft", "--held-out", "{good}"],
        "a label of -1 is no share in [0, 1], which soft wants",
    ),
    "nothing held out": ([GOOD], [], "leaves 1 solutions to train on and 0 to measure by"),
    "held out of one class": (
        [GOOD, trl([True, True])],
        ["--held-out", "{wrong}"],
        "held out: 3 of 3 solutions have a wrong step, and F1 needs both kinds",
    ),
    "too long for the model": (
        [GOOD, trl([True, True])],
        ["--max-length", "4", "--held-out", "{good}"],
        "there is nothing to learn from: 2 too long",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("bad")
    base_model(found / "base")
    write_labels(labelled(40), found / "good")
    wrong = [row for row in labelled(40) if min(row.right) == 0][:3]
    write_labels(wrong, found / "wrong")
    return found


@pytest.fixture(autouse=True)
def no_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(Taught, "load", load)


def refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, labels: Path, base: Path, *more: str
) -> str:
    """The one line."""
    told = ["--base", str(base), "--out", str(tmp_path / "prm"), *more]
    code, out, err = sal(capsys, "train", str(labels), *told)
    assert (code, out) == (2, ""), err
    assert err.startswith("sal: ")
    assert err.count("\n") == 1, err
    assert not (tmp_path / "prm").exists()
    return err


@pytest.mark.parametrize("case", CASES)
def test_a_set_that_cannot_be_learned_from_is_refused(
    case: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, more, says = CASES[case]
    labels = tmp_path / "set.jsonl"
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [word.format(good=folder / "good", wrong=folder / "wrong") for word in more]
    assert says in refused(capsys, tmp_path, labels, folder / "base", *words)


def test_a_tokenizer_without_the_step_token_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said, or the family's own: a tokenizer that spells it in pieces."""
    said = ["--family", "step-token:tag=<step>"]
    err = refused(capsys, tmp_path, folder / "good", folder / "base", *said)
    assert "the step tag '<step>' is not one token in the PRM's tokenizer" in err
    other = tmp_path / "other"
    llama_tokenizer(other)
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    merges = tokenizer["model"]["merges"]
    tag = "".join("ÐºÐ¸")  # ки as the bytes of a byte-level tokenizer
    tokenizer["model"]["merges"] = [m for m in merges if tag not in "".join(m)]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((folder / "base" / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config))
    err = refused(capsys, tmp_path, folder / "good", other)
    assert "the step tag 'ки' is not one token in the PRM's tokenizer" in err


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("http://127.0.0.1:30000", "an address; name a model's folder or Hub name"),
        ("./nowhere.gguf", "nowhere.gguf: No such file or directory"),
        ("./nowhere", "./nowhere has no config.json, here or on the Hub"),
    ],
)
@pytest.mark.parametrize("command", ["train", "distill"])
def test_a_base_that_is_none_is_told(
    command: str, base: str, says: str, folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source = folder / "good"
    if command == "distill":
        source = tmp_path / "pairs.jsonl"
        source.write_text('{"prompt": "?", "completion": "a"}\n')
        says = says.replace("/nowhere has no config.json,", "/nowhere: has no config.json and")
    words = [command, str(source), "--base", base, "--out", str(tmp_path / "out")]
    code, _, err = sal(capsys, *words)
    assert (code, err.count("\n")) == (2, 1), err
    assert says.partition(" here")[0] in err
    assert not (tmp_path / "out").exists()


def test_labels_that_are_not_there_are_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    err = refused(capsys, tmp_path, tmp_path / "nowhere.jsonl", folder / "base")
    assert "nowhere.jsonl" in err
