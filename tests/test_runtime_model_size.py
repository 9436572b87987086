"""How large a model is, and how large it is as it will be served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sal.runtime.model_config import context_length, dense_parameters, kv_bytes, quantised
from sal.runtime.model_size import GIB, ModelSize, model_size
from sal.runtime.plan import PlanError
from sal.runtime.served_size import served_size
from sal.runtime.server_flags import parse_flags

LLAMA_8B = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rope_scaling": {
        "factor": 8.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "torch_dtype": "bfloat16",
}


class TestConfig:
    def test_llama_3_1_8b(self) -> None:
        """8,030,261,248 parameters, of which the norms are (2 x 32 + 1) x 4096."""
        assert dense_parameters(LLAMA_8B) == 8_030_261_248 - 65 * 4096
        assert kv_bytes(LLAMA_8B) == 128 * 1024
        assert context_length(LLAMA_8B) == 131072

    @pytest.mark.parametrize(
        ("config", "tokens"),
        [
            ({"max_position_embeddings": 4096}, 4096),
            ({"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 2}}, 8192),
            (
                {
                    "max_position_embeddings": 32768,
                    "rope_scaling": {"factor": 4, "original_max_position_embeddings": 8192},
                },
                32768,
            ),
            ({"max_position_embeddings": 4096, "max_seq_len": 2048}, 2048),
            ({}, None),
        ],
    )  # fmt: skip
    def test_the_longest_text(self, config: dict[str, Any], tokens: int | None) -> None:
        assert context_length(config) == tokens

    def test_latent_attention_and_layers_that_keep_nothing(self) -> None:
        assert kv_bytes({"num_hidden_layers": 61, "kv_lora_rank": 512, "qk_rope_head_dim": 64}) == (
            61 * 576 * 2
        )
        half = {**LLAMA_8B, "layer_types": ["linear_attention", "full_attention"] * 16}
        assert kv_bytes(half) == 64 * 1024

    def test_experts_are_not_guessed(self) -> None:
        assert dense_parameters({**LLAMA_8B, "num_experts": 8}) is None

    @pytest.mark.parametrize(
        ("told", "found"),
        [
            (None, None),
            ({"quant_method": "awq", "bits": 4}, ("awq", 4)),
            ({"quant_method": "gptq", "bits": 8}, ("gptq", 8)),
            ({"quant_method": "fp8"}, ("fp8", 8)),
            ({"quant_method": "mxfp4"}, ("mxfp4", 4)),
            ({"quant_method": "bitsandbytes", "load_in_4bit": True}, ("bitsandbytes", 4)),
            (
                {
                    "quant_method": "compressed-tensors",
                    "config_groups": {"group_0": {"weights": {"num_bits": 4}}},
                },
                ("compressed-tensors", 4),
            ),
        ],
    )
    def test_quantised(self, told: Any, found: tuple[str, float] | None) -> None:
        assert quantised({"quantization_config": told} if told else {}) == found


class TestSize:
    def write(self, folder: Path, **config: Any) -> str:
        (folder / "config.json").write_text(json.dumps({**LLAMA_8B, **config}))
        return str(folder)

    def test_by_the_shapes_while_no_weights_are_here(self, tmp_path: Path) -> None:
        size = model_size(self.write(tmp_path))
        assert size.weight_bytes == 2 * dense_parameters(LLAMA_8B)  # type: ignore[operator]
        assert (size.heads, size.context, size.generates) == (32, 131072, True)
        assert "15.0 GiB by the shapes in config.json, KV 128 KiB per token" in size.reason

    def test_by_an_index_while_no_weights_are_here(self, tmp_path: Path) -> None:
        index = {"metadata": {"total_size": 4_000_000_000}, "weight_map": {"a": "1.safetensors"}}
        model = self.write(tmp_path, quantization_config={"quant_method": "awq", "bits": 4})
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        size = model_size(model)
        assert size.weight_bytes == 4_000_000_000
        assert size.parameters == 8_000_000_000
        assert size.quantised == "awq, 4 bits"
        assert "by their index" in size.reason

    def test_experts_by_the_name(self, tmp_path: Path) -> None:
        folder = tmp_path / "Some-30B-A3B"
        folder.mkdir()
        size = model_size(self.write(folder, num_experts=8, quantization_config={"bits": 4}))
        assert size.weight_bytes == 15e9
        assert "30B in its name, 16-bit), so 14.0 GiB as they are stored" in size.reason

    @pytest.mark.parametrize(
        ("name", "weights", "quantised"),
        [
            ("a/Some-8B", 16e9, ""),
            ("a/Some-8B-AWQ", 4e9, "awq, 4 bits"),
            ("a/Some-8B-FP8", 8e9, "fp8, 8 bits"),
            ("a/Some-8B-quantized.w4a16", 4e9, "w4a16, 4 bits"),
        ],
    )
    def test_by_the_name(self, name: str, weights: float, quantised: str) -> None:
        size = model_size(name)
        assert (size.weight_bytes, size.quantised, size.known) == (weights, quantised, True)
        assert not model_size("a/some").known

    @pytest.mark.parametrize(
        ("architecture", "generates"),
        [
            ("LlamaForCausalLM", True),
            ("Qwen2ForProcessRewardModel", False),
            ("Qwen2ForPrmModel", False),
            ("Qwen2ForTokenClassification", False),
        ],
    )
    def test_heads(self, tmp_path: Path, architecture: str, generates: bool) -> None:
        assert model_size(self.write(tmp_path, architectures=[architecture])).generates is generates


SIXTEEN = ModelSize(int(16 * GIB), 128 * 1024, "w", context=4096)
FLOAT32 = ModelSize(int(32 * GIB), 128 * 1024, "w", 4)
AWQ = ModelSize(int(4 * GIB), 128 * 1024, "w", 0.5, "awq, 4 bits")


class TestServed:
    @pytest.mark.parametrize(
        ("size", "flags", "weights", "kv"),
        [
            (SIXTEEN, "", 16, 128),
            (FLOAT32, "", 16, 128),
            (FLOAT32, "--dtype auto", 16, 128),
            (SIXTEEN, "--dtype float32", 32, 256),
            (FLOAT32, "--dtype float32", 32, 256),
            (FLOAT32, "--dtype half", 16, 128),
            (SIXTEEN, "--quantization fp8", 8, 128),
            (FLOAT32, "--quantization w8a8_int8", 8, 128),
            (SIXTEEN, "--quantization bitsandbytes", 4, 128),
            (AWQ, "--quantization awq_marlin", 4, 128),
            (AWQ, "--dtype float16", 4, 128),
            (SIXTEEN, "--kv-cache-dtype fp8_e4m3", 16, 64),
            (SIXTEEN, "--kv-cache-dtype bf16 --dtype float32", 32, 128),
            (SIXTEEN, "--kv-cache-dtype nvfp4", 16, 32),
        ],
    )
    def test_the_users_flags_are_heeded(
        self, size: ModelSize, flags: str, weights: int, kv: int
    ) -> None:
        served = served_size(size, parse_flags([flags]))
        assert (served.weight_bytes / GIB, served.kv_bytes_per_token / 1024) == (weights, kv)

    def test_the_context(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def context(*flags: str) -> int | None:
            return served_size(SIXTEEN, parse_flags(flags)).context

        assert (context(), context("--context-length 1024")) == (4096, 1024)
        with pytest.raises(PlanError, match="made for 4096 tokens, and SGLang refuses more"):
            context("--context-length 8192")
        stretched = "--json-model-override-args '{\"max_position_embeddings\": 8192}'"
        assert context("--context-length 8192", stretched) == 8192
        monkeypatch.setenv("SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN", "1")
        assert context("--context-length 8192") == 8192
        with pytest.raises(PlanError, match="takes a number from 1"):
            context("--context-length long")
