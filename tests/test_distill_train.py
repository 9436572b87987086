"""Training of small policies through TRL, in seconds: they learn, on the texts of a search."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from distill_examples import problem, solution, sums
from learn_examples import base_model
from prm_models import SIZES, llama_tokenizer, qwen_tokenizer
from runs_examples import recipe, written_run

from sal.cli.main import main
from sal.learn.distill import train as module
from sal.learn.distill.examples import METHODS, Example, Method
from sal.learn.distill.rendered import GROWN_TOGETHER, TOO_LONG
from sal.learn.distill.settings import DistillSettings
from sal.learn.distill.sources import gather
from sal.learn.distill.train import Planned, arguments_of, make_trainer, plan, train
from sal.learn.errors import TrainError
from sal.runs.turns import Turn
from sal.runtime.tensor_bytes import stored_names
from sal.runtime.tokenizer import Tokenizer


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def chat_model(folder: Path, tokenizer: Any) -> Path:
    """A random Llama of a chat model's kind."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**SIZES, bos_token_id=None)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One that is asked in plain texts; one that begins each text with a token of its own; and one
    whose config names such a token, which its tokenizer does not put there."""
    there = tmp_path_factory.mktemp("models")
    return {
        "plain": base_model(there / "plain"),
        "llama": chat_model(there / "llama", llama_tokenizer),
        "qwen": chat_model(
            there / "qwen", lambda folder: qwen_tokenizer(folder, bos="<|endoftext|>")
        ),
    }


ENDS = {"plain": "<eos>", "llama": "<|eot_id|>", "qwen": "<|im_end|>"}


def settings(method: Method, **told: Any) -> DistillSettings:
    given = {"learning_rate": 3e-3, "epochs": 4.0, "batch_size": 4, "max_length": 512}
    return DistillSettings(sources=("made",), method=method, **(given | told))


def examples(method: Method, *, chat: bool) -> list[Example]:
    """Of two problems; the replies begin and end in white space of every kind."""
    rows = []
    for n in range(2):
        prompt: Any = f"Let a={n}. Find a.\n\n"
        if chat:
            prompt = (Turn("system", "Be brief."), Turn("user", f"{n} + 0?"))
        told: dict[str, Any] = {"rejected": f"b={n}\n\nno"} if method in ("dpo", "orpo") else {}
        if method == "kto":
            told = {"right": n == 0}
        rows.append(Example(id=str(n), prompt=prompt, reply=f"b={n}=1\n\n\\boxed{{{n}}}", **told))
    return rows


def trained_ids(method: Method, row: dict[str, Any]) -> dict[str, tuple[list[int], list[int]]]:
    """What the trainer reads of a row, and what of it is learned, by the reply."""
    if method == "sft":
        return {"completion": (row["input_ids"], [i for i in row["labels"] if i != -100])}
    if method == "kto":
        return {"completion": (row["prompt_ids"] + row["completion_ids"], row["completion_ids"])}
    if method == "dpo":
        return {
            name: (row["prompt_ids"] + row[f"{name}_ids"], row[f"{name}_ids"])
            for name in ("chosen", "rejected")
        }
    return {
        name: (row[f"{name}_input_ids"], [i for i in row[f"{name}_labels"] if i != -100])
        for name in ("chosen", "rejected")
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ENDS)
def test_it_is_taught_the_ids_that_a_search_sends_and_is_sent(
    models: dict[str, Path], tmp_path: Path, method: Method, kind: str
) -> None:
    """No second token at the beginning, none too few, and the end of the policy's own turn."""
    base, chat = str(models[kind]), kind != "plain"
    tokenizer = Tokenizer.load(base)
    assert tokenizer is not None
    rows = examples(method, chat=chat)
    planned = plan(settings(method), base, rows)
    trainer = make_trainer(planned, arguments_of(planned, tmp_path))
    found = [ids for row in trainer.train_dataset for ids in trained_ids(method, row).values()]
    expected = []
    for row in rows:
        text = row.prompt if isinstance(row.prompt, str) else ""
        if chat:
            text = str(tokenizer.render([turn.message() for turn in row.prompt]))  # type: ignore[union-attr]
        prompt = tokenizer.encode(text, special=True)
        for reply in (row.reply, row.rejected):
            if reply is not None:
                ids = [*tokenizer.encode_behind(reply), *tokenizer.encode(ENDS[kind])]
                expected.append(([*prompt, *ids], ids))
    assert sorted(found) == sorted(expected)


def likelihood(folder: Path, prompt: str, reply: str) -> float:
    from transformers import AutoModelForCausalLM

    tokenizer = Tokenizer.load(str(folder))
    assert tokenizer is not None
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    asked, ids = tokenizer.encode(prompt), tokenizer.encode(prompt + reply)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return float(sum(logits[at - 1, ids[at]] for at in range(len(asked), len(ids))))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sums(tmp_path_factory.mktemp("runs") / "run", 16)


@pytest.mark.parametrize("method", METHODS)
def test_it_learns_what_is_right(
    models: dict[str, Path], run: Path, tmp_path: Path, method: Method
) -> None:
    found = gather([str(run)], method).rows
    out = tmp_path / "out"
    figures = train(
        plan(settings(method, epochs=8.0), str(models["plain"]), found), out, lambda _: None
    )
    assert figures is not None
    [row] = [row for row in gather([str(run)], "dpo").rows if row.id == "s3/0"]
    prompt, wrong = str(row.prompt), str(row.rejected)

    def margin(folder: Path) -> float:
        right = likelihood(folder, prompt, row.reply)
        return right if method == "sft" else right - likelihood(folder, prompt, wrong)

    assert margin(out) > margin(models["plain"]) + 0.5


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return found


@pytest.fixture(scope="module")
def taught(
    models: dict[str, Path], run: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Planned, Path]:
    planned = plan(settings("sft"), str(models["plain"]), gather([str(run)], "sft").rows)
    out = tmp_path_factory.mktemp("taught") / "policy"
    assert train(planned, out, lambda _: None) is not None
    return planned, out


def test_the_policy_is_its_base_but_for_the_weights(
    taught: tuple[Planned, Path], models: dict[str, Path]
) -> None:
    _, out = taught
    base = models["plain"]
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (out / name).read_bytes() == (base / name).read_bytes()
    assert json.loads((out / "config.json").read_text()) == json.loads(
        (base / "config.json").read_text()
    )
    assert weights(out).keys() == weights(base).keys()
    assert {w.dtype for w in weights(out).values()} == {torch.float32}
    names = {path.name for path in out.iterdir()}
    assert names == {p.name for p in base.iterdir()} | {"training.json"}


def test_weights_keep_the_type_that_the_base_had(
    models: dict[str, Path], run: Path, tmp_path: Path
) -> None:
    """A server computes in the type that a config states."""
    from transformers import AutoModelForCausalLM

    base = tmp_path / "base"
    AutoModelForCausalLM.from_pretrained(models["plain"], dtype=torch.bfloat16).save_pretrained(
        base
    )
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).write_bytes((models["plain"] / name).read_bytes())
    planned = plan(settings("sft", epochs=1.0), str(base), gather([str(run)], "sft").rows)
    train(planned, tmp_path / "out", lambda _: None)
    assert {w.dtype for w in weights(tmp_path / "out").values()} == {torch.bfloat16}


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(
    taught: tuple[Planned, Path], run: Path, tmp_path: Path
) -> None:
    planned, whole = taught
    out, said = tmp_path / "parts", []  # type: ignore[var-annotated]
    assert train(planned, out, said.append, lambda: len(said) >= 5) is None
    assert not (out / "config.json").exists()
    said.clear()
    assert train(planned, out, said.append) is not None
    assert said[0].startswith("going on from step ")
    ours, theirs = weights(out), weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    said.clear()
    assert train(planned, out, said.append) is not None
    assert said == []  # it was finished
    other = plan(settings("sft", epochs=1.0), planned.base, gather([str(run)], "sft").rows)
    with pytest.raises(TrainError, match=r"other settings \(epochs\)"):
        train(other, out)


def test_a_training_that_had_ended_when_it_was_killed_learns_nothing_more(
    models: dict[str, Path], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the midst of an epoch, at a rate that does not end at 0: one more step would be seen."""
    ends = {"max_steps": 3, "lr_scheduler_type": "constant"}
    rows = gather([str(run)], "sft").rows
    planned = plan(settings("sft", set=ends), str(models["plain"]), rows)
    whole = train(planned, tmp_path / "whole", lambda _: None)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_finish", killed)
        with pytest.raises(KeyboardInterrupt):
            train(planned, tmp_path / "killed", lambda _: None)
    assert train(planned, tmp_path / "killed", lambda _: None) == whole
    ours, theirs = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_an_adapter_is_kept_and_added(
    models: dict[str, Path], run: Path, tmp_path: Path, method: Method
) -> None:
    told = settings(method, lora=4)
    assert told.rate == 3e-3
    assert settings(method, lora=4, learning_rate=None).rate == {"sft": 2e-4, "dpo": 1e-5}[method]
    train(
        plan(told, str(models["plain"]), gather([str(run)], method).rows),
        tmp_path / "out",
        lambda _: None,
    )
    names = stored_names(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
    assert names
    assert all("lora" in name for name in names)
    ours, theirs = weights(tmp_path / "out"), weights(models["plain"])
    assert ours.keys() == theirs.keys()
    changed = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    assert changed == {name for name in ours if "proj" in name}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"set": {"bet": 1}}, r"bet is no field of trl.DPOConfig \(did you mean beta\?\)"),
        ({"set": {"num_train_epochs": 1}}, "num_train_epochs cannot be set"),
        ({"set": {"max_length": 3}}, "max_length cannot be set"),
        ({"set": {"max_steps": "abc"}}, "max_steps: abc is no whole number above 0"),
        ({"epochs": float("nan")}, "epochs: nan is no number above 0"),
        ({"learning_rate": 0.0}, "the learning rate: 0 is no number above 0"),
        ({"max_length": 10}, f"nothing to learn from in 10 tokens: 16 {TOO_LONG}"),
        ({"method": "kto", "batch_size": 1}, "--batch-size 2 or more"),
    ],
)
def test_what_cannot_be_trained_is_said_before(
    models: dict[str, Path], run: Path, told: dict[str, Any], said: str
) -> None:
    of = settings(told.pop("method", "dpo"), **told)
    with pytest.raises(TrainError, match=said):
        plan(of, str(models["plain"]), gather([str(run)], of.method).rows)


def test_models_that_cannot_be_asked_so(
    models: dict[str, Path], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrainError, match="the model has no chat template"):
        plan(settings("sft"), str(models["plain"]), examples("sft", chat=True))
    with pytest.raises(TrainError, match=r"has no config\.json and tokenizer\.json"):
        plan(settings("sft"), str(tmp_path), examples("sft", chat=False))
    for changes, said in (
        ({"sal_prm": {"family": "step-token"}}, "is a PRM, and no policy"),
        ({"architectures": ["LlamaForTokenClassification"]}, "is a LlamaForTokenClassification, a"),
        ({"quantization_config": {"quant_method": "awq"}}, "its weights are quantized"),
    ):
        shutil.copytree(models["plain"], tmp_path / "other", dirs_exist_ok=True)
        config = json.loads((models["plain"] / "config.json").read_text()) | changes
        (tmp_path / "other" / "config.json").write_text(json.dumps(config))
        with pytest.raises(TrainError, match=said):
            plan(settings("sft"), str(tmp_path / "other"), examples("sft", chat=False))
    merged = [Example(id="0", prompt="1", reply="2"), Example(id="1", prompt="a", reply="2")]
    planned = plan(settings("sft"), str(models["plain"]), merged)  # 12 is one token
    assert planned.rendered.dropped == {GROWN_TOGETHER: 1}


def test_without_trl_examples_are_written_and_training_says_what_to_install(
    run: Path, models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "trl", None)
    monkeypatch.setitem(sys.modules, "trl.experimental.orpo", None)
    words = ["learn", "distill", str(run), "--method", "orpo"]
    assert code_of([*words, "--out", str(tmp_path / "examples")]) == 0
    assert "| pairs | 16 |" in capsys.readouterr().out
    assert code_of([*words, "--base", str(models["plain"]), "--out", str(tmp_path / "p")]) == 2
    said = "orpo needs TRL, 1.16.0 best of all: pip install 'sal-sglang[learn]'"
    assert capsys.readouterr().err == f"sal: {said}\n"
    assert not (tmp_path / "p").exists()


def test_no_training_is_reported_to_the_makers_of_trl() -> None:
    from huggingface_hub import constants

    from sal.learn.distill.trl import trl_for

    trl_for("sft")
    assert constants.HF_HUB_DISABLE_TELEMETRY


def code_of(words: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_policy_is_taught_as_it_is_typed(
    models: dict[str, Path], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the recipe says holds where no flag does; the card says what it learned from."""
    (tmp_path / "r.yaml").write_text(
        f"sources: [{run}]\nmethod: kto\nepochs: 9\nbatch_size: 4\nset: {{beta: 0.2}}\n"
    )
    words = ["learn", "distill", "-c", str(tmp_path / "r.yaml"), "--epochs", "2"]
    words += ["--base", str(models["plain"]), "--out", str(tmp_path / "out"), "--set", "optim=sgd"]
    assert code_of(words) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["steps"] == 16
    assert err.startswith("kto: 32 examples, ")
    told = json.loads((tmp_path / "out" / "training.json").read_text())["settings"]
    assert (told["epochs"], told["set"]) == (2.0, {"beta": 0.2, "optim": "sgd"})
    card = (tmp_path / "out" / "README.md").read_text()
    assert "\n| examples | 32 |\n" in card
    assert "\n| epochs | 2.0 |\n" in card
    assert "whose card states none" in card
    assert str(tmp_path) not in card


def test_a_run_without_a_right_solution_stops_before_anything(
    models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [problem("q", "?", solution("W", right=False))]
    run = written_run(tmp_path / "run", recipe(), rows)
    words = ["--base", str(models["plain"]), "--out", str(tmp_path / "out")]
    assert code_of(["learn", "distill", str(run), *words]) == 2
    err = capsys.readouterr().err
    assert err == (
        "sal: sft: not one right solution was found, 1 problems without a right solution\n"
    )
    assert not (tmp_path / "out").exists()
