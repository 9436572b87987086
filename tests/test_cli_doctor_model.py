"""`sal doctor MODEL`: what a model is, what it takes, and how it would be served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import CPU_ONLY
from hub_stand_in import Hub, Repo
from test_hardware_plan import cards
from test_hub_model import LLAMA, hub, repo
from test_runtime_model_size import LLAMA_8B
from typer.testing import CliRunner

from sal.cli.doctor import doctor
from sal.runtime import hardware, launch, model_files
from sal.tiny.paths import POLICY, PRM

__all__ = ["hub"]  # a fixture

app = typer.Typer()
app.command()(doctor)

Looked = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Iterator[Looked]:
    """What the command says of a model: its exit code, as JSON, and to people."""
    monkeypatch.setattr(launch.Server, "start", lambda _: pytest.fail("it was started"))
    monkeypatch.setattr(hardware, "detect", lambda: CPU_ONLY)
    model_files._hub_answers.cache_clear()

    def look(*models: object) -> tuple[int, dict[str, Any], str]:
        said = CliRunner().invoke(app, [*map(str, models)])
        told = CliRunner().invoke(app, [*map(str, models), "--json"])
        assert isinstance(told.exception, SystemExit | None), told.exception
        assert said.exit_code == told.exit_code
        (report,) = json.loads(told.stdout)
        assert report["ok"] == (told.exit_code == 0)
        return told.exit_code, report, said.stdout

    yield look
    model_files._hub_answers.cache_clear()


def made(folder: Path, template: str = "", **config: Any) -> Path:
    """A model's small files: the tiny policy's tokenizer, and a config of Llama 3.1 8B."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**LLAMA_8B, **config}))
    shutil.copy(POLICY / "tokenizer.json", folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    return folder


def test_the_tiny_policy(look: Looked) -> None:
    code, told, said = look(POLICY)
    assert code == 0
    card = told["card"]
    assert (card["parameters"], card["active"], card["dtype"]) == (899_840, 899_840, "float32")
    assert (card["where"], card["context"], card["prompts"]) == ("folder", 4096, "none")
    assert told["memory"]["weights"]["float32"] == 4 * 899_840
    assert told["memory"]["kv_per_token"]["16 bits"] == 2 * 4 * 4 * 32 * 2
    assert told["prm_family"] is None
    assert "a language model (LlamaForCausalLM), 899,840 parameters; a folder" in said
    assert "no chat template: a base model, which is sent the bare question" in said
    assert "KV cache of 131072 tokens" in said
    assert "sglang.launch_server --model-path" in said


def test_the_tiny_prm_is_planned_as_one(look: Looked) -> None:
    _, told, said = look(PRM)
    assert told["prm_family"] == "step-token"
    assert "as a PRM  step-token; its scores reduced by last (the PRM)" in said
    assert f"prm: {PRM} on cpu" in said


def test_tiny_is_both_of_them(look: Looked) -> None:
    result = CliRunner().invoke(app, ["tiny", "--json"])
    assert [Path(report["model"]) for report in json.loads(result.stdout)] == [POLICY, PRM]


def test_a_thinking_chat_model(look: Looked, tmp_path: Path) -> None:
    model = made(tmp_path / "m", "{{ messages }}<think>")
    (model / "generation_config.json").write_text('{"temperature": 0.6, "top_p": 0.95, "x": 1}')
    _, told, said = look(model)
    assert (told["card"]["prompts"], told["card"]["thinks"]) == ("chat template", True)
    assert "a chat template; thinks before it answers (<think>)" in said
    assert told["card"]["sampling"] == {"temperature": 0.6, "top_p": 0.95}
    assert "temperature 0.6, top_p 0.95 (its generation_config.json; a run says" in said
    _, told, said = look(made(tmp_path / "plain", "{{ messages }}"))
    assert (told["card"]["thinks"], "thinks before" in said) == (False, False)


def test_one_that_this_machine_cannot_serve_is_told_with_the_figures(
    look: Looked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "detect", lambda: cards(8))
    code, told, said = look(made(tmp_path / "m"))
    assert code == 1
    assert told["plan"] == []
    assert "the policy needs about 18 GiB and GPU 0 has 8 GiB free" in told["plan_error"]
    assert "4-bit weights" in said
    assert "weights 29.9 GiB in float32, 15.0 GiB in 16 bits, 7.5 GiB in 8 bits" in said
    assert (
        "cache 128 KiB a token in 16 bits, 64 in 8; 688 MiB for a search of N = 16 with 344" in said
    )
    monkeypatch.setattr(hardware, "detect", lambda: cards(24))
    code, told, said = look(tmp_path / "m")
    assert code == 0
    assert "a problem's search holds about 5,504: " in said


def test_a_quantised_model(look: Looked, tmp_path: Path) -> None:
    model = made(tmp_path / "m", quantization_config={"quant_method": "awq", "bits": 4})
    _, told, said = look(model)
    assert told["card"]["quantised"] == "awq, 4 bits"
    assert told["memory"]["as_stored"] == pytest.approx(8.03e9 / 2, rel=0.01)
    assert told["memory"]["weights"]["16 bits"] == pytest.approx(8.03e9 * 2, rel=0.01)
    assert "weights   awq, 4 bits; weights about 3.7 GiB by the shapes" in said


def test_a_mixture_of_experts(look: Looked, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    model = made(tmp_path / "m", num_hidden_layers=1, num_experts=4, num_experts_per_tok=1)
    tensors = {
        f"model.layers.0.mlp.experts.{i}.up_proj.weight": torch.zeros(5, 5) for i in range(4)
    }
    save_file({**tensors, "lm_head.weight": torch.zeros(10, 5)}, model / "model.safetensors")
    _, told, said = look(model)
    assert (told["card"]["parameters"], told["card"]["active"]) == (150, 75)
    assert "150 parameters in 4 experts, 75 of them for a token" in said


def test_a_model_with_a_head(look: Looked, tmp_path: Path) -> None:
    model = made(tmp_path / "m", architectures=["LlamaForSequenceClassification"])
    _, told, said = look(model)
    assert "a model with a head for scores (LlamaForSequenceClassification)" in said
    assert told["prm"].startswith("none: ")


def test_an_adapter(look: Looked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "detect", lambda: cards(24))
    base, adapter = made(tmp_path / "base"), tmp_path / "adapter"
    adapter.mkdir()
    config = {"base_model_name_or_path": str(base), "r": 4, "lora_alpha": 8, "peft_type": "LORA"}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    code, told, said = look(adapter)
    assert (code, told["card"]["adapter_of"]) == (0, str(base))
    assert f"a LoRA adapter of {base}" in said
    assert f"--lora-paths adapter={adapter}" in said
    config["use_dora"] = True
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    code, told, said = look(adapter)
    assert (code, "DoRA" in told["plan_error"]) == (1, True)


def test_a_gguf(look: Looked, tmp_path: Path) -> None:
    import gguf
    import numpy as np

    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_embedding_length(64)
    writer.add_context_length(2048)
    kind = gguf.GGMLQuantizationType.Q8_0
    packed = gguf.quants.quantize(np.zeros((64, 64), np.float32), kind)
    writer.add_tensor("blk.0.attn_q.weight", packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    _, told, said = look(path)
    card = told["card"]
    assert (card["where"], card["kind"], card["context"]) == ("file", "llama", 2048)
    assert card["parameters"] == 64 * 64
    assert told["memory"]["kv_per_token"]["16 bits"] == 2 * 2 * 2 * 16 * 2
    assert "a language model (llama), 4,096 parameters; a file" in said


class TestOnTheHub:
    def published(self, hub: Hub, name: str, folder: Path) -> Repo:
        files = {path.name.replace(".", "__"): path.read_text() for path in folder.iterdir()}
        hub.models[name] = repo(**files, model__safetensors="weights")
        return hub.models[name]

    def test_its_small_files_are_fetched_and_no_weights(
        self, look: Looked, hub: Hub, tmp_path: Path
    ) -> None:
        self.published(hub, "some/Model-8B", made(tmp_path / "m", "{{ messages }}"))
        code, told, said = look("some/Model-8B")
        assert (code, told["card"]["where"], told["missing"]) == (0, "Hub", "")
        assert told["card"]["prompts"] == "chat template"
        assert "about 8.03B parameters; on the Hub; its weights are not here" in said
        assert hub.count("safetensors$") == 0

    def test_a_gated_one_is_told_in_one_sentence(self, look: Looked, hub: Hub) -> None:
        hub.gated.add(LLAMA)
        code, told, said = look(LLAMA)
        assert (code, told["card"]) == (1, None)
        assert f"{LLAMA} is gated: accept its licence at {hub.url}/{LLAMA}" in told["error"]
        assert said.splitlines()[1].strip() == told["error"]

    def test_a_misspelt_one(self, look: Looked, hub: Hub) -> None:
        code, told, _ = look("meta-llama/Llama-3.2-1B-Instuct")
        assert code == 1
        assert f"near it: {LLAMA}" in told["error"]

    def test_offline_what_is_here_is_told_and_what_is_missing(
        self, look: Looked, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.published(hub, "some/Model-8B", made(tmp_path / "m"))
        look("some/Model-8B")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        model_files._hub_answers.cache_clear()
        code, told, said = look("some/Model-8B")
        assert code == 1
        assert told["card"]["context"] == 131072
        assert "run hf download some/Model-8B and copy" in told["missing"]
        assert told["missing"] in said


@pytest.mark.parametrize("model", ["/no/such/model", "http://host:30000", "./nothing"])
def test_what_is_no_model(look: Looked, model: str) -> None:
    code, told, said = look(model)
    assert (code, told["card"]) == (1, None)
    assert told["error"]
    assert told["error"] in said


def test_a_folder_that_is_none(look: Looked, tmp_path: Path) -> None:
    code, told, _ = look(tmp_path)
    assert code == 1
    assert "cannot be read" in told["error"]
