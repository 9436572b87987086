"""`sal learn train` and `sal learn bench` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from learn_examples import base_model, labelled

from sal.cli.main import main
from sal.learn.files import write_labels
from sal.learn.weights import weights_digest

ROOT = Path(__file__).resolve().parent.parent


def sal(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["learn", *arguments])
    code = ended.value.code
    assert isinstance(code, int)
    return code, *capsys.readouterr()


def oracle(question: str, steps: list[str]) -> list[float]:
    """A PRM that reads."""
    return [0.1 if step.startswith("wrong") else 0.9 for step in steps]


def test_labels_become_a_prm_and_a_prm_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_labels(labelled(240), tmp_path / "labels")
    write_labels(labelled(300, seed=1)[240:], tmp_path / "others")
    write_labels(labelled(5), tmp_path / "asked")
    base = base_model(tmp_path / "base")
    told = ["--base", str(base), "--out", str(tmp_path / "prm"), "--learning-rate", "4e-3"]
    told += ["--held-out", str(tmp_path / "others"), "--epochs", "3", "--batch-size", "16"]
    code, out, err = sal(
        capsys,
        *("train", str(tmp_path / "labels"), *told, "--set", "optim=adamw_torch"),
        *("--without", str(tmp_path / "asked")),
    )
    assert code == 0, err
    assert err.startswith("5 solutions are left out: the PRM is to be measured on their questions")
    assert "\ntrain: 235 solutions, " in err
    assert "held out: 60 solutions, " in err
    figures = json.loads(out)
    assert figures["best_f1"] > 0.9
    assert figures["weights"] == weights_digest(str(tmp_path / "prm"))
    assert json.loads((tmp_path / "prm" / "config.json").read_text())["sal_prm"] == {
        **{"family": "step-token", "tag": "ки", "good": "+", "bad": "-", "before": " "},
        **{"after": "\n", "question_end": " ", "step_prefix": "", "one_line": False},
        **{"aggregate": "last", "label": "hard"},
    }
    words = ["--prm", f"{__name__}:oracle", "--out", str(tmp_path / "bench")]
    code, out, err = sal(capsys, "bench", str(tmp_path / "others"), *words)
    assert code == 0, err
    assert "60 of 60 solutions" in err
    assert (
        f"| {tmp_path / 'others'} | 0.5 | 100.0 | 100.0 | 100.0 | 100.0 to 100.0 | 1.000 |" in out
    )
    code, out, _ = sal(capsys, "bench", str(tmp_path / "others"), *words, "--json")
    assert code == 0
    assert json.loads(out)["mean"]["0.5"]["f1"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--held-out", "1.5"], 2, "--held-out wants a share between 0 and 1, not 1.5"),
        (["--held-out", "nowhere.jsonl"], 2, "nowhere.jsonl"),
        (["--family", "step-token:tag=<step>"], 2, "the step tag '<step>' is not one token"),
        (["--targets", "soft", "--set", "lr=1"], 2, "lr is no field of transformers"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    expected: str,
) -> None:
    write_labels(labelled(30), tmp_path / "labels")
    base = base_model(tmp_path / "base")
    told = ["--base", str(base), "--out", str(tmp_path / "prm"), *arguments]
    got, out, err = sal(capsys, "train", str(tmp_path / "labels"), *told)
    assert (got, out) == (code, "")
    assert err.startswith("sal: ")
    assert expected in err
    assert err.count("\n") == 1
    assert not (tmp_path / "prm").exists()


def test_a_benchmark_without_a_prm_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = sal(capsys, "bench", "gsm8k", "--out", str(tmp_path / "bench"))
    assert code == 2
    assert "name the PRM with --prm" in err


@pytest.mark.parametrize("name", ["fsdp", "zero3"])
def test_accelerate_reads_the_configurations_for_gpus(name: str) -> None:
    """It refuses keys that it does not know."""
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(ROOT / "learn" / "gpus" / f"{name}.yaml"))
    assert config.mixed_precision == "bf16"
    assert config.distributed_type.value == {"fsdp": "FSDP", "zero3": "DEEPSPEED"}[name]
