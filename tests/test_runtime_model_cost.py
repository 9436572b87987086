"""What a model computes for a token, from the headers of its weight files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sal.runtime.model_cost import ModelCost, active_parameters, attention_flops, model_cost
from sal.runtime.model_size import model_size
from sal.runtime.usage import Usage
from sal.runtime.weight_files import Tensor, read_tensors, weight_files
from sal.tiny.paths import POLICY

CONFIG = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 8}
"""d_attn = 8, so that a position attended costs 4 x 2 x 8 = 64."""

LAYERS = {f"model.layers.{i}.self_attn.q_proj.weight": (8, 8) for i in range(2)}
TIED = {"model.embed_tokens.weight": (10, 8), **LAYERS, "model.norm.weight": (8,)}
"""80 + 2 x 64 + 8 = 216."""


def tensors(shapes: Mapping[str, tuple[int, ...]], dtype: str = "F32") -> list[Tensor]:
    return [Tensor(name, shape, dtype) for name, shape in shapes.items()]


def write(folder: Path, name: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    save_file({key: torch.zeros(shape) for key, shape in shapes.items()}, folder / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


class TestUsage:
    def test_positions_attended_worked_by_hand(self) -> None:
        """5 prompt tokens of which 3 are cached, 2 generated: they see 4, 5, 6 and 7 positions."""
        assert Usage(5, 3, 2, 1).attended_tokens == 4 + 5 + 6 + 7
        assert Usage(3, 0, 0, 1).attended_tokens == 1 + 2 + 3
        assert Usage(5, 5, 0, 1).attended_tokens == 0

    def test_a_sum_adds_what_each_request_attended(self) -> None:
        both = Usage() + Usage(5, 3, 2, 1) + Usage(3, 0, 0, 1)
        assert both == Usage(8, 3, 2, 2, attended_tokens=28)

    def test_what_is_not_told_is_not_known(self) -> None:
        assert Usage(5, None, 2, 1).attended_tokens is None
        assert Usage(50, 30, 20, 2).attended_tokens is None
        assert (Usage(5, None, 2, 1) + Usage(5, 3, 2, 1)).attended_tokens is None

    def test_a_text_costs_the_same_in_one_request_as_in_two_that_share_a_cache(self) -> None:
        once = Usage(40, 0, 60, 1)
        parts = Usage(40, 0, 25, 1) + Usage(65, 65, 35, 1)
        assert parts.attended_tokens == once.attended_tokens
        assert parts.uncached_tokens == once.uncached_tokens


class TestFlops:
    def test_worked_by_hand(self) -> None:
        """2 x 136 x 4 tokens + 64 x 22 positions."""
        assert ModelCost(136, 64).flops(Usage(5, 3, 2, 1)) == 2 * 136 * 4 + 64 * 22

    def test_is_kaplans_for_a_full_context(self) -> None:
        """Equation 2.2: 2N + 2 n_layer n_ctx d_attn per token; with the token itself, n_ctx + 1."""
        attention = attention_flops(CONFIG)
        n, n_ctx = 10**6, 512
        per_token = 2 * n + 2 * 2 * (n_ctx + 1) * 8
        assert ModelCost(n, attention).flops(Usage(n_ctx, 0, 0, 1)) == per_token * n_ctx

    def test_what_is_not_known(self) -> None:
        assert ModelCost(9, 9).flops(Usage(5, None, 2, 1)) is None
        assert ModelCost(9, None).flops(Usage(5, 3, 2, 1)) is None

    @pytest.mark.parametrize(
        ("changes", "flops"),
        [
            ({}, 64),
            ({"head_dim": 16}, 2 * 2 * 4 * (16 + 16)),
            # Keys of 12 + 4, values of 10 (DeepSeek).
            (
                {"qk_nope_head_dim": 12, "qk_rope_head_dim": 4, "v_head_dim": 10},
                2 * 2 * 4 * (16 + 10),
            ),
            ({"layer_types": ["sliding_attention", "full_attention"]}, 64),
            ({"layer_types": ["linear_attention", "full_attention"]}, None),
            ({"model_type": "mamba2"}, None),
            ({"num_attention_heads": None}, None),
        ],
    )
    def test_attention_by_config(self, changes: dict[str, Any], flops: int | None) -> None:
        assert attention_flops(CONFIG | changes) == flops


EXPERTS = {f"model.layers.1.mlp.experts.{i}.up_proj.weight": (4, 8) for i in range(6)}
ROUTER = {"model.layers.1.mlp.gate.weight": (6, 8)}
SHARED = {"model.layers.1.mlp.shared_experts.up_proj.weight": (5, 8)}
DENSE = {"model.layers.0.mlp.up_proj.weight": (7, 8)}


class TestActiveParameters:
    def test_tied_embeddings_count_once_as_the_head(self) -> None:
        assert active_parameters(tensors(TIED), CONFIG) == 216

    def test_a_head_of_its_own_counts_and_the_table_does_not(self) -> None:
        for head in ("lm_head.weight", "output.weight"):
            assert active_parameters(tensors({**TIED, head: (10, 8)}), CONFIG) == 216

    @pytest.mark.parametrize("head", ["score.weight", "v_head.summary.weight", "score.0.weight"])
    def test_a_reward_models_head_takes_the_place(self, head: str) -> None:
        assert active_parameters(tensors({**TIED, head: (1, 8)}), CONFIG) == 136 + 8

    def test_positions_are_looked_up_too(self) -> None:
        gpt = {"wte.weight": (10, 8), "wpe.weight": (99, 8), "h.0.attn.c_attn.weight": (8, 24)}
        assert active_parameters(tensors(gpt), CONFIG) == 80 + 192

    @pytest.mark.parametrize(
        "keys",
        [
            {"num_local_experts": 6, "num_experts_per_tok": 2},  # Mixtral
            {"num_experts": 6, "num_experts_per_tok": 2},  # Qwen
            {
                "n_routed_experts": 6,
                "num_experts_per_tok": 2,
                "first_k_dense_replace": 1,
            },  # DeepSeek
        ],
    )
    def test_experts_count_as_often_as_they_are_chosen(self, keys: dict[str, int]) -> None:
        """Of 6 experts of 32, two; router, shared expert and dense layer whole."""
        shapes = {**TIED, **EXPERTS, **ROUTER, **SHARED, **DENSE}
        found = active_parameters(tensors(shapes), CONFIG | keys)
        assert found == 216 + 2 * 32 + 48 + 40 + 56

    def test_experts_in_one_tensor(self) -> None:
        shapes = {**TIED, "model.layers.1.mlp.experts.gate_up_proj": (6, 4, 8)}
        keys = {"num_local_experts": 6, "num_experts_per_tok": 2}
        assert active_parameters(tensors(shapes), CONFIG | keys) == 216 + 2 * 32

    def test_experts_of_unknown_number(self) -> None:
        shapes = {**TIED, **EXPERTS}
        assert active_parameters(tensors(shapes), CONFIG) is None
        assert active_parameters(tensors(shapes), CONFIG | {"num_experts": 6}) is None

    @pytest.mark.parametrize(
        "aside", ["model.layers.2.mtp.weight", "visual.blocks.0.weight", "vision_tower.x.weight"]
    )
    def test_what_does_not_run_on_text(self, aside: str) -> None:
        assert active_parameters(tensors({**TIED, aside: (99, 99)}), CONFIG) == 216

    @pytest.mark.parametrize(
        ("packed", "quantisation", "weights"),
        [
            ([("q.qweight", (8, 16), "I32"), ("q.qzeros", (1, 2), "I32"),
              ("q.scales", (1, 16), "F16"), ("q.g_idx", (64,), "I32")], {"bits": 4}, 1024),
            ([("q.qweight", (16, 16), "I32")], {"bits": 8}, 1024),
            ([("q.weight_packed", (16, 8), "I32"), ("q.weight_scale", (16, 1), "BF16"),
              ("q.weight_shape", (2,), "I64")],
             {"config_groups": {"group_0": {"weights": {"num_bits": 4}}}}, 1024),
            ([("q.weight", (512, 1), "U8"), ("q.weight.absmax", (16,), "U8"),
              ("q.weight.quant_state.bitsandbytes__nf4", (80,), "U8")], {}, 1024),
            ([("q.weight", (32, 32), "F8_E4M3"), ("q.weight_scale_inv", (1, 1), "F32")], {}, 1024),
            ([("q.gate_up_proj_blocks", (2, 16, 16), "U8"),
              ("q.gate_up_proj_scales", (2, 16), "U8")], {}, 1024),
        ],
        ids=["GPTQ, AWQ", "8 bits", "compressed-tensors", "bitsandbytes", "FP8", "MXFP4"],
    )  # fmt: skip
    def test_packed_weights_count_as_what_they_stand_for(
        self, packed: list[tuple[str, tuple[int, ...], str]], quantisation: Any, weights: int
    ) -> None:
        found = [*tensors(TIED), *(Tensor(*tensor) for tensor in packed)]
        config = CONFIG | {"quantization_config": quantisation}
        assert active_parameters(found, config) == 216 + weights

    def test_packing_that_is_not_known(self) -> None:
        strange = Tensor("q.weight_codes", (8, 8), "I32")
        assert active_parameters([*tensors(TIED), strange], CONFIG) is None
        assert active_parameters([Tensor("q.qweight", (8, 8), "I32")], CONFIG) is None


class TestFiles:
    def test_the_same_weights_in_another_layout_count_once(self, folder: Path) -> None:
        write(folder, "model.safetensors", TIED)
        assert model_cost(folder) == ModelCost(216, 64)
        bytes_alone = model_size(str(folder)).weight_bytes
        write(folder, "consolidated.safetensors", TIED)
        write(folder, "adapter_model.safetensors", TIED)
        torch.save({"x": torch.zeros(9)}, folder / "pytorch_model.bin")
        assert model_cost(folder) == ModelCost(216, 64)
        assert model_size(str(folder)).weight_bytes == bytes_alone

    def test_an_index_tells_which_files_are_the_models(self, folder: Path) -> None:
        write(folder, "a.safetensors", TIED)
        write(folder, "b.safetensors", DENSE)
        write(folder, "of-before.safetensors", TIED)
        named = dict.fromkeys(TIED, "a.safetensors") | dict.fromkeys(DENSE, "b.safetensors")
        index = folder / "model.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": named}))
        assert model_cost(folder) == ModelCost(216 + 56, 64)
        (folder / "b.safetensors").unlink()
        assert model_cost(folder) is None

    def test_bin_files_by_their_index_and_without_their_weights(self, folder: Path) -> None:
        parts: dict[str, Mapping[str, tuple[int, ...]]] = {
            "pytorch_model-1.bin": TIED,
            "pytorch_model-2.bin": DENSE,
        }
        for name, shapes in parts.items():
            state = {key: torch.zeros(shape, dtype=torch.float16) for key, shape in shapes.items()}
            torch.save(state, folder / name)
        torch.save({"not": "weights"}, folder / "training_args.bin")
        assert model_cost(folder) == ModelCost(216 + 56, 64)
        index = folder / "pytorch_model.bin.index.json"
        index.write_text(json.dumps({"weight_map": dict.fromkeys(TIED, "pytorch_model-1.bin")}))
        assert model_cost(folder) == ModelCost(216, 64)

    def test_a_pickle_runs_nothing(self, folder: Path, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> Any:
                return (Path.touch, (tmp_path / "sprung",))

        torch.save({"x": Trap()}, folder / "pytorch_model.bin")
        assert model_cost(folder) is None
        assert not (tmp_path / "sprung").exists()

    def test_gguf(self, tmp_path: Path) -> None:
        """Quantised blocks count as their weights; experts as often as they are chosen."""
        import gguf

        writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
        writer.add_block_count(2)
        writer.add_head_count(4)
        writer.add_embedding_length(32)
        writer.add_expert_count(6)
        writer.add_expert_used_count(2)
        shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (10, 32)}
        shapes |= {"blk.0.attn_q.weight": (32, 32), "blk.1.ffn_up_exps.weight": (6, 4, 32)}
        for name, shape in shapes.items():
            packed = gguf.quants.quantize(
                np.zeros(shape, np.float32), gguf.GGMLQuantizationType.Q8_0
            )
            writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        expected = ModelCost(320 + 1024 + 2 * 128, 4 * 2 * 32)
        assert model_cost(tmp_path) == model_cost(tmp_path / "m.gguf") == expected
        (tmp_path / "m-Q4.gguf").write_bytes((tmp_path / "m.gguf").read_bytes())
        assert model_cost(tmp_path) is None  # which of the two is served?

    def test_parts_of_one_gguf(self, tmp_path: Path) -> None:
        for i in (1, 2):
            (tmp_path / f"m-0000{i}-of-00002.gguf").touch()
        assert len(weight_files(tmp_path)) == 2

    @pytest.mark.parametrize("content", [b"", b"\xff" * 30, b"\x02\0\0\0\0\0\0\0[]"])
    @pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "m.gguf"])
    def test_a_file_that_is_not_what_it_says(self, folder: Path, name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)
        assert model_cost(folder) is None

    def test_nothing_here(self, folder: Path) -> None:
        assert model_cost(None) is None
        assert model_cost(folder) is None
        write(folder, "model.safetensors", TIED)
        (folder / "config.json").unlink()
        assert model_cost(folder) is None

    def test_the_embedded_policy_to_the_last_one(self) -> None:
        """365 x 128 tied; per layer 4 x 128^2 + 3 x 128 x 384 and two norms; a last norm."""
        expected = 365 * 128 + 4 * (4 * 128**2 + 3 * 128 * 384 + 2 * 128) + 128
        assert model_cost(POLICY) == ModelCost(expected, 4 * 4 * 128)
        assert sum(tensor.size for tensor in read_tensors(weight_files(POLICY))) == expected
