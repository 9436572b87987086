"""Overlays: what is in them, when they are made, and which heads are refused before anything starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prm_heads import KINDS, TWO, Kind
from prm_models import qwen_tokenizer, save_checkpoint

from sal.runs.endpoints import prm_serving
from sal.runs.errors import RunError
from sal.runtime.tensor_bytes import copy_without, read_float, stored_names, write_floats
from sal.verifiers.contract import Prm
from sal.verifiers.family import read_config
from sal.verifiers.registry import find_family


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def overlay_of(folder: Path, family: str | None = None) -> Path:
    serving = prm_serving(str(folder), family)
    assert serving.args == ("--is-embedding",)
    assert serving.model is not None
    return Path(serving.model)


def tensors(folder: Path) -> dict[str, Any]:
    """All that a loader of the folder's safetensors sees."""
    from safetensors.numpy import load_file

    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")):
        for name, value in load_file(file).items():
            assert name not in found, f"{name} twice"
            found[name] = value
    return found


def test_qwens_last_layer_is_folded_and_all_else_is_the_same(tmp_path: Path) -> None:
    _, head = KINDS["qwen"].save(tmp_path / "qwen")
    made = overlay_of(tmp_path / "qwen")
    ours, theirs = tensors(made), tensors(tmp_path / "qwen")
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        if not name.startswith("score.2"):
            assert np.array_equal(ours[name], value)
    two = head["score.2.weight"].numpy()
    assert np.array_equal(ours["score.2.weight"], two[1:] - two[:1])
    config = read_config(str(made))
    assert config["architectures"] == ["Qwen2ForRewardModel"]
    assert "auto_map" not in config
    assert not list(made.glob("*.py"))


def test_a_sharded_classifier_is_links(tmp_path: Path) -> None:
    KINDS["classifier"].save(tmp_path / "classifier")
    made = overlay_of(tmp_path / "classifier")
    assert all(f.is_symlink() for f in made.iterdir() if f.name[:6] == "model-")
    assert tensors(made).keys() == tensors(tmp_path / "classifier").keys()
    index = json.loads((made / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == set(tensors(made))


def test_a_llama_classifiers_bias_is_added_by_the_verifier(tmp_path: Path) -> None:
    _, head = KINDS["llama-classifier"].save(tmp_path / "llama")
    made = overlay_of(tmp_path / "llama")
    config = read_config(str(made))
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    bias = head["score.bias"]

    class Answering:
        def classify(self, payload: dict[str, Any]) -> dict[str, Any]:
            return {"embedding": [0.5, -0.25], "meta_info": {"prompt_tokens": 3}}

    for folder in (made, tmp_path / "llama"):
        family = find_family("token-classifier")
        config = read_config(str(folder))
        prm = Prm(str(folder), config, family.options({}), Answering())
        (score,) = family.build(prm).score("q", (), ["a"]).scores
        logits = np.array([0.5, -0.25]) + bias.numpy()
        told = np.exp(logits)[1] / np.exp(logits).sum()
        assert score == pytest.approx(told)


def test_it_is_made_once_and_anew_for_another_checkpoint(tmp_path: Path, state: Path) -> None:
    KINDS["skywork"].save(tmp_path / "sky")
    first = overlay_of(tmp_path / "sky")
    at = (first / "config.json").stat().st_mtime_ns
    assert overlay_of(tmp_path / "sky") == first
    assert (first / "config.json").stat().st_mtime_ns == at
    KINDS["skywork"].save(tmp_path / "sky", seed=9)
    assert overlay_of(tmp_path / "sky") != first
    # One whose files are gone is made again.
    next(f for f in first.iterdir() if f.is_symlink()).unlink()
    (first / "tokenizer.json").unlink(missing_ok=True)
    (first / "tokenizer.json").symlink_to(tmp_path / "nowhere")
    KINDS["skywork"].save(tmp_path / "sky")
    assert all(f.exists() for f in overlay_of(tmp_path / "sky").iterdir())
    assert not list((state / "overlays").glob(".*"))


def test_a_plan_alone_makes_nothing(tmp_path: Path, state: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    serving = prm_serving("Qwen/Qwen2.5-Math-PRM-7B", make=False)
    assert (serving.model, serving.args) == ("Qwen/Qwen2.5-Math-PRM-7B", ("--is-embedding",))
    assert "at the first start" in serving.reason
    assert not state.exists()
    with pytest.raises(RunError, match="cannot be fetched from the Hub"):
        prm_serving("Qwen/Qwen2.5-Math-PRM-7B")


WIDE = Kind(
    "Qwen2", "Qwen2ForTokenClassification", {"score.weight": (320, 64), "score.bias": (320,)}
)


LOGITS: dict[str, tuple[int, ...]] = {"lm_head.weight": (320, 64)}


@pytest.mark.parametrize(
    ("kind", "family", "what"),
    [
        (WIDE, None, r"its head has no two classes: score.weight is of shape \[320, 64\]"),
        (KINDS["universal"], "qwen-prm", "its head is no two-class head of Qwen's"),
        (KINDS["qwen"], "universal-prm", r"not one output: score.2.weight is of shape \[2, 64\]"),
        (KINDS["classifier"], "skywork", "it has no value head: v_head.summary.weight is absent"),
        (KINDS["skywork"], "reasoneval", "a qwen2 model is no ReasonEval"),
        (KINDS["outcome"], "llemma", r"a sequence classifier \(.*; the family llemma cannot read"),
        (Kind("Qwen2", "Qwen2ForCausalLM", LOGITS), "llemma", "a qwen2 model is no Llemma"),
        (Kind("Llama", "LlamaForCausalLM", {}, pieces=True), "llemma", "lm_head.weight is absent"),
        (Kind("Llama", "LlamaForCausalLM", LOGITS), "llemma", "is not two line breaks"),
        (
            Kind("Llama", "LlamaForProcessRewardModel", TWO),
            "qwen-prm",
            "no head like Qwen's for a llama",
        ),
    ],
)
def test_a_head_of_another_shape_is_refused(
    tmp_path: Path, kind: Kind, family: str | None, what: str
) -> None:
    kind.save(tmp_path / "model")
    with pytest.raises(RunError, match=what):
        prm_serving(str(tmp_path / "model"), family)


@pytest.mark.parametrize("family", ["qwen-prm", "reasonflux", "skywork", "universal-prm", "pure"])
def test_a_causal_model_has_no_head(tmp_path: Path, family: str) -> None:
    save_checkpoint(tmp_path / "model", *_causal())
    with pytest.raises(
        RunError, match=r"a causal language model \(Qwen2ForCausalLM\), without a head"
    ):
        prm_serving(str(tmp_path / "model"), family)


def _causal() -> tuple[Any, dict[str, Any], str]:
    from prm_models import backbone

    return backbone("Qwen2"), {}, "Qwen2ForCausalLM"


def test_a_tokenizer_without_its_mark_is_refused(tmp_path: Path) -> None:
    KINDS["qwen"].save(tmp_path / "model")
    text = (tmp_path / "model" / "tokenizer.json").read_text()
    (tmp_path / "model" / "tokenizer.json").write_text(text.replace("<extra_0>", "<extra_1>"))
    with pytest.raises(RunError, match="no token '<extra_0>', which Qwen's format needs"):
        prm_serving(str(tmp_path / "model"))
    qwen_tokenizer(tmp_path / "model")
    (tmp_path / "model" / "tokenizer_config.json").write_text("{}")
    with pytest.raises(RunError, match="no chat template"):
        prm_serving(str(tmp_path / "model"))


def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    import torch

    KINDS["skywork"].save(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    torch.save(
        {"v_head.summary.weight": torch.zeros(1, 64)}, tmp_path / "model" / "pytorch_model.bin"
    )
    with pytest.raises(RunError, match=r"are \.bin files, and its head is read from safetensors"):
        prm_serving(str(tmp_path / "model"))


class TestTensorBytes:
    def test_floats_of_every_kind_are_read(self, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import save_file

        value = torch.randn(3, 5)
        kinds = {"f32": value, "f16": value.half(), "bf16": value.bfloat16()}
        save_file(kinds | {"ids": torch.arange(3)}, tmp_path / "x.safetensors")
        for name, tensor in kinds.items():
            read = read_float(tmp_path / "x.safetensors", name)
            assert np.array_equal(read, tensor.float().numpy())
        with pytest.raises(ValueError, match="holds I64, not floats"):
            read_float(tmp_path / "x.safetensors", "ids")
        with pytest.raises(KeyError):
            read_float(tmp_path / "x.safetensors", "none")

    def test_a_copy_without_some(self, tmp_path: Path) -> None:
        from safetensors.numpy import load_file

        arrays = {n: np.full((4, i + 1), i, np.float32) for i, n in enumerate("abc")}
        write_floats(tmp_path / "x.safetensors", arrays)
        copy_without(tmp_path / "x.safetensors", tmp_path / "y.safetensors", {"b"})
        left = load_file(tmp_path / "y.safetensors")
        assert left.keys() == {"a", "c"} == stored_names(tmp_path / "y.safetensors")
        assert all(np.array_equal(left[name], arrays[name]) for name in left)

    def test_what_is_no_file_of_tensors(self, tmp_path: Path) -> None:
        (tmp_path / "x.safetensors").write_bytes(b"version https://git-lfs")
        with pytest.raises(ValueError, match="not a safetensors file"):
            stored_names(tmp_path / "x.safetensors")
