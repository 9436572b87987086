"""A LoRA adapter given as a model: its base is served with it, or it is refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import CPU_ONLY
from test_hardware_plan import cards

from sal.runtime.model_size import model_size
from sal.runtime.plan import Plan, PlanError, make_plan
from sal.runtime.session import Servers

CONFIG = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2, "hidden_size": 64,
          "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100}  # fmt: skip


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(bytes(5000))
    return folder


def adapter(base: object, **config: Any) -> str:
    folder = Path(str(base)).parent / "adapter"
    folder.mkdir(exist_ok=True)
    told = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}
    told |= {"base_model_name_or_path": str(base), "bias": "none", "use_dora": False}
    (folder / "adapter_config.json").write_text(json.dumps(told | config))
    (folder / "adapter_model.safetensors").write_bytes(bytes(70))
    return str(folder)


def planned(model: str, *args: str) -> Plan:
    return make_plan(cards(24), model, None, policy_args=args)


def test_its_base_is_served_with_it(base: Path) -> None:
    model = adapter(base)
    spec = planned(model).servers["policy"]
    assert spec.model == str(base)  # what the server will say that it serves
    assert spec.argv[spec.argv.index("--model-path") + 1] == str(base)
    assert spec.argv[spec.argv.index("--lora-paths") + 1] == f"adapter={model}"
    assert "--tokenizer-path" not in spec.argv
    assert spec.adapter == "adapter"
    assert "with a LoRA adapter, which every request names" in spec.reasons
    assert model_size(model).weight_bytes == 5000
    assert spec.digest != planned(str(base)).servers["policy"].digest
    assert planned(str(base)).servers["policy"].adapter is None


def test_its_own_tokenizer_goes_before_the_bases(base: Path) -> None:
    model = adapter(base)
    (Path(model) / "tokenizer.json").write_text("{}")
    spec = planned(model).servers["policy"]
    assert spec.argv[spec.argv.index("--tokenizer-path") + 1] == model


def test_a_whole_model_with_an_adapters_config_is_a_model(base: Path) -> None:
    (base / "adapter_config.json").write_text("{}")
    assert planned(str(base)).servers["policy"].adapter is None


@pytest.mark.parametrize(
    ("flag", "name"),
    [("--lora-paths mine=/a/b", "mine"), ("--lora-paths /a/b", "/a/b")],
)
def test_one_that_the_user_loads_is_named_as_the_server_knows_it(
    base: Path, flag: str, name: str
) -> None:
    assert planned(str(base), flag).servers["policy"].adapter == name


@pytest.mark.parametrize(
    "flag", ["--lora-paths a=/a b=/b", """--lora-paths '{"lora_name": "a"}'"""]
)
def test_a_run_asks_for_one(base: Path, flag: str) -> None:
    with pytest.raises(PlanError, match=r"one adapter|NAME=FOLDER"):
        planned(str(base), flag)
    with pytest.raises(PlanError, match="a run asks for one"):
        planned(adapter(base), "--lora-paths a=/a")


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"peft_type": "IA3"}, "no LoRA but IA3"),
        ({"use_dora": True}, "DoRA"),
        ({"use_rslora": True}, r"alpha / sqrt\(rank\)"),
        ({"rank_pattern": {"q_proj": 4}}, "different ranks"),
        ({"alpha_pattern": {"q_proj": 4}}, "different alphas"),
        ({"modules_to_save": ["lm_head"]}, "whole modules besides"),
        ({"bias": "all"}, "changes biases"),
        ({"base_model_name_or_path": None}, "does not name the model"),
        ({"base_model_name_or_path": "/of/the/trainers/machine"}, "there is no model folder /of"),
    ],
)
def test_what_sglang_would_serve_as_something_else_is_refused(
    base: Path, config: dict[str, Any], why: str
) -> None:
    with pytest.raises(PlanError, match=why):
        planned(adapter(base, **config))


def test_it_needs_a_gpu(base: Path) -> None:
    with pytest.raises(PlanError, match=r"a LoRA adapter needs a GPU.*merge_and_unload"):
        make_plan(CPU_ONLY, adapter(base), None)


def test_the_clients_of_a_run_name_it(base: Path) -> None:
    servers = Servers(planned(adapter(base)))
    servers._urls = {"policy": "http://127.0.0.1:9"}
    servers.connect(["policy"])
    assert servers.policy.adapter == "adapter"
    servers.policy.close()
