"""Training of small PRMs, in seconds: they learn, they go on, and are what they are scored as."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from learn_examples import base_model, labelled, scores_of

from sal.learn import checkpoints
from sal.learn.errors import TrainError
from sal.learn.files import write_labels
from sal.learn.rows import StepLabels
from sal.learn.targets import Targets
from sal.learn.taught import plan_prm
from sal.learn.train import Planned, TrainSettings, plan, train
from sal.runtime.tensor_bytes import stored_names
from sal.verifiers.family import look_up, read_config

HEADS = {"step-token": "LlamaForCausalLM", "token-classifier": "LlamaForTokenClassification"}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(base_model(tmp_path_factory.mktemp("base")))


def settings(base: str, **told: Any) -> TrainSettings:
    given = {"held_out": 0.2, "learning_rate": 4e-3, "epochs": 4.0, "batch_size": 16}
    return TrainSettings(base=base, **(given | told))


def quick(base: str, **told: Any) -> Planned:
    return plan(settings(base, **told), labelled(240))


def silent(_: str) -> None:
    """Nobody follows."""


@pytest.fixture(scope="module", params=HEADS)
def trained(
    request: pytest.FixtureRequest, base: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Planned, Path, dict[str, Any]]:
    """A PRM of either kind, how it was planned, and its figures."""
    planned = quick(base, family=request.param)
    out = tmp_path_factory.mktemp("prm") / request.param
    figures = train(planned, out, silent)
    assert figures is not None
    return planned, out, figures


def test_it_learns_what_a_child_sees(trained: tuple[Planned, Path, dict[str, Any]]) -> None:
    assert trained[2]["best_f1"] > 0.9
    assert trained[2]["auc"] > 0.95


def test_the_saved_model_finds_the_errors_that_the_training_said_it_finds(
    trained: tuple[Planned, Path, dict[str, Any]],
) -> None:
    """In a batch, padded, in training; alone, one input a step, as saved: the same scores."""
    from sal.learn.held_out import HeldOut, split

    planned, out, figures = trained
    _, rows = split(labelled(240), planned.settings.held_out, planned.settings.seed)
    scores = scores_of(out, rows)
    targets = [[float(k > 0) for k in row.right] for row in rows]
    told = HeldOut(planned.settings.targets).figures(scores, targets)
    assert {name: figures[name] for name in told} == pytest.approx(told, abs=1e-4)


def test_the_folder_says_itself_what_it_is(
    trained: tuple[Planned, Path, dict[str, Any]], base: str
) -> None:
    planned, out, _ = trained
    name = planned.taught.family.name
    config = read_config(str(out))
    assert config["architectures"] == [HEADS[name]]
    assert config["use_cache"] is True
    spec = look_up(str(out))
    assert (spec.family.name, spec.options) == (name, planned.taught.options)
    assert spec.own_aggregate == ("last", "the PRM")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (out / file).read_bytes() == (Path(base) / file).read_bytes()
    assert not [p.name for p in out.iterdir() if p.suffix == ".bin" or p.name.startswith(".")]
    assert not (out / checkpoints.CHECKPOINTS).exists()


def test_a_trained_prm_is_taught_on_without_saying_of_what_family_it_is(
    trained: tuple[Planned, Path, dict[str, Any]],
) -> None:
    planned, out, _ = trained
    again = plan_prm(str(out))
    assert again.family is planned.taught.family
    assert again.options == planned.taught.options


def test_a_finished_training_is_not_done_again(
    trained: tuple[Planned, Path, dict[str, Any]],
) -> None:
    planned, out, figures = trained
    weights = (out / "model.safetensors").stat().st_mtime_ns
    assert train(planned, out, silent) == figures
    assert (out / "model.safetensors").stat().st_mtime_ns == weights


def weights(out: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = load_file(out / "model.safetensors")
    return found


def stop_after(evaluations: int) -> tuple[Any, Any]:
    """Something to say to, and a `stop` that is true once so many evaluations were said."""
    said: list[str] = []

    def count() -> bool:
        return sum("held out" in line for line in said) >= evaluations

    return said.append, count


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(base: str, tmp_path: Path) -> None:
    planned = quick(base, epochs=2.0, evaluate_every=4)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(planned, whole, silent)
    say, stop = stop_after(2)
    assert train(planned, parts, say, stop) is None
    assert not (parts / "config.json").exists()
    lines: list[str] = []
    assert train(planned, parts, lines.append) is not None
    assert lines[0].startswith("going on from step 9 of ")
    ours, theirs = weights(parts), weights(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_torn_checkpoint_is_passed_over(base: str, tmp_path: Path) -> None:
    """A kill while one is written leaves it without its last file; the one before it is whole."""
    planned = quick(base, epochs=2.0, evaluate_every=4)
    say, stop = stop_after(2)
    assert train(planned, tmp_path / "prm", say, stop) is None
    folder = tmp_path / "prm" / checkpoints.CHECKPOINTS
    newest = folder / "checkpoint-9"
    (newest / "trainer_state.json").write_text('{"global_step": ')
    lines: list[str] = []
    assert train(planned, tmp_path / "prm", lines.append) is not None
    assert lines[0].startswith("going on from step 8 of ")


def test_another_training_in_the_same_folder_is_refused_by_what_differs(
    base: str, tmp_path: Path
) -> None:
    planned = quick(base, evaluate_every=4)
    say, stop = stop_after(1)
    train(planned, tmp_path / "prm", say, stop)
    other = quick(base, evaluate_every=4, epochs=1.0)
    with pytest.raises(TrainError, match=r"other settings \(epochs\)"):
        train(other, tmp_path / "prm", silent)
    fewer = plan(planned.settings, labelled(200))
    with pytest.raises(TrainError, match=r"other settings \(held_out_examples, train\)"):
        train(fewer, tmp_path / "prm", silent)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(TrainError, match="is not empty, and holds no training"):
        train(planned, tmp_path / "mine", silent)


def test_it_stops_early_and_keeps_the_best(base: str, tmp_path: Path) -> None:
    planned = quick(base, epochs=60.0, evaluate_every=5, patience=2)
    lines: list[str] = []
    figures = train(planned, tmp_path / "prm", lines.append)
    assert figures is not None
    steps = [int(line.split()[1].split("/")[0]) for line in lines if "held out" in line]
    assert max(steps) < 200
    record = json.loads((tmp_path / "prm" / "training.json").read_text())
    best = max(row["best_f1"] for row in record["history"] if "best_f1" in row)
    assert figures["best_f1"] == pytest.approx(best)


def test_accumulated_gradients_are_those_of_the_large_batch(base: str, tmp_path: Path) -> None:
    """With a mean of means they would differ: solutions have 2 to 4 steps."""
    found = []
    for name, size, accumulated in (("one", 16, 1), ("four", 4, 4)):
        overrides = {
            "gradient_accumulation_steps": accumulated,
            "max_steps": 3,
            "optim": "sgd",
        }
        planned = quick(base, batch_size=size, learning_rate=0.5, overrides=overrides)
        train(planned, tmp_path / name, silent)
        found.append(weights(tmp_path / name))
    assert all(torch.allclose(found[0][name], found[1][name], atol=1e-5) for name in found[0])


def test_soft_targets_are_learned_as_they_are(base: str, tmp_path: Path) -> None:
    """With one kind of step and targets of 0.2 and 0.8 the scores come to their mean."""
    rows = [
        StepLabels(
            id=str(i),
            question=f"Q {i}?",
            steps=("same", "same"),
            labels=(0.8, 0.2) if i % 5 else (0.8, 0.0),
        )
        for i in range(120)
    ]
    planned = plan(settings(base, targets=Targets("soft"), epochs=6.0), rows)
    train(planned, tmp_path / "prm", silent)
    first, second = scores_of(tmp_path / "prm", rows[:1])[0]
    assert first == pytest.approx(0.8, abs=0.1)
    assert second == pytest.approx(0.16, abs=0.1)


@pytest.mark.parametrize(
    ("told", "rows", "expected"),
    [
        ({}, 0, "leaves 0 solutions to train on and 0 to measure by"),
        ({"held_out": 1e-6}, 20, "leaves 20 solutions to train on and 0 to measure by"),
        ({"family": "gen-prm"}, 40, "PRMs of the family gen-prm are not trained here"),
        ({"family": "nothing"}, 40, "not one of the PRM families"),
        ({"targets": Targets(right_above=1.0)}, 40, "all [0-9]+ targets are 0"),
        ({"overrides": {"lr": 1}}, 40, "lr is no field of transformers.TrainingArguments"),
        ({"overrides": {"optimm": 1}}, 40, r"did you mean optim\?"),
        ({"overrides": {"output_dir": "x"}}, 40, "output_dir cannot be set"),
        ({"overrides": {"max_steps": "abc"}}, 40, "max_steps: abc is no whole number above 0"),
        ({"overrides": {"gradient_accumulation_steps": 0}}, 40, "steps: 0 is no whole number"),
        ({"epochs": 0.0}, 40, "epochs: 0 is no number above 0"),
        ({"epochs": math.nan}, 40, "epochs: nan is no number above 0"),
        ({"learning_rate": 0.0}, 40, "the learning rate: 0 is no number above 0"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is_loaded(
    base: str, told: dict[str, Any], rows: int, expected: str
) -> None:
    with pytest.raises(TrainError, match=expected):
        plan(settings(base, **told), labelled(rows))


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"has no config\.json"):
        plan(settings(str(tmp_path)), labelled(40))


def test_held_out_solutions_of_one_kind_are_refused(base: str) -> None:
    good = [row for row in labelled(80, seed=1) if min(row.right) > 0]
    with pytest.raises(TrainError, match=r"held out: 0 of \d+ solutions have a wrong step"):
        plan(settings(base), labelled(80), good)


def test_all_solutions_of_a_question_are_on_one_side() -> None:
    from sal.learn.held_out import split

    rows = [replace(row, id=f"{row.id}-{i}") for i in range(3) for row in labelled(90)]
    train_rows, held_out = split(rows, 0.3, 0)
    ours, theirs = ({row.question for row in part} for part in (train_rows, held_out))
    assert not ours & theirs
    assert len(held_out) / len(rows) == pytest.approx(0.3, abs=0.15)
    assert split(rows[:90], 0.3, 0)[1] == [row for row in rows[:90] if row.question in theirs]


def test_nothing_is_learned_about_a_question_that_is_measured() -> None:
    from sal.learn.held_out import without

    rows = labelled(80)
    asked = [replace(row, id="other", question=f" {row.question}\n") for row in rows[:7]]
    left = without(rows, asked)
    assert {row.question for row in left} == {r.question for r in rows} - {
        r.question for r in rows[:7]
    }
    assert without(rows, []) == rows


def test_the_aggregate_follows_what_the_labels_are(base: str) -> None:
    """Values of prefixes are ranked by the last one, verdicts on steps by the least.

    Qwen2.5-Math-PRM's authors learned hard labels of rollouts up to the first 0 (arXiv 2501.07301,
    section 2.1), and found the last score much better than the least or the product (3.2.4).
    """
    judged = [
        replace(r, right=(), rollouts=(), labels=tuple(k > 0 for k in r.right))
        for r in labelled(80)
    ]
    assert plan(settings(base), labelled(80)).about == {"aggregate": "last", "label": "hard"}
    assert plan(settings(base), judged).about["aggregate"] == "min"
    progress = settings(base, targets=Targets("progress"))
    assert plan(progress, labelled(80)).about["aggregate"] == "min"
    assert plan(settings(base, aggregate="prod"), judged).about["aggregate"] == "prod"


@pytest.mark.parametrize("family", HEADS)
def test_lora_leaves_an_adapter_with_its_head_and_a_model_that_is_both(
    base: str, family: str, tmp_path: Path
) -> None:
    planned = quick(base, family=family, rank=8, learning_rate=1e-2)
    figures = train(planned, tmp_path / "prm", silent)
    assert figures is not None
    told = json.loads((tmp_path / "prm" / "adapter" / "adapter_config.json").read_text())
    assert told["task_type"] == ("CAUSAL_LM" if family == "step-token" else "TOKEN_CLS")
    adapter = stored_names(tmp_path / "prm" / "adapter" / "adapter_model.safetensors")
    head = {name for name in adapter if "lora" not in name}
    assert {name.rsplit(".", 2)[-2] for name in head} == (
        {"score"} if family != "step-token" else set()
    )
    rows = [row for row in labelled(240) if row.question in {f"Is {i} right?" for i in range(40)}]
    scores = scores_of(tmp_path / "prm", rows)
    assert all(math.isfinite(score) for row in scores for score in row)
    from sal.learn.held_out import HeldOut, split

    _, rows = split(labelled(240), planned.settings.held_out, 0)
    targets = [[float(k > 0) for k in row.right] for row in rows]
    told = HeldOut(Targets()).figures(scores_of(tmp_path / "prm", rows), targets)
    assert figures["auc"] == pytest.approx(told["auc"], abs=1e-4)


def test_lora_without_peft_says_how_to_get_it(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(TrainError, match="LoRA needs peft"):
        quick(base, rank=4)


@pytest.mark.parametrize("rank", [0, 4])
def test_it_learns_in_bfloat16(base: str, tmp_path: Path, rank: int) -> None:
    """As on a GPU: the model's weights in float32, or a base in bfloat16 under an adapter."""
    told = {"overrides": {"bf16": True}, "rank": rank, "learning_rate": 1e-2 if rank else 4e-3}
    planned = quick(base, family="token-classifier", **told)
    figures = train(planned, tmp_path / "prm", silent)
    assert figures is not None
    assert figures["auc"] > 0.9
    assert {w.dtype for w in weights(tmp_path / "prm").values()} == {torch.float32}


def test_two_processes_train_one_prm(base: str, tmp_path: Path) -> None:
    """Each takes half of every batch; together they are one training, with one folder."""
    write_labels(labelled(240), tmp_path / "labels")
    command = tmp_path / "trains.py"
    command.write_text("from sal.cli.main import main\n\nmain()\n")
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    words += [str(command), "learn", "train", str(tmp_path / "labels"), "--base", base]
    words += ["--out", str(tmp_path / "prm"), "--held-out", "0.2", "--learning-rate", "4e-3"]
    words += ["--epochs", "4", "--batch-size", "8", "--set", "use_cpu=true"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stderr
    (figures,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert figures["best_f1"] > 0.9
    record = json.loads((tmp_path / "prm" / "training.json").read_text())
    assert record["settings"]["processes"] == 2
    assert plan_prm(str(tmp_path / "prm")).family.name == "step-token"
